"""What `doctor --gates` makes of tags and records; no AWS needed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.screening import record

from screentest.backfill.selection import Listed
from screentest.doctor.gates import GRACE, Fault, fault_of, sampled
from screentest.screening import tags
from screentest.screening.models import ObjectRef, Screening
from screentest.screening.records import Record, seconds

EMO, EMOJI = Screening.of("emo-detect-v1"), Screening.of("emoji-detect-v1")
THEN = "2026-01-01T00:00:00.000Z"
NOW = seconds(THEN) + GRACE + 1
REF = ObjectRef("uploads", "emo/1x1/a.jpg", version_id="1", etag="e", last_modified=THEN)

PASS = record(verdict="pass", screened_at=THEN, version_id="1", etag="e", face_bbox=[1, 2, 3, 4])
REJECT = record(verdict="reject", code="NoHuman", screened_at=THEN, version_id="1", etag="e")
ERROR = record(verdict="error", code="Timeout", screened_at=THEN, version_id="1", etag="e")
PENDING = record(lease_until=1.0, version_id="1", etag="e")
RESCREENED = record(verdict="pass", screened_at=THEN, version_id="1", etag="e", lease_until=1.0)


def due(*stored: Record) -> dict[str, str]:
    pairs = zip((EMO, EMOJI), stored, strict=False)
    return tags.plan({}, [(screening, each.result) for screening, each in pairs]).tags


def fault(
    found: Mapping[str, str], stored: Mapping[Screening, Record], ref: ObjectRef = REF, now: float = NOW
) -> Fault | None:
    screenings = list(stored) or [EMO]
    answer = fault_of(ref, found, screenings, {s: r for s, r in stored.items() if r}, now)
    return answer[0] if answer else None


def test_where_the_stack_writes_the_gate_alone_nothing_else_is_missed() -> None:
    for found, wrong in (({"screentest": "pass"}, None), (due(PASS), Fault.DETAILS), ({}, Fault.MISSING)):
        answer = fault_of(REF, found, [EMO], {EMO: PASS}, NOW, plan=tags.PLANNERS["gate"])
        assert (answer and answer[0]) == wrong


@pytest.mark.parametrize(
    ("found", "stored", "expected"),
    [
        (due(PASS), PASS, None),
        (due(REJECT) | {"owner": "me"}, REJECT, None),
        ({}, PENDING, None),
        (due(RESCREENED), RESCREENED, None),
        (due(PASS), REJECT, Fault.FORGED),
        ({"screentest": "pass"}, REJECT, Fault.FORGED),
        (due(PASS), ERROR, Fault.FORGED),
        ({"screentest": "pass"}, PENDING, Fault.FORGED),
        ({}, PASS, Fault.MISSING),
        ({"owner": "me"}, REJECT, Fault.MISSING),
        (due(REJECT), PASS, Fault.DIFFERING),
        ({"screentest": "pass "}, REJECT, Fault.DIFFERING),
        (due(REJECT), PENDING, Fault.DIFFERING),
        ({"screentest": "pass"}, PASS, Fault.DETAILS),
        (due(PASS) | {"screentest:emo-detect-v1:1x1:face": "9 9 9 9"}, PASS, Fault.DETAILS),
    ],
)
def test_what_is_wrong_is_named(found: dict[str, str], stored: Record, expected: Fault | None) -> None:
    assert fault(found, {EMO: stored}) is expected


def test_a_pass_without_any_record_is_forged() -> None:
    assert fault_of(REF, {"screentest": "pass"}, [EMO], {}, NOW) == (
        Fault.FORGED,
        "its gate says pass, its records that not all is decided",
    )
    assert fault_of(REF, {}, [EMO], {}, NOW) is None


def test_a_gate_before_all_screenings_are_decided_is_forged() -> None:
    assert fault(due(PASS), {EMO: PASS, EMOJI: PENDING}) is Fault.FORGED
    both = replace(PASS, screening=EMOJI)
    assert fault(due(PASS, both), {EMO: PASS, EMOJI: both}) is None


def test_nothing_is_certain_while_tags_may_be_on_their_way() -> None:
    assert fault({}, {EMO: PASS}, now=NOW - 2) is None
    young = replace(REF, last_modified="2026-01-01T01:00:00.000Z")
    assert fault_of(young, {"screentest": "pass"}, [EMO], {}, seconds("2026-01-01T01:10:00.000Z")) is None


def test_without_versions_a_record_of_another_upload_says_nothing() -> None:
    bare = replace(REF, version_id=None)
    former = record(verdict="pass", screened_at=THEN, etag="another")
    assert fault(due(PASS), {EMO: former}, bare) is Fault.FORGED
    assert fault(due(PASS), {EMO: replace(former, ref=replace(former.ref, etag="e"))}, bare) is Fault.DETAILS


def test_ten_tags_of_others_leave_no_room_and_that_is_no_fault() -> None:
    assert fault({f"theirs-{n}": "x" for n in range(10)}, {EMO: PASS}) is None


texts = st.sampled_from(["pass", "reject", "error", "", "1 2 3 4"])
names = st.sampled_from(
    ["screentest", "screentest:emo-detect-v1:1x1", "screentest:emo-detect-v1:1x1:face", "owner"]
)


@given(st.dictionaries(names, texts), st.sampled_from([PASS, REJECT, ERROR, PENDING]))
def test_what_is_found_well_is_what_would_be_written(found: dict[str, str], stored: Record) -> None:
    """And no pass is found well that no record gives."""
    plan = tags.plan(found, [(EMO, stored.result)])
    answer = fault(found, {EMO: stored})
    assert (answer is None) is (plan.tags == found)
    if found.get("screentest") == "pass" and stored is not PASS:
        assert answer is Fault.FORGED


def test_a_sample_gives_every_object_its_chance() -> None:
    objects = [Listed(str(n), None, "e", 1, datetime(2026, 1, 1, tzinfo=UTC)) for n in range(20)]
    rng, drawn = random.Random(1), Counter[str]()
    for _ in range(2000):
        some = sampled(iter(objects), 5, rng)
        assert len({each.key for each in some}) == 5
        drawn.update(each.key for each in some)
    assert set(drawn) == {each.key for each in objects}
    assert all(380 < count < 620 for count in drawn.values()), "500 expected, deviation 19"
    assert sampled(objects, 50, rng) == objects
