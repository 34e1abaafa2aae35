"""Which objects a backfill is about: pure decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.screening import record

from screentest.aws import AwsError
from screentest.backfill.selection import Listed, Selection, Skip, parse_size, parse_source
from screentest.screening.backfill import message, needed
from screentest.screening.events import objects_in_body, rejects_in_body
from screentest.screening.models import ObjectRef, Reason, Screening, Trigger

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EMO = Screening.of("emo-detect-v1", "1:1")


def listed(**changes: object) -> Listed:
    facts: dict[str, object] = {
        "key": "emo/1x1/ann.jpg",
        "version_id": None,
        "etag": "e1",
        "size": 1000,
        "last_modified": NOON,
    }
    return Listed(**facts | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("selection", "object_", "skip"),
    [
        ({}, {}, None),
        ({}, {"key": "emo/1x1/", "size": 0}, Skip.FOLDER),
        ({}, {"key": "screentest-backfill/job-1/manifest.json"}, Skip.REPORT),
        ({}, {"storage_class": "DEEP_ARCHIVE"}, Skip.ARCHIVED),
        ({"suffixes": (".png",)}, {}, Skip.SUFFIX),
        ({"suffixes": (".png", ".jpg")}, {"key": "emo/1x1/ANN.JPG"}, None),
        ({"min_size": 1000, "max_size": 1000}, {}, None),
        ({"min_size": 1001}, {}, Skip.SIZE),
        ({"max_size": 999}, {}, Skip.SIZE),
        ({"since": NOON}, {}, None),
        ({"since": NOON + timedelta(seconds=1)}, {}, Skip.DATE),
        ({"until": NOON}, {}, Skip.DATE),
        ({"until": NOON + timedelta(seconds=1)}, {}, None),
    ],
)
def test_the_listing_alone_leaves_objects_out(
    selection: dict[str, object], object_: dict[str, object], skip: Skip | None
) -> None:
    assert Selection(bucket="portraits", **selection).skip(listed(**object_)) is skip  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("item", "reasons"),
    [
        ({}, {Reason.NEW}),
        ({"verdict": "pass", "rules_version": "2"}, set()),
        ({"verdict": "reject", "rules_version": "2"}, set()),
        ({"verdict": "pass", "rules_version": "1"}, {Reason.OUTDATED}),
        ({"verdict": "pass"}, {Reason.OUTDATED}),
        ({"verdict": "error", "rules_version": "2"}, {Reason.ERROR}),
        ({"lease_until": 1.0}, {Reason.NEW}),
        ({"verdict": "pass", "rules_version": "2", "lease_until": 1.0}, {Reason.NEW}),
        ({"verdict": "pass", "rules_version": "2", "etag": "e1"}, set()),
        ({"verdict": "pass", "rules_version": "2", "etag": "other"}, {Reason.NEW}),
    ],
)
def test_a_verdict_by_the_current_rules_stands(item: dict[str, object], reasons: set[Reason]) -> None:
    ref = listed().ref("portraits")
    assert needed(ref, [EMO], {EMO: record(**item)} if item else {}, "2") == reasons


@pytest.mark.parametrize(
    ("item", "codes", "reasons"),
    [
        ({"verdict": "reject", "code": "InvalidURL"}, (), {Reason.REJECT}),
        ({"verdict": "reject", "code": "InvalidURL"}, ("InvalidURL",), {Reason.REJECT}),
        ({"verdict": "reject", "code": "InvalidFile.NoHuman"}, ("InvalidURL",), set()),
        ({"verdict": "reject", "code": "InvalidFile.NoHuman"}, ("InvalidFile.",), {Reason.REJECT}),
        ({"verdict": "error", "code": "Timeout"}, ("InvalidURL",), set()),
        ({"verdict": "pass"}, (), set()),
    ],
)
def test_rejections_are_judged_again_where_that_is_asked_for(
    item: dict[str, object], codes: tuple[str, ...], reasons: set[Reason]
) -> None:
    stored = {EMO: record(**item, rules_version="2")}
    assert needed(listed().ref("b"), [EMO], stored, "2", rejects=True, codes=codes) == reasons
    assert Reason.REJECT not in needed(listed().ref("b"), [EMO], stored, "2")


def test_a_message_says_which_rejections_are_judged_again() -> None:
    ref = listed().ref("b")
    assert rejects_in_body(message(ref)) is None
    assert rejects_in_body(message(ref, [])) == ()
    assert rejects_in_body(message(ref, ["InvalidURL"])) == ("InvalidURL",)
    assert objects_in_body(message(ref, [])) == objects_in_body(message(ref))


def test_without_named_rules_nothing_is_outdated() -> None:
    stored = {EMO: record(verdict="pass", rules_version="1")}
    assert needed(listed().ref("b"), [EMO], stored, None) == set()


def test_each_screening_of_an_object_counts() -> None:
    emoji = Screening.of("emoji-detect-v1")
    stored = {EMO: record(verdict="pass", rules_version="1", version_id="v1")}
    ref = listed(version_id="v1").ref("b")
    assert needed(ref, [EMO], stored, "1") == set()
    assert needed(ref, [EMO, emoji], stored, "1") == {Reason.NEW}


sizes = st.integers(min_value=0, max_value=10**12)
moments = st.integers(10**9, 4 * 10**9).map(lambda second: datetime.fromtimestamp(second, UTC))
selections = st.builds(
    Selection,
    bucket=st.just("portraits"),
    prefix=st.text(max_size=20),
    suffixes=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    min_size=st.none() | sizes,
    max_size=st.none() | sizes,
    since=st.none() | moments,
    until=st.none() | moments,
    only=st.frozensets(st.sampled_from(Reason), min_size=1),
)


@given(selections)
def test_a_selection_survives_being_remembered(selection: Selection) -> None:
    again = Selection.from_json(selection.to_json())
    assert again == selection
    assert again.job_id("here") == selection.job_id("here") != selection.job_id("there")


@given(selections, selections)
def test_different_selections_are_different_jobs(one: Selection, other: Selection) -> None:
    assert (one.job_id("here") == other.job_id("here")) == (one == other)


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(
    key=keys, version=st.none() | st.text("abc123._-", min_size=1, max_size=32).filter(lambda v: v != "null")
)
def test_the_function_reads_what_is_put_into_the_queue(key: str, version: str | None) -> None:
    ref = listed(key=key, version_id=version).ref("portraits")
    (read,) = objects_in_body(message(ref))
    assert read == ref
    assert read.trigger is Trigger.BACKFILL


@pytest.mark.parametrize(
    ("text", "size"),
    [(None, None), ("0", 0), ("10KB", 10_000), ("1.5 MiB", 1_572_864), ("2gb", 2_000_000_000), ("7B", 7)],
)
def test_sizes(text: str | None, size: int | None) -> None:
    assert parse_size(text, "--min-size") == size


@pytest.mark.parametrize("text", ["", "KB", "10 furlongs", "-1", "1e3"])
def test_a_malformed_size_is_named_with_its_option(text: str) -> None:
    with pytest.raises(AwsError, match="--min-size"):
        parse_size(text, "--min-size")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://portraits", ("portraits", "")),
        ("s3://portraits/", ("portraits", "")),
        ("s3://my.portraits/emo/1x1/ä b", ("my.portraits", "emo/1x1/ä b")),
    ],
)
def test_addresses(text: str, parts: tuple[str, str]) -> None:
    assert parse_source(text) == parts


@pytest.mark.parametrize("text", ["portraits", "s3:/portraits", "s3://", "s3://Portraits/x", "https://s3/x"])
def test_a_malformed_address_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(AwsError, match="s3://BUCKET/PREFIX"):
        parse_source(text)


def test_an_object_without_version_is_known_by_its_content() -> None:
    ref = listed().ref("portraits")
    assert ref == ObjectRef(
        bucket="portraits",
        key="emo/1x1/ann.jpg",
        etag="e1",
        size=1000,
        last_modified="2026-05-01T12:00:00.000Z",
        trigger=Trigger.BACKFILL,
    )
