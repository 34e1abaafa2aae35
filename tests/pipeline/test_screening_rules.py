"""Keys, routes, order of events, claims, tags, notices: the pure rules, by example and by property."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from samcli.yamlhelper import yaml_parse

from screentest.screening import events, notices, records, routes, tags
from screentest.screening.breaker import Breaker, BreakerPolicy
from screentest.screening.contract import Decision
from screentest.screening.errors import BreakerOpen, StoreUnavailable, Throttled, UnreadableEvent
from screentest.screening.judging import Judge
from screentest.screening.models import ObjectRef, Screening, Trigger, Verdict, is_later
from screentest.screening.records import ClaimState, Record, RescreenPolicy, Result
from screentest.screening.retry import LONGEST_ASKED, Backoff
from screentest.screening.routes import Routes

EVENTS = Path(__file__).parents[2] / "events"
EMO, HALF, EMOJI = (
    Screening.of("emo-detect-v1"),
    Screening.of("emo-detect-v1", "3:4"),
    Screening.of("emoji-detect-v1"),
)
AA = Screening.of("animate-anyone-detect-gen2")

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def load(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


# Events --------------------------------------------------------------------------------------------------------------


def test_keys_of_every_shape_are_decoded_once_and_rightly() -> None:
    awkward = ["a+b.jpg", "a b.jpg", "100%25.jpg", "é.jpg", "x=1/y.jpg"]
    found = events.objects(load("s3-awkward-keys"))
    assert [ref.key.removeprefix("emo/1x1/") for ref in found] == awkward
    queued = [
        ref.key for r in load("sqs-s3-awkward-keys")["Records"] for ref in events.objects_in_body(r["body"])
    ]
    assert [key.removeprefix("emo/1x1/") for key in queued] == awkward
    (bridged,) = events.objects(load("eventbridge-awkward-key"))
    assert bridged.key == "emo/1x1/100%25 a+b é.jpg", "EventBridge's keys are raw"


@given(keys)
def test_any_key_survives_each_way(key: str) -> None:
    notification = {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": "b"},
                    "object": {"key": quote_plus(key, safe="/*-._"), "sequencer": "0A"},
                },
            }
        ]
    }
    bridged = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "b"}, "object": {"key": key}},
    }
    for event in (notification, bridged):
        (ref,) = events.objects_in_body(json.dumps(event))
        assert ref.key == key


def test_the_facts_of_an_upload() -> None:
    (ref,) = events.objects(load("s3-put"), Trigger.MANUAL)
    assert ref.version_id == "096fKKXTRTtl3on89fVO.nfljtsv6qko"
    assert ref.sequencer == "0055AED6DCD90281F5"
    assert ref.last_modified is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ref.last_modified)
    assert ref.trigger is Trigger.MANUAL
    (bare,) = events.objects(load("s3-without-version"))
    assert bare.version_id is None
    assert len(events.objects(load("s3-several-records"))) == 3


def test_a_suspended_bucket_says_null_for_no_version() -> None:
    event = load("s3-put")
    event["Records"][0]["s3"]["object"]["versionId"] = "null"
    (ref,) = events.objects(event)
    assert ref.version_id is None
    assert EMO.sort_key(ref.version_id) == "emo-detect-v1#1x1#-"


@pytest.mark.parametrize("name", ["s3-test", "s3-removed"])
def test_news_that_screens_nothing(name: str) -> None:
    assert events.objects(load(name)) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "[]",
        "{}",
        "null",
        '{"source": "aws.ec2"}',
        '{"Records": [{}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": ""}, "object": {"key": "k"}}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": 1}, "object": {"key": "k"}}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "%FF"}}}]}',
        '{"source": "aws.s3", "detail-type": "Object Created", "detail": {}}',
        "[" * 100_000,
    ],
)
def test_messages_that_name_no_object_are_unreadable(body: str) -> None:
    with pytest.raises(UnreadableEvent):
        events.objects_in_body(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "s3", "bucket", "object", "key", "name", "source", "detail", "eventName", "size"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_forged_events_are_read_or_refused_and_nothing_else(event: Any) -> None:
    try:
        found = events.objects(event)
    except UnreadableEvent:
        return
    assert all(ref.bucket and ref.key for ref in found)


# Routes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("emo/1x1/a.jpg", (EMO,)),
        ("emo/3x4/a.jpg", (HALF,)),
        ("emoji/a.jpg", (EMOJI,)),
        ("animate-anyone/a.jpg", (AA,)),
        ("liveportrait/a.jpg", (Screening("liveportrait-detect"),)),
        ("wan2.2-s2v/a.jpg", (Screening("wan2.2-s2v-detect"),)),
        ("emo/a.jpg", ()),
        ("EMO/1x1/a.jpg", ()),
        ("x/emo/1x1/a.jpg", ()),
    ],
)
def test_the_default_routes(key: str, expected: tuple[Screening, ...]) -> None:
    assert Routes.DEFAULT.screenings(key) == expected
    assert Routes.parse("") == Routes.parse("  ") == Routes.DEFAULT


def test_the_first_route_that_matches_wins_and_suffixes_ignore_case() -> None:
    parsed = Routes.parse(
        json.dumps(
            [
                {
                    "prefix": "p/",
                    "suffix": ".PNG",
                    "screenings": [{"model": "emoji-detect-v1", "ratio": "1:1"}],
                },
                {
                    "prefix": "p/",
                    "screenings": [
                        {"model": "emo-detect-v1", "ratio": "3:4"},
                        {"model": "animate-anyone-detect-gen2"},
                        {"model": "emo-detect-v1", "ratio": "3:4"},
                    ],
                },
                {"prefix": "", "screenings": [{"model": "wan2.2-s2v-detect"}]},
            ]
        )
    )
    assert parsed.screenings("p/a.png") == (EMOJI,)
    assert parsed.screenings("p/a.jpg") == (HALF, AA)
    assert parsed.screenings("q") == (Screening("wan2.2-s2v-detect"),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("{}", "list"),
        ("[]", "at least one"),
        ('[{"screenings": []}]', "rule 1"),
        ('[{"prefix": "a", "screenings": []}]', "at least one"),
        ('[{"prefix": "a", "screenings": [{"model": "a b"}]}]', "model name"),
        ('[{"prefix": "a", "screenings": [{"model": "m", "ratio": "4:3"}]}]', "ratio"),
        ('[{"prefix": "a", "screenings": [{"model": "m", "Ratio": "1:1"}]}]', "unknown Ratio"),
        ('[{"prefix": "a", "sufix": "x", "screenings": [{"model": "m"}]}]', "unknown sufix"),
        ('[{"prefix": "a", "screenings": [{"model": "m"}]}, {"prefix": 1}]', "rule 2"),
    ],
)
def test_wrong_routes_say_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Routes.parse(text)


@given(st.text(max_size=300))
def test_metadata_only_ever_adds_and_only_what_is_well_formed(value: str) -> None:
    added = routes.from_metadata(value)
    assert len(added) <= routes.OBJECT_SCREENINGS
    for screening in added:
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", screening.model)
        assert screening.ratio in (None, "1:1", "3:4")
    merged = routes.merged((EMO, HALF), added)
    assert merged[:2] == (EMO, HALF)
    assert len(set(merged)) == len(merged)


def test_metadata_as_documented() -> None:
    assert routes.from_metadata("emo-detect-v1:3x4,emoji-detect-v1") == (HALF, EMOJI)
    assert routes.from_metadata("emo-detect-v1:3:4") == (HALF,)
    assert routes.from_metadata(" emo-detect-v1 , ,a b,emo-detect-v1:9:9, emo-detect-v1") == (EMO,)
    assert len(routes.from_metadata(",".join(f"m{n}" for n in range(100)))) == routes.OBJECT_SCREENINGS


def test_folder_markers() -> None:
    assert routes.is_folder(ObjectRef("b", "emo/1x1/", size=0))
    assert not routes.is_folder(ObjectRef("b", "emo/1x1/x.jpg", size=0)), "an empty picture is a picture"
    assert not routes.is_folder(ObjectRef("b", "emo/1x1/", size=5))


def test_ratios_follow_the_model() -> None:
    assert EMO.ratio_key == "1x1"
    assert Screening.of("emoji-detect-v1", "1:1").sort_key("v") == "emoji-detect-v1#-#v"
    assert Screening.of("emoji-detect-v1").wire_ratio == "1:1"
    assert Screening.of("animate-anyone-detect-gen2", "3:4") == AA
    assert AA.wire_ratio is None


# Order and claims ----------------------------------------------------------------------------------------------------

sequencers = st.text("0123456789ABCDEF", min_size=1, max_size=20)


@given(sequencers, sequencers)
def test_two_events_have_one_order(one: str, other: str) -> None:
    assert not (is_later(one, other) and is_later(other, one))
    assert is_later(one, other) or is_later(other, one) or one.rstrip("0") == other.rstrip("0")


@given(sequencers, sequencers, sequencers)
def test_order_is_transitive(a: str, b: str, c: str) -> None:
    late, middle, early = sorted([a, b, c], key=lambda text: text.ljust(20, "0"), reverse=True)
    assert not is_later(middle, late)
    assert not is_later(early, middle)
    assert not is_later(early, late)


def test_the_shorter_sequencer_is_padded_on_the_right() -> None:
    assert is_later("0055AED6DCD90281E6", "0055AED6DCD90281E5")
    assert is_later("01", "0055AED6DCD90281E5")
    assert not is_later("0055", "0055AED6")
    assert not is_later("0055ae", "0055AE")


NOW = 1_795_250_000.0


def ref(**more: Any) -> ObjectRef:
    return ObjectRef("uploads", "emo/1x1/a.jpg", **({"etag": "e1", "sequencer": "0B"} | more))


def decided(of: ObjectRef, verdict: str = "pass", **more: Any) -> Record:
    claim = records.claimed(None, of, EMO, now=NOW - 10, days=1)
    decision = Decision(Verdict(verdict), code=None if verdict == "pass" else "X")
    error = Result.of_error("Timeout", None, now=NOW - 5)
    result = error if verdict == "error" else Result.of_decision(decision, now=NOW - 5)
    return Record.from_item(claim.decided(result).to_item() | more)


def test_what_a_claim_finds() -> None:
    versioned = ref(version_id="v1")
    mine = decided(versioned)
    assert records.claim_state(mine, versioned, NOW) is ClaimState.DUPLICATE
    claim = records.claimed(None, versioned, EMO, now=NOW, days=1)
    assert records.claim_state(claim, versioned, NOW + 1) is ClaimState.BUSY
    assert records.claim_state(claim, versioned, NOW + 77) is ClaimState.TAKEOVER
    released = claim.released(Throttled("m"), NOW)
    assert records.claim_state(released, versioned, NOW + 0.001) is ClaimState.TAKEOVER
    assert not released.crashed
    assert claim.crashed

    bare = ref()
    assert records.claim_state(decided(bare), ref(sequencer="0C"), NOW) is ClaimState.NEWER
    assert records.claim_state(decided(bare), ref(sequencer="0A"), NOW) is ClaimState.STALE
    assert records.claim_state(decided(bare), ref(sequencer="0B0"), NOW) is ClaimState.DUPLICATE
    no_order = ref(sequencer=None, etag="e2", last_modified=None)
    assert records.claim_state(decided(bare), no_order, NOW) is ClaimState.UNCLEAR
    by_time = ref(sequencer=None, etag="e2", last_modified="2026-11-21T10:00:00.000Z")
    older = decided(bare, last_modified="2026-11-21T09:00:00.000Z")
    assert records.claim_state(older, by_time, NOW) is ClaimState.NEWER
    newer = decided(bare, last_modified="2026-11-21T11:00:00.000Z")
    assert records.claim_state(newer, by_time, NOW) is ClaimState.STALE


def test_which_verdicts_are_asked_for_again() -> None:
    versioned = ref(version_id="v1")
    error = decided(versioned, "error")
    assert records.claim_state(error, versioned, NOW) is ClaimState.DUPLICATE
    assert records.claim_state(error, versioned, NOW + 1000) is ClaimState.TAKEOVER
    later = RescreenPolicy(before=records.timestamp(NOW))
    assert records.claim_state(error, versioned, NOW, later) is ClaimState.TAKEOVER
    assert records.claim_state(decided(versioned), versioned, NOW, later) is ClaimState.DUPLICATE
    everything = RescreenPolicy(records.timestamp(NOW), frozenset(Verdict))
    before = RescreenPolicy(records.timestamp(NOW - 100))
    assert records.claim_state(decided(versioned), versioned, NOW, everything) is ClaimState.TAKEOVER
    assert records.claim_state(error, versioned, NOW, before) is ClaimState.DUPLICATE


refs = st.builds(
    ref,
    version_id=st.none() | st.sampled_from(["v1"]),
    etag=st.none() | st.sampled_from(["e1", "e2"]),
    sequencer=st.none() | sequencers,
    last_modified=st.none() | st.sampled_from(["2026-11-21T10:00:00.000Z", "2026-11-21T11:00:00.000Z"]),
    size=st.none() | st.integers(0, 10),
)


@given(refs, refs, st.sampled_from(["pass", "reject", "error", None]))
def test_a_claim_keeps_the_former_verdict_and_never_an_empty_attribute(
    first: ObjectRef, second: ObjectRef, verdict: str | None
) -> None:
    assume(first.version_id == second.version_id)
    before = decided(first, verdict) if verdict else records.claimed(None, first, EMO, now=NOW, days=1)
    after = records.claimed(before, second, EMO, now=NOW + 200, days=1)
    item = after.to_item()
    assert all(value not in (None, "") for value in item.values())
    assert item.get("verdict") == verdict
    assert item["lease_until"] > NOW + 200
    if not second.version_id:
        assert after.ref.sequencer in (second.sequencer, before.ref.sequencer)
    passed = Result.of_decision(Decision(Verdict.PASS, face_bbox=(1, 2, 3, 4)), now=NOW + 201)
    final = after.decided(passed)
    assert final.is_decided
    stale = {"lease_until", "code", "message", "notified_at", "tags", "deaths", "cause_code"}
    assert not stale & final.to_item().keys()


def test_an_item_says_what_the_design_promises() -> None:
    versioned = ref(version_id="v1", size=9, last_modified="2026-11-21T10:00:00.000Z")
    claim = records.claimed(None, versioned, EMO, now=NOW, days=30)
    decision = Decision(
        Verdict.REJECT, code="InvalidFile.NoHuman", message="m" * 5000, request_id="r", image_count=1
    )
    facts: dict[str, Any] = {"detector": "d", "rules_version": "1", "latency_ms": 12}
    item = claim.decided(Result.of_decision(decision, now=NOW, **facts)).to_item()
    assert set(item) == {
        *(
            "object",
            "screening",
            "bucket",
            "key",
            "verdict",
            "model",
            "ratio",
            "code",
            "message",
            "size",
            "etag",
        ),
        *("version_id", "sequencer", "last_modified", "trigger", "detector", "rules_version", "request_id"),
        *("image_count", "attempts", "latency_ms", "screened_at", "expires_at"),
    }
    assert (item["object"], item["screening"]) == ("s3://uploads/emo/1x1/a.jpg", "emo-detect-v1#1x1#v1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item["screened_at"])
    assert item["expires_at"] == int(NOW) + 30 * 86400
    assert len(item["message"]) == records.LONGEST_MESSAGE
    assert records.seconds(item["screened_at"]) == NOW


# Tags ----------------------------------------------------------------------------------------------------------------

user_tags = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=6), st.text("abc 1", max_size=5), max_size=10
)
forged = st.dictionaries(
    st.sampled_from(["screentest", "screentest:emo-detect-v1:1x1", "screentest:x", "screentest-old"]),
    st.just("pass"),
    max_size=3,
)
boxes = st.tuples(*[st.integers(0, 7000)] * 4)


def result(verdict: str, **more: Any) -> Result:
    return Result(Verdict(verdict), records.timestamp(NOW), **more)


outcomes = st.one_of(
    st.none(),
    st.builds(
        result,
        st.just("pass"),
        face_bbox=st.none() | boxes,
        ext_bbox=st.none() | boxes,
        body_style=st.none() | st.just("full"),
    ),
    st.builds(
        result,
        st.sampled_from(["reject", "error"]),
        code=st.none() | st.text(min_size=1, max_size=300),
    ),
)
screenings = st.lists(
    st.tuples(st.sampled_from([EMO, HALF, EMOJI, AA]), outcomes), min_size=1, max_size=4
).filter(lambda pairs: len({screening for screening, _ in pairs}) == len(pairs))


def part(name: str) -> str:
    last = name.rpartition(":")[2]
    return last if last in ("ext", "face", "body", "code") else "verdict"


@given(user_tags, forged, screenings)
def test_tags_whatever_is_there(user: dict[str, str], theirs: dict[str, str], verdicts: Any) -> None:
    current = dict(list((user | theirs).items())[:10])
    kept = {name: value for name, value in current.items() if not name.startswith("screentest")}
    plan = tags.plan(current, verdicts)
    ours = {name: value for name, value in plan.tags.items() if name.startswith("screentest")}
    assert len(plan.tags) <= 10
    assert {name: value for name, value in plan.tags.items() if name not in ours} == kept
    for name, value in ours.items():
        assert len(name) <= 128
        assert 1 <= len(value) <= 256
        assert re.fullmatch(r"[A-Za-z0-9_ .:/=+\-@]*", name + value)
    complete = all(item is not None for _, item in verdicts)
    if len(kept) < 10:
        assert ("screentest" in ours) is complete
    if complete and "screentest" in ours:
        found = [item.verdict for _, item in verdicts]
        passed = all(verdict == "pass" for verdict in found)
        assert ours["screentest"] == ("pass" if passed else "error" if "error" in found else "reject")
    assert plan.changed is (plan.tags != current)
    again = tags.plan(plan.tags, verdicts)
    assert again.tags == plan.tags
    assert not again.changed


@given(user_tags, screenings)
def test_what_gives_way_first(user: dict[str, str], verdicts: Any) -> None:
    """ext, face, body, code, verdicts; within each the last screening first; the gate last of all."""
    everything = [
        (rank, -position, name)
        for position, (screening, item) in enumerate(verdicts)
        if item is not None
        for last, _ in tags.tags_of(item).items()
        for rank in [tags.DROPPED.index(last)]
        for name in [":".join(filter(None, ("screentest", screening.name, last)))]
    ]
    gate = int(all(item is not None for _, item in verdicts))
    room = max(0, 10 - len(user) - gate)
    stay = {name for _, _, name in sorted(everything)[max(0, len(everything) - room) :]}
    plan = tags.plan(user, verdicts)
    assert {name for name in plan.tags if name.startswith("screentest:")} == stay
    if len(user) < 10:
        assert plan.status == ("written" if len(everything) <= room else "trimmed")


def test_tags_as_documented() -> None:
    passed = result("pass", face_bbox=(302, 286, 610, 593), ext_bbox=(71, 9, 840, 778))
    rejected = result("reject", code="InvalidFile.FacePose")
    plan = tags.plan({"owner": "me", "screentest": "pass"}, [(EMO, passed), (EMOJI, rejected)])
    assert plan.tags == {
        "owner": "me",
        "screentest": "reject",
        "screentest:emo-detect-v1:1x1": "pass",
        "screentest:emo-detect-v1:1x1:face": "302 286 610 593",
        "screentest:emo-detect-v1:1x1:ext": "71 9 840 778",
        "screentest:emoji-detect-v1": "reject",
        "screentest:emoji-detect-v1:code": "InvalidFile.FacePose",
    }
    assert tags.plan({}, [(AA, result("pass", body_style="half"))]).tags == {
        "screentest": "pass",
        "screentest:animate-anyone-detect-gen2": "pass",
        "screentest:animate-anyone-detect-gen2:body": "half",
    }


def test_no_room_for_the_gate() -> None:
    full = {f"t{n}": "x" for n in range(10)}
    plan = tags.plan(full, [(EMO, result("pass"))])
    assert (plan.tags, plan.status, plan.changed) == (full, "no-room", False)


# Notices -------------------------------------------------------------------------------------------------------------


def reject(**more: Any) -> Record:
    facts = {"code": "InvalidFile.NoHuman", "message": "nobody", "image_count": 1}
    return decided(ref(version_id="v1", size=9), "reject", **facts | more)


def test_a_notice_as_documented() -> None:
    notice = notices.notice(reject(), "us-east-1")
    assert notice.attributes == {
        "verdict": "reject",
        "model": "emo-detect-v1",
        "bucket": "uploads",
        "trigger": "upload",
        "code": "InvalidFile.NoHuman",
    }
    document = json.loads(notice.default)
    assert document["size"] == 9
    assert document["image_count"] == 1
    assert document["console"].startswith(
        "https://console.aws.amazon.com/s3/object/uploads?region=us-east-1&prefix=emo"
    )
    assert notice.subject.isascii()
    assert "InvalidFile.NoHuman" in notice.email
    assert "What to do:" in notice.email
    assert "code" not in notices.notice(decided(ref()), "us-east-1").attributes
    check = {"rule": "head turned", "value": 88.1235, "limit": "at most 38", "unit": "degrees"}
    turned = notices.notice(reject(measured=check), "us-east-1")
    assert turned.email.splitlines()[0].endswith(" (turned 88°, at most 38°).")
    assert json.loads(turned.default)["measured"] == check
    assert "console.amazonaws.cn" in notices.notice(reject(), "cn-north-1").email
    assert "console.amazonaws-us-gov.com" in notices.notice(reject(), "us-gov-west-1").email


@given(keys, st.text(max_size=300), st.text(min_size=1, max_size=100))
def test_hostile_text_forges_no_line_of_a_mail_and_no_field_of_a_message(
    key: str, message: str, code: str
) -> None:
    calm = notices.notice(reject(key="k", message="m", code="c"), "us-east-1")
    hostile = notices.notice(reject(key=key, message=message or "m", code=code), "us-east-1")
    assert hostile.email.count("\n") == calm.email.count("\n")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", hostile.email)
    document = json.loads(hostile.default)
    assert (document["key"], document["code"]) == (key, code)
    assert document.keys() == json.loads(calm.default).keys()
    assert hostile.subject == calm.subject
    assert len(hostile.default.encode()) + len(hostile.email.encode()) < 200_000


def test_a_full_set_of_tags_is_told_as_an_error_of_its_own() -> None:
    notice = notices.no_room(decided(ref(), tags="no-room"), "us-east-1")
    assert (notice.attributes["verdict"], notice.attributes["code"]) == ("error", "TagLimit")
    assert "'pass'" in json.loads(notice.default)["message"]


# Backoff -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 100), st.floats(0, 1), st.none() | st.floats(0, 100_000))
def test_waits_grow_stay_within_bounds_and_honour_the_server(
    failures: int, luck: float, asked: float | None
) -> None:
    wait = Backoff().after(failures, asked, lambda: luck)
    assert 25 <= wait <= LONGEST_ASKED
    if asked is not None:
        assert wait >= min(round(asked), LONGEST_ASKED)


def test_the_final_attempts_come_before_the_queue_forgets_whatever_a_server_asks_for() -> None:
    queue = yaml_parse((EVENTS.parent / "template.yaml").read_text())["Resources"]["ScreenQueue"][
        "Properties"
    ]
    receives = queue["RedrivePolicy"]["maxReceiveCount"]
    waits = [Backoff().after(failures, 1e9, lambda: 1.0) for failures in range(1, receives + 1)]
    batches = receives * queue["VisibilityTimeout"]
    assert sum(waits) + batches < 0.9 * queue["MessageRetentionPeriod"]


def test_twenty_receives_outlast_four_hours_even_with_the_worst_luck() -> None:
    total = sum(Backoff().after(failures, None, lambda: 0.0) for failures in range(1, 18))
    assert 4 * 3600 < total < 12 * 3600


# Breaker -------------------------------------------------------------------------------------------------------------


def test_the_breaker_opens_after_a_row_of_failures_and_lets_one_probe_through() -> None:
    now = [0.0]
    breaker = Breaker(BreakerPolicy(failures=3, first=10, longest=25), clock=lambda: now[0])
    for _ in range(2):
        breaker.before()
        breaker.failed()
    breaker.before()
    breaker.succeeded()
    for _ in range(3):
        breaker.before()
        breaker.failed()
    pauses = []
    for _ in range(4):
        with pytest.raises(BreakerOpen) as caught:
            breaker.before()
        assert caught.value.retry_after is not None
        pauses.append(caught.value.retry_after)
        now[0] += caught.value.retry_after
        breaker.before()
        with pytest.raises(BreakerOpen):
            breaker.before()
        breaker.failed()
    assert pauses == [10, 20, 25, 25]
    now[0] += 25
    breaker.before()
    breaker.succeeded()
    for _ in range(10):
        breaker.before()


def test_a_key_that_cannot_be_read_says_nothing_of_the_detector() -> None:
    class Keyless:
        def detect(self, *_: object) -> Any:
            raise StoreUnavailable("Secrets Manager did not answer")

        def sign(self, _ref: ObjectRef) -> str:
            return "https://s3.example/a"

    breaker = Breaker(BreakerPolicy(failures=2))
    breaker.failed()
    ports: Any = Keyless()
    with pytest.raises(StoreUnavailable):
        Judge(ports, ports, ports, breaker).decide(ref(), Screening.of("emo-detect-v1"))
    breaker.failed()
    with pytest.raises(BreakerOpen):
        breaker.before()
