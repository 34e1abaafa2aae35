"""Listing into the queue: pages, kills, requests of other processes, bounds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from backfill.backfill_place import Functions, MakeLister, Place

from screentest.aws import AwsError
from screentest.backfill.queue import Queue, RateLimit
from screentest.backfill.selection import Listed, Selection
from screentest.backfill.sources import BATCH_GET, Bucket, Verdicts
from screentest.backfill.state import Job, Jobs, Phase, Request
from screentest.screening.events import objects_in_body
from screentest.screening.models import ObjectRef, Reason
from screentest.screening.routes import Routes

NAMES = [f"emo/1x1/{n:02}.jpg" for n in range(10)]


def new_job(place: Place, **selection: Any) -> Job:
    chosen = Selection(bucket=place.bucket, **selection)
    return Job(chosen.job_id("moto"), "moto", chosen)


def listed(key: str) -> Listed:
    return Listed(key=key, version_id=None, etag="e", size=1, last_modified=datetime(2026, 1, 1, tzinfo=UTC))


def sent(place: Place) -> Counter[str]:
    return Counter(ref.key for body in place.messages() for ref in objects_in_body(body))


@pytest.mark.parametrize("versions", [None, "Enabled", "Suspended"])
@pytest.mark.parametrize("page_size", [1, 3, 1000])
def test_each_current_object_is_listed_once(place: Place, versions: str | None, page_size: int) -> None:
    place.put("emo/1x1/before.jpg")
    if versions:
        place.s3.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": versions})
    latest = {name: place.put(name, body.encode()) for body in ("old", "new") for name in NAMES}
    place.put("emo/1x1/deleted.jpg")
    place.s3.delete_object(Bucket=place.bucket, Key="emo/1x1/deleted.jpg")
    place.put("emoji/elsewhere.jpg")

    found = [
        listed
        for page in Bucket(place.s3, place.bucket, "emo/", page_size).pages()
        for listed in page.objects
    ]

    assert [listed.key for listed in found] == [*NAMES, "emo/1x1/before.jpg"]
    for listed in found[:-1]:
        version = latest[listed.key].get("VersionId")
        assert listed.version_id == (version if version != "null" else None)
        assert listed.etag == latest[listed.key]["ETag"].strip('"')
    assert found[-1].version_id is None, "uploaded before there were versions"


@pytest.mark.parametrize("versions", [None, "Enabled"])
def test_a_listing_goes_on_where_it_stopped(place: Place, versions: str | None) -> None:
    if versions:
        place.s3.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": versions})
    for name in NAMES:
        place.put(name)
    pages = list(Bucket(place.s3, place.bucket, "", 4).pages())
    for done, page in enumerate(pages[:-1], start=1):
        rest = Bucket(place.s3, place.bucket, "", 4).pages(json.loads(json.dumps(page.following)))
        assert list(rest) == pages[done:]


def test_what_is_decided_by_these_rules_is_left_out(place: Place, make_lister: MakeLister) -> None:
    for name in NAMES:
        place.put(name)
    place.put("other/unrouted.jpg")
    place.put("emo/1x1/", b"")
    place.decide(NAMES[0])
    place.decide(NAMES[1], verdict="reject")
    place.decide(NAMES[2], verdict="error")
    place.decide(NAMES[3], rules_version="0")
    job = new_job(place)

    states = list(make_lister().run(job))

    assert job.phase is Phase.LISTED
    assert len(states) == job.pages == 4
    assert sent(place) == Counter(NAMES[2:])
    assert (job.listed, job.sent, job.screenings) == (12, 8, 8)
    assert job.skipped == {"screened already": 2, "folder marker": 1, "no route for its key": 1}


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ({Reason.NEW}, NAMES[4:]),
        ({Reason.ERROR}, NAMES[2:3]),
        ({Reason.OUTDATED}, NAMES[3:4]),
        ({Reason.ERROR, Reason.OUTDATED}, NAMES[2:4]),
    ],
)
def test_only_the_reasons_asked_for(
    place: Place, make_lister: MakeLister, only: set[Reason], expected: list[str]
) -> None:
    for name in NAMES:
        place.put(name)
    place.decide(NAMES[0])
    place.decide(NAMES[1], verdict="reject")
    place.decide(NAMES[2], verdict="error")
    place.decide(NAMES[3], rules_version="0")
    list(make_lister().run(new_job(place, only=frozenset(only))))
    assert sent(place) == Counter(expected)


class Killed(BaseException):
    """What a kill looks like from inside: nothing that is left undone happens."""


class DyingQueue(Queue):
    """Dies before or after the given send."""

    def __init__(self, place: Place, *, before: int | None = None, after: int | None = None) -> None:
        super().__init__(place.sqs, place.queue_url, Functions(), "function")  # type: ignore[arg-type]
        self._before, self._after, self._sends = before, after, 0

    def send(self, refs: Sequence[ObjectRef], rejects: Sequence[str] | None = None) -> None:
        self._sends += 1
        if self._sends == self._before:
            raise Killed
        super().send(refs, rejects)
        if self._sends == self._after:
            raise Killed


class DyingJobs(Jobs):
    """Dies before remembering the given page."""

    def __init__(self, folder: Path, at: int) -> None:
        super().__init__(folder)
        self._at = at

    def save(self, job: Job) -> None:
        if job.pages == self._at:
            raise Killed
        super().save(job)


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("kind", ["before", "after", "save"])
def test_a_kill_loses_nothing_and_repeats_one_page_at_most(
    place: Place, make_lister: MakeLister, tmp_path: Path, kind: str, step: int
) -> None:
    for name in NAMES:
        place.put(name)
    job = new_job(place)
    dying = (
        {"jobs": DyingJobs(tmp_path, step)}
        if kind == "save"
        else {"queue": DyingQueue(place, **{kind: step})}
    )
    with pytest.raises(Killed):
        list(make_lister(**dying).run(job))

    remembered = Jobs(tmp_path).load(job.id) or new_job(place)
    list(make_lister().run(remembered))

    times = sent(place)
    assert set(times) == set(NAMES)
    assert times.total() <= len(NAMES) + 3, "a page holds three"
    assert remembered.phase is Phase.LISTED
    assert remembered.sent == remembered.listed == len(NAMES), "a page that is repeated is counted once"


@pytest.mark.parametrize(
    ("request_", "phase"), [(Request.PAUSE, Phase.PAUSED), (Request.CANCEL, Phase.CANCELLED)]
)
def test_another_process_stops_the_listing(
    place: Place, make_lister: MakeLister, tmp_path: Path, request_: Request, phase: Phase
) -> None:
    for name in NAMES:
        place.put(name)
    jobs = Jobs(tmp_path)
    job = new_job(place)
    running = make_lister().run(job)
    next(running)
    jobs.ask(job.id, request_)
    assert list(running) == []
    assert job.phase is phase
    remembered = jobs.load(job.id)
    assert remembered is not None
    assert remembered.phase is phase
    assert sent(place) == Counter(NAMES[:3])

    jobs.answer(job.id)
    list(make_lister().run(remembered))
    assert sent(place) == Counter(NAMES[3:])


def test_the_queue_never_holds_more_than_its_bound_and_a_page(place: Place, make_lister: MakeLister) -> None:
    for name in NAMES:
        place.put(name)
    depths = []
    got: Counter[str] = Counter()

    def drain(_seconds: float) -> None:
        depths.append(queue.depth())
        got.update(sent(place))

    queue = Queue(place.sqs, place.queue_url, Functions(), "function")  # type: ignore[arg-type]
    list(make_lister(queue=queue, depth=4, sleep=drain).run(new_job(place)))
    got.update(sent(place))
    assert got == Counter(NAMES)
    assert depths
    assert max(depths) <= 4 + 3


def test_a_pace_is_kept_without_bursts() -> None:
    now = 100.0
    slept = []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    rate_limit = RateLimit(10, clock=lambda: now, sleep=sleep)
    for _ in range(20):
        rate_limit.take(5)
    assert sum(slept) == pytest.approx(9.5)
    now += 1000
    rate_limit.take(5)
    rate_limit.take(5)
    assert slept[-1] == pytest.approx(0.5), "an idle hour is not made up for"


def test_two_processes_do_not_list_one_job(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    with jobs.alone("backfill-1"), pytest.raises(AwsError, match="another process"), jobs.alone("backfill-1"):
        pytest.fail("both hold it")
    with jobs.alone("backfill-1"):
        pass


def test_a_broken_state_file_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "backfill-1.json").write_text('{"id": ')
    with pytest.raises(AwsError, match="--restart"):
        Jobs(tmp_path).load("backfill-1")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, place: Place) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AwsError, match="--state-dir"):
        Jobs(tmp_path / "file").save(new_job(place))


def test_a_bucket_that_is_not_there(place: Place) -> None:
    with pytest.raises(AwsError, match="no bucket named"):
        list(Bucket(place.s3, "no-such-bucket-of-ours").pages())


def test_the_table_is_asked_in_batches(place: Place) -> None:
    objects = [listed(f"emo/1x1/{n}.jpg") for n in range(BATCH_GET * 2 + 1)]
    decided = objects[:: BATCH_GET // 2]
    for one in decided:
        place.decide(one.key)
    wanted = [(one, Routes.DEFAULT.screenings(one.key)) for one in objects]
    found = Verdicts(place.dynamodb, place.table).of(place.bucket, wanted)
    assert set(found) == {(f"s3://{place.bucket}/{one.key}", None) for one in decided}


def test_pausing_stops_what_empties_the_queue(place: Place) -> None:
    functions = Functions()
    queue = Queue(place.sqs, place.queue_url, functions, "function")  # type: ignore[arg-type]
    assert queue.is_on()
    queue.switch(on=False)
    assert functions.state == "Disabled"
    assert not queue.is_on()
    queue.switch(on=True)
    assert queue.is_on()
