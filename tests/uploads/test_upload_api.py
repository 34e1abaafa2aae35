"""The upload API: forms for browsers, verdicts by long poll, and who may have them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screentest.detection.models import BUILT_IN, ModelSpec
from screentest.detection.pictures import MAX_FILE_BYTES
from screentest.screening import records
from screentest.screening.bearer import BearerKey
from screentest.screening.contract import Measured
from screentest.screening.errors import ScreeningError, StoreUnavailable
from screentest.screening.models import ObjectRef, Screening, Verdict
from screentest.screening.records import Record, Result
from screentest.screening.routes import Routes
from screentest.screening.uploads import (
    FIRST_PAUSE,
    LONGEST_WAIT,
    MAX_BODY,
    TOKEN_SECONDS,
    UploadApi,
)
from screentest.verdicts.writing import write_json

NOW = 1_795_600_000.0
KEY = "k" * 48
SCREENING = Screening.of("emo-detect-v1", "1:1")


@dataclass
class Clock:
    now: float = NOW
    slept: list[float] = field(default_factory=list)
    woken: Callable[[float], None] = lambda _: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.woken(self.now)


@dataclass
class FakeStore:
    found: dict[str, list[Record]] = field(default_factory=dict)
    objects: set[str] = field(default_factory=set)
    error: Exception | None = None
    largest: int = 0

    def form(self, key: str, content_type: str, largest: int) -> Mapping[str, Any]:
        self.largest = largest
        return {"url": "https://bucket.example", "fields": {"key": key, "Content-Type": content_type}}

    def records(self, key: str) -> Sequence[Record]:
        if self.error:
            raise self.error
        return self.found.get(key, [])

    def exists(self, key: str) -> bool:
        return key in self.objects

    def put(self, key: str, *, verdict: Verdict | None, version: str | None = "v1", **facts: Any) -> None:
        ref = ObjectRef("uploads", key, version, last_modified="2026-11-26T00:00:00.000Z")
        screening = facts.pop("screening", SCREENING)
        record = records.claimed(None, replace(ref, **facts.pop("ref", {})), screening, now=NOW, days=1)
        if verdict is not None:
            record = record.decided(Result(verdict, records.timestamp(NOW), **facts))
        self.found.setdefault(key, []).append(record)
        self.objects.add(key)


@dataclass
class Stage:
    store: FakeStore = field(default_factory=FakeStore)
    clock: Clock = field(default_factory=Clock)
    secret: str | None = KEY
    routes: Routes = Routes.DEFAULT
    failures: list[Exception] = field(default_factory=list)
    reads: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api = UploadApi(
            self.store,
            self.routes,
            BearerKey(self._read, self.clock),
            failed=self.failures.append,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def _read(self, refresh: bool) -> str | None:
        self.reads.append(refresh)
        return self.secret

    def ask(
        self, method: str, target: str, body: Any = None, key: str | None = KEY, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        parts = urlsplit(target)
        result = self.api(
            {
                "rawPath": parts.path,
                "rawQueryString": parts.query,
                "headers": {"Content-Type": "application/json"}
                | ({"Authorization": f"Bearer {key}"} if key else {})
                | headers,
                "requestContext": {"requestId": "r1", "http": {"method": method}},
                "body": None if body is None else body if isinstance(body, str) else json.dumps(body),
                "isBase64Encoded": False,
            }
        )
        text = result["body"]
        return result["statusCode"], json.loads(text) if text else None, result["headers"]

    def form(self, prefix: str = "emo/1x1/") -> dict[str, Any]:
        status, body, _ = self.ask("POST", "/uploads", {"prefix": prefix, "type": "image/png"})
        assert status == 200
        return dict(body)


@pytest.fixture
def stage() -> Stage:
    return Stage()


# Forms ---------------------------------------------------------------------------------------------------------------


def test_a_form_is_for_one_new_key_that_its_route_screens(stage: Stage) -> None:
    first, second = stage.form(), stage.form()
    assert first["key"] != second["key"]
    assert first["key"].startswith("emo/1x1/uploads/")
    assert first["key"].endswith(".png")
    assert first["fields"] == {"key": first["key"], "Content-Type": "image/png"}
    assert first["screenings"] == [{"model": "emo-detect-v1", "ratio": "1x1"}]
    assert stage.form("emoji/")["screenings"] == [{"model": "emoji-detect-v1", "ratio": "-"}]


@pytest.mark.parametrize("model", BUILT_IN, ids=str)
def test_a_form_takes_files_as_large_as_the_detector_does(model: ModelSpec) -> None:
    largest = MAX_FILE_BYTES if model.max_megabytes is None else model.max_megabytes * 1024 * 1024
    routes = Routes.parse(json.dumps([{"prefix": "a/", "screenings": [{"model": model.name}]}]))
    stage = Stage(routes=routes)
    assert stage.form("a/")["max_bytes"] == stage.store.largest == largest


def test_a_form_takes_what_one_of_its_detectors_takes() -> None:
    both = [{"model": "emoji-detect-v1"}, {"model": "emo-detect-v1"}]
    stage = Stage(routes=Routes.parse(json.dumps([{"prefix": "a/", "screenings": both}])))
    assert stage.form("a/")["max_bytes"] == 20 * 1024 * 1024


def test_of_two_routes_with_one_prefix_the_one_for_its_type_screens() -> None:
    """The example of docs/routes.md."""
    routes = Routes.parse(
        '[{"prefix": "a/", "suffix": ".PNG", "screenings": [{"model": "emoji-detect-v1"}]}, '
        '{"prefix": "a/", "screenings": [{"model": "emo-detect-v1"}]}]'
    )
    stage = Stage(routes=routes)
    for content_type, model in (("image/png", "emoji-detect-v1"), ("image/jpeg", "emo-detect-v1")):
        status, made, _ = stage.ask("POST", "/uploads", {"prefix": "a/", "type": content_type})
        assert (status, [s["model"] for s in made["screenings"]]) == (200, [model])
        assert [s.model for s in routes.screenings(made["key"])] == [model]


def test_a_key_ends_as_its_route_wants() -> None:
    routes = Routes.parse(
        '[{"prefix": "a/", "suffix": ".RAW.jpg", "screenings": [{"model": "emo-detect-v1"}]}]'
    )
    key = Stage(routes=routes).form("a/")["key"]
    assert routes.screenings(key)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"prefix": "emo/1x1/"}, "type is one of image/jpeg"),
        ({"prefix": "emo/1x1/", "type": "image/heic"}, "type is one of"),
        ({"prefix": "emo/1x1/", "type": ["image/png"]}, "type is one of"),
        ({"prefix": "holidays/", "type": "image/png"}, "prefix is one of emo/1x1/"),
        ({"prefix": None, "type": "image/png"}, "prefix is one of"),
        ("[]", "JSON object"),
        ("{", "JSON object"),
        ("[" * 5000, "JSON object"),
        ("\udcff", "JSON object"),
    ],
)
def test_what_is_asked_wrongly_is_said(stage: Stage, body: Any, says: str) -> None:
    status, answer, _ = stage.ask("POST", "/uploads", body)
    assert (status, answer["code"]) == (400, "InvalidParameter")
    assert says in answer["message"]
    assert answer["request_id"] == "r1"


def test_a_large_body_is_not_read(stage: Stage) -> None:
    assert stage.ask("POST", "/uploads", "x" * (MAX_BODY + 1))[0] == 413


def test_only_json_is_taken(stage: Stage) -> None:
    # A form of another site's page could be sent without asking; JSON cannot.
    assert stage.ask("POST", "/uploads", {}, **{"Content-Type": "text/plain"})[0] == 400


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/uploads", 405),
        ("POST", "/verdicts", 405),
        ("GET", "/", 404),
        ("GET", "/uploads/x", 404),
        ("DELETE", "/uploads", 405),
    ],
)
def test_other_addresses(stage: Stage, method: str, target: str, status: int) -> None:
    assert stage.ask(method, target)[0] == status


# Who may ask ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "wrong", KEY + "x", "schlüssel"])
@pytest.mark.parametrize(("method", "target"), [("POST", "/uploads"), ("GET", "/verdicts?key=emo/1x1/a.jpg")])
def test_nobody_without_the_key(stage: Stage, key: str | None, method: str, target: str) -> None:
    status, answer, headers = stage.ask(method, target, {"prefix": "emo/1x1/", "type": "image/png"}, key)
    assert (status, answer["code"], headers["WWW-Authenticate"]) == (401, "InvalidApiKey", "Bearer")


def test_a_new_key_works_at_once_and_a_wrong_one_is_looked_up_seldom(stage: Stage) -> None:
    stage.form()
    stage.secret = "new"
    assert stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg&wait=0", key="new")[0] == 404
    stage.reads.clear()
    for _ in range(50):
        assert stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg&wait=0", key="wrong")[0] == 401
    assert stage.reads.count(True) == 1
    stage.clock.now += BearerKey.REFRESH
    assert stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg&wait=0", key="wrong")[0] == 401
    assert stage.reads.count(True) == 2


@pytest.mark.parametrize("secret", [None, ""])
def test_an_empty_secret_lets_nobody_in(secret: str | None) -> None:
    stage = Stage(secret=secret)
    assert stage.ask("POST", "/uploads", {}, key="")[0] == 401
    status, answer, _ = stage.ask("POST", "/uploads", {}, key="x")
    assert (status, answer["code"]) == (503, "ServiceUnavailable")
    assert "secret" not in answer["message"]
    assert [error.code for error in stage.failures if isinstance(error, ScreeningError)] == ["EmptyKey"]


def test_an_empty_secret_that_is_filled_is_read_again(stage: Stage) -> None:
    kept, stage.secret = "", ""
    stage.api._key._read = lambda refresh: stage.secret if refresh else kept
    assert stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg&wait=0")[0] == 503
    stage.secret = KEY
    assert stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg&wait=0")[0] == 503
    stage.clock.now += BearerKey.REFRESH
    assert stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg&wait=0")[0] == 404


def test_a_token_reads_the_verdict_on_its_upload_and_nothing_else(stage: Stage) -> None:
    form = stage.form()
    stage.store.put(form["key"], verdict=Verdict.PASS)
    assert stage.ask("GET", form["verdicts"], key=None)[0] == 200
    other = stage.form()
    stage.store.put(other["key"], verdict=Verdict.PASS)
    swapped = form["verdicts"].replace(quote(form["key"], safe=""), quote(other["key"], safe=""))
    assert swapped != form["verdicts"]
    assert stage.ask("GET", swapped, key=None)[1]["code"] == "InvalidToken"
    query = {name: values[0] for name, values in parse_qs(urlsplit(form["verdicts"]).query).items()}
    later = form["verdicts"].replace(query["expires"], str(int(query["expires"]) + 1))
    assert stage.ask("GET", later, key=None)[0] == 401
    assert (
        stage.ask("POST", "/uploads", {"prefix": "emo/1x1/", "type": "image/png"}, key=query["token"])[0]
        == 401
    )
    stage.clock.now += TOKEN_SECONDS
    assert stage.ask("GET", form["verdicts"], key=None)[1]["message"] == "The token has expired."


@given(st.text(max_size=80), st.text(max_size=20))
def test_no_other_text_is_a_token(token: str, expires: str) -> None:
    stage = Stage()
    query = f"key=emo/1x1/a.jpg&wait=0&token={quote(token, safe='')}x&expires={quote(expires, safe='')}"
    assert stage.ask("GET", f"/verdicts?{query}", key=None)[0] == 401


# Verdicts ------------------------------------------------------------------------------------------------------------


def test_a_verdict_with_its_words(stage: Stage) -> None:
    stage.store.put("emo/1x1/a.jpg", verdict=Verdict.REJECT, code="InvalidFile.NoHuman", message="no human")
    status, answer, _ = stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg")
    assert (status, answer["verdict"], answer["version_id"]) == (200, "reject", "v1")
    (one,) = answer["screenings"]
    assert (one["model"], one["ratio"], one["code"]) == ("emo-detect-v1", "1x1", "InvalidFile.NoHuman")
    assert one["title"] == "No person with a visible face was found"
    assert "advice" in one
    assert not {"detector", "bucket", "etag", "request_id"} & one.keys(), "what is the operator's business"
    assert stage.clock.slept == []
    chinese = stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg&lang=zh")[1]["screenings"][0]["title"]
    assert not chinese.isascii()


def test_what_decided_is_said_in_figures_and_each_screening_is_a_line_of_verdicts_json(stage: Stage) -> None:
    measured = Measured("head turned", 88.2, "at most 38", "degrees")
    key = "emo/1x1/a.jpg"
    stage.store.put(key, verdict=Verdict.REJECT, code="InvalidFile.FacePose", measured=measured)
    (one,) = stage.ask("GET", f"/verdicts?key={key}")[1]["screenings"]
    assert one.pop("figures") == "turned 88°, at most 38°"
    printed = io.StringIO()
    record = stage.store.found[key][0]
    write_json([(record, record.to_item())], printed)
    assert one.items() <= json.loads(printed.getvalue()).items()
    assert "转动" in stage.ask("GET", f"/verdicts?key={key}&lang=zh")[1]["screenings"][0]["figures"]


def test_it_waits_for_the_verdict_and_answers_as_soon_as_it_is_there(stage: Stage) -> None:
    def decide(now: float) -> None:
        if now > NOW + 3 and not stage.store.found:
            stage.store.put("emo/1x1/a.jpg", verdict=Verdict.PASS)

    stage.clock.woken = decide
    assert stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg")[0] == 200
    assert 3 < stage.clock.now - NOW < 4.1
    assert stage.clock.slept[0] == FIRST_PAUSE


def test_it_gives_up_after_the_wait_and_says_that_it_is_pending(stage: Stage) -> None:
    stage.store.put("emo/1x1/a.jpg", verdict=None)
    status, answer, headers = stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg")
    assert (status, answer["verdict"], answer["screenings"]) == (202, None, [])
    assert headers["Retry-After"] == "1"
    assert stage.clock.now - NOW == pytest.approx(LONGEST_WAIT)
    assert len(stage.clock.slept) < 16


def test_an_upload_that_waits_in_the_queue_is_pending_too(stage: Stage) -> None:
    stage.store.objects.add("emo/1x1/a.jpg")
    assert stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg&wait=0")[0] == 202


def test_all_screenings_of_a_key_make_its_verdict() -> None:
    routes = Routes.parse(
        '[{"prefix": "a/", "screenings": [{"model": "emo-detect-v1", "ratio": "1:1"}, {"model": "emoji-detect-v1"}]}]'
    )
    stage = Stage(routes=routes)
    stage.store.put("a/b.jpg", verdict=Verdict.PASS)
    status, answer, _ = stage.ask("GET", "/verdicts?key=a/b.jpg&wait=0")
    assert (status, answer["verdict"], len(answer["screenings"])) == (202, None, 1)
    emoji = Screening.of("emoji-detect-v1")
    stage.store.put("a/b.jpg", verdict=Verdict.ERROR, code="Timeout", screening=emoji)
    assert stage.ask("GET", "/verdicts?key=a/b.jpg&wait=0")[1]["verdict"] == "error"


def test_the_newest_version_unless_another_is_named(stage: Stage) -> None:
    key = "emo/1x1/a.jpg"
    stage.store.put(key, verdict=Verdict.PASS, version="old")
    stage.store.put(key, verdict=None, version="new", ref={"last_modified": "2026-11-26T00:00:01.000Z"})
    assert stage.ask("GET", f"/verdicts?key={key}&wait=0")[0] == 202
    status, answer, _ = stage.ask("GET", f"/verdicts?key={key}&wait=0&version=old")
    assert (status, answer["verdict"], answer["version_id"]) == (200, "pass", "old")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("key=", 400),
        (f"key={'a' * 1025}", 400),
        ("key=emo/1x1/a.jpg&wait=11", 400),
        ("key=emo/1x1/a.jpg&wait=-1", 400),
        ("key=emo/1x1/a.jpg&wait=nan", 400),
        ("key=emo/1x1/a.jpg&wait=soon", 400),
        ("key=emo/1x1/a.jpg&lang=xx", 400),
        ("key=holidays/a.jpg", 404),
        ("key=emo/1x1/a.jpg&wait=0", 404),
    ],
)
def test_what_cannot_be_answered(stage: Stage, query: str, status: int) -> None:
    assert stage.ask("GET", f"/verdicts?{query}")[0] == status


def test_a_table_that_does_not_answer_is_no_verdict(stage: Stage) -> None:
    stage.store.error = StoreUnavailable("the verdict table did not answer: Throttling")
    status, answer, headers = stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg")
    assert (status, answer["code"], headers["Retry-After"]) == (503, "ServiceUnavailable", "2")
    assert "Throttling" not in json.dumps(answer)
    assert len(stage.failures) == 1


def test_a_defect_is_answered_in_the_apis_shape(stage: Stage) -> None:
    stage.store.error = ZeroDivisionError("secret detail")
    status, answer, _ = stage.ask("GET", "/verdicts?key=emo/1x1/a.jpg")
    assert (status, answer["code"], answer["request_id"]) == (500, "InternalError", "r1")
    assert "detail" not in json.dumps(answer)
    assert stage.failures == [stage.store.error]


def test_screenings_that_the_object_added_are_waited_for_once_they_are_known(stage: Stage) -> None:
    key = "emo/1x1/a.jpg"
    stage.store.put(key, verdict=Verdict.PASS)
    stage.store.put(key, verdict=None, screening=Screening.of("emoji-detect-v1"))
    assert stage.ask("GET", f"/verdicts?key={key}&wait=0")[0] == 202


def test_lists_and_reports_of_a_backfill_do_not_exist_here() -> None:
    stage = Stage(routes=Routes.parse('[{"prefix": "", "screenings": [{"model": "m"}]}]'))
    stage.store.objects.add("screentest-backfill/report.csv")
    assert stage.ask("GET", "/verdicts?key=screentest-backfill/report.csv&wait=0")[0] == 404
