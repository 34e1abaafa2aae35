"""What is overdue, from the index of pending screenings to the backfill queue."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from backfill.backfill_place import MakeLister, Place
from support.aws import create_verdict_table

from screentest.aws import AwsError
from screentest.backfill.selection import Selection
from screentest.backfill.sources import Bucket, source
from screentest.backfill.state import Job, Phase
from screentest.screening import records
from screentest.screening.errors import StoreUnavailable, Throttled
from screentest.screening.events import objects_in_body
from screentest.screening.models import ObjectRef, Reason, Screening, Trigger
from screentest.screening.records import BACKFILL_LIFE, UPLOAD_LIFE, Record, Result
from screentest.screening.table import VerdictTable

EMO = Screening.of("emo-detect-v1")
DAY = 86_400.0
OVERDUE = frozenset({Reason.OVERDUE})


def pend(
    place: Place, key: str, *, days: float, screening: Screening = EMO, held: bool = False, **ref: Any
) -> Record:
    """A screening whose last attempt was so many days ago: it failed, or crashed and still holds its lease."""
    then = time.time() - days * DAY
    table = VerdictTable(place.dynamodb, place.table)
    bucket = ref.pop("bucket", place.bucket)
    claim = records.claimed(None, ObjectRef(bucket, key, **ref), screening, now=then, days=365)
    assert table.create(claim) is None
    if held:
        return claim
    released = claim.released(Throttled("slow down"), then)
    assert table.replace(released, claim)
    return released


def sent(place: Place) -> Counter[tuple[str, str | None]]:
    return Counter((ref.key, ref.version_id) for body in place.messages() for ref in objects_in_body(body))


def job(place: Place, **selection: Any) -> Job:
    chosen = Selection(bucket=place.bucket, **selection)
    return Job(chosen.job_id("moto"), "moto", chosen)


def run(place: Place, make_lister: MakeLister, wanted: Job) -> None:
    bucket = Bucket(place.s3, place.bucket, wanted.selection.prefix, 3)
    list(make_lister(source=source(place.dynamodb, place.table, wanted.selection, bucket)).run(wanted))
    assert wanted.phase is Phase.LISTED


def test_the_index_holds_what_is_pending_and_nothing_else(place: Place) -> None:
    table = VerdictTable(place.dynamodb, place.table)
    place.decide("emo/1x1/decided.jpg")
    pend(place, "emo/1x1/new.jpg", days=3.9)
    lost = pend(place, "emo/1x1/lost.jpg", days=4.1)
    crashed = pend(place, "emo/1x1/crashed.jpg", days=4.1, held=True)
    pend(place, "emo/1x1/paused.jpg", days=13, trigger=Trigger.BACKFILL)
    old = pend(place, "emo/1x1/paused-too-long.jpg", days=14.1, trigger=Trigger.BACKFILL)
    found = {record.ref.key for record in table.overdue(time.time())}
    assert found == {record.ref.key for record in (lost, crashed, old)}

    decided = lost.decided(Result.of_error("Timeout", "never", now=time.time()))
    assert table.replace(decided, lost)
    assert {record.ref.key for record in table.overdue(time.time())} == found - {lost.ref.key}


def test_many_pages_of_the_index_are_read(place: Place) -> None:
    for number in range(30):
        pend(place, f"emo/1x1/{number}.jpg", days=5)

    class Paged:
        def scan(self, **request: Any) -> Any:
            return place.dynamodb.scan(**request, Limit=7)

    assert len(list(VerdictTable(Paged(), place.table).overdue(time.time()))) == 30  # type: ignore[arg-type]


def test_a_table_without_the_index_is_unavailable_and_nothing_is_called_well(place: Place) -> None:
    with pytest.raises(StoreUnavailable):
        list(VerdictTable(place.dynamodb, "no-such-table").overdue(time.time()))


def test_with_a_table_of_before_a_usual_backfill_goes_on(place: Place, make_lister: MakeLister) -> None:
    before = replace(place, table=f"{place.table}-before")
    create_verdict_table(before.dynamodb, before.table, index=False)
    before.put("emo/1x1/a.jpg")
    run(before, make_lister, job(before))
    assert sent(before) == {("emo/1x1/a.jpg", None): 1}
    with pytest.raises(AwsError, match="deploy the stack again"):
        run(before, make_lister, job(before, only=OVERDUE))


def test_overdue_alone_lists_no_bucket_and_finds_old_versions_and_deleted_objects(
    place: Place, make_lister: MakeLister
) -> None:
    place.s3.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    key = "emo/1x1/a.jpg"
    versions = [place.put(key, body)["VersionId"] for body in (b"1", b"2", b"3")]
    for version in versions[:2]:
        pend(place, key, days=5, version_id=version, etag="e", size=1)
    pend(place, "emo/1x1/deleted.jpg", days=5, version_id="gone", etag="e")
    place.put("emo/1x1/never-seen.jpg")
    wanted = job(place, only=OVERDUE)

    bucket: Any = None
    list(make_lister(source=source(place.dynamodb, place.table, wanted.selection, bucket)).run(wanted))

    assert sent(place) == {
        (key, versions[0]): 1,
        (key, versions[1]): 1,
        ("emo/1x1/deleted.jpg", "gone"): 1,
    }
    assert (wanted.phase, wanted.sent) == (Phase.LISTED, 3)


def test_a_usual_backfill_takes_what_is_overdue_along_and_sends_nothing_twice(
    place: Place, make_lister: MakeLister
) -> None:
    place.s3.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    key = "emo/1x1/a.jpg"
    old, new = (place.put(key, body)["VersionId"] for body in (b"1", b"2"))
    for version in (old, new):
        pend(place, key, days=5, version_id=version)
    other = place.put("emo/1x1/b.jpg")["VersionId"]
    run(place, make_lister, job(place))
    assert sent(place) == {(key, old): 1, (key, new): 1, ("emo/1x1/b.jpg", other): 1}


def test_a_backfill_of_errors_alone_leaves_what_is_overdue(place: Place, make_lister: MakeLister) -> None:
    pend(place, "emo/1x1/a.jpg", days=5)
    run(place, make_lister, job(place, only=frozenset({Reason.ERROR})))
    assert not sent(place)


def test_the_filters_of_a_selection_hold_for_what_is_overdue(place: Place, make_lister: MakeLister) -> None:
    for key, more in (
        ("emo/1x1/a.jpg", {"size": 5}),
        ("emo/1x1/a.png", {"size": 5}),
        ("emo/1x1/large.jpg", {"size": 5_000_000}),
        ("emo/3x4/a.jpg", {"size": 5, "screening": Screening.of("emo-detect-v1", "3:4")}),
        ("elsewhere/a.jpg", {"size": 5}),
    ):
        pend(place, key, days=5, **more)
    pend(place, "emo/1x1/of-another-bucket.jpg", days=5, bucket="former", size=5)
    wanted = job(place, only=OVERDUE, prefix="emo/1", suffixes=(".jpg",), max_size=1000)
    run(place, make_lister, wanted)
    assert sent(place) == {("emo/1x1/a.jpg", None): 1}


def test_each_screening_of_one_upload_is_one_message(place: Place, make_lister: MakeLister) -> None:
    from screentest.backfill.queue import Chooser
    from screentest.backfill.sources import Verdicts
    from screentest.screening.routes import Route, Routes

    emoji = Screening.of("emoji-detect-v1")
    for screening in (EMO, emoji):
        pend(place, "both/a.jpg", days=5, screening=screening)
    wanted = job(place, only=OVERDUE)
    chooser = Chooser(
        verdicts=Verdicts(place.dynamodb, place.table),
        routes=Routes((Route("both/", (EMO, emoji)),)),
        object_routes=False,
        rules_version="1",
    )
    lister = make_lister(
        chooser=chooser,
        source=source(place.dynamodb, place.table, wanted.selection, Bucket(place.s3, place.bucket)),
    )
    list(lister.run(wanted))
    assert sent(place) == {("both/a.jpg", None): 1}
    assert wanted.screenings == 2


def test_the_lives_are_those_of_the_queues() -> None:
    from template.cloudformation import effective

    queues = effective()["Resources"]
    assert queues["ScreenQueue"]["Properties"]["MessageRetentionPeriod"] == UPLOAD_LIFE
    assert queues["BackfillQueue"]["Properties"]["MessageRetentionPeriod"] == BACKFILL_LIFE


def test_jobs_of_before_keep_their_names(place: Place) -> None:
    """A run that was killed before an upgrade goes on after it."""
    chosen = Selection(bucket="portraits", prefix="emo/")
    assert chosen.job_id("us-east-1 screentest") == NAME_BEFORE
    assert replace(chosen, only=OVERDUE).job_id("us-east-1 screentest") != NAME_BEFORE


NAME_BEFORE = "backfill-edb531810dca"
