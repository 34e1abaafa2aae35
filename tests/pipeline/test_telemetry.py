"""What the alarm on silence hears: the template's own alarm, over what the telemetry writes."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from support.context import Context
from support.messages import queued
from template.cloudformation import effective, resources

from screentest.detection.vision.runtime import Kernels
from screentest.screening import bootstrap, events
from screentest.screening.batch import Pipeline
from screentest.screening.errors import SettingsError, StoreUnavailable
from screentest.screening.models import ObjectRef, Screening, Trigger, Verdict
from screentest.screening.records import Record, Result
from screentest.screening.screen import Report
from screentest.screening.telemetry import Telemetry

STACK = "portraits"
ALARMS = resources(effective(), "AWS::CloudWatch::Alarm")
ALARM = ALARMS["NothingScreenedAlarm"]
SLOW = ALARMS["SlowKernelsAlarm"]


def decided(verdict: str, trigger: Trigger) -> Record:
    result = Result(Verdict(verdict), "2026-11-21T10:00:00.000Z")
    return Record(ref(trigger), Screening("emo-detect-v1", "1:1"), result=result)


class Ear:
    """The metrics, and CloudWatch's sum of what the alarm looks at over one period."""

    def __init__(self) -> None:
        self.metrics = io.StringIO()
        self.telemetry = Telemetry(Logger(service=STACK, stream=io.StringIO()), stream=self.metrics)

    def item(self, trigger: Trigger, verdict: str = "pass") -> None:
        self.telemetry.screened(decided(verdict, trigger), fresh=True)

    def trouble(self, trigger: Trigger) -> None:
        self.telemetry.failed(ref(trigger), None, StoreUnavailable("no table"))

    def hears(self, alarm: dict[str, Any] = ALARM) -> float | None:
        """The sum, None where there is no data."""
        self.telemetry.flush()
        assert alarm["Statistic"] == "Sum"
        wanted = {
            each["Name"]: STACK if each["Value"] == {"Ref": "AWS::StackName"} else each["Value"]
            for each in alarm["Dimensions"]
        }
        found: list[float] = []
        for line in self.metrics.getvalue().splitlines():
            metric = json.loads(line)
            (group,) = metric["_aws"]["CloudWatchMetrics"]
            (names,) = group["Dimensions"]
            if group["Namespace"] == alarm["Namespace"] and {name: metric[name] for name in names} == wanted:
                found += metric.get(alarm["MetricName"], [])
        return sum(found) if found else None

    def rings(self) -> bool:
        assert (ALARM["ComparisonOperator"], ALARM["TreatMissingData"]) == (
            "LessThanThreshold",
            "notBreaching",
        )
        heard = self.hears()
        return heard is not None and heard < ALARM["Threshold"]


def ref(trigger: Trigger = Trigger.UPLOAD) -> ObjectRef:
    return ObjectRef("uploads", "emo/1x1/a.jpg", version_id="1", trigger=trigger)


@pytest.fixture
def ear() -> Ear:
    return Ear()


def test_the_alarm_on_silence_rings_when_no_upload_is_screened(ear: Ear) -> None:
    ear.trouble(Trigger.UPLOAD)
    assert ear.rings()


@pytest.mark.parametrize("verdict", ["pass", "reject", "error"])
def test_it_is_quiet_while_uploads_are_screened(ear: Ear, verdict: str) -> None:
    ear.trouble(Trigger.UPLOAD)
    ear.item(Trigger.UPLOAD, verdict)
    assert ear.hears() == 1
    assert not ear.rings()


@pytest.mark.parametrize("other", [Trigger.BACKFILL, Trigger.MANUAL])
def test_no_other_screening_hides_that_uploads_are_not_screened(ear: Ear, other: Trigger) -> None:
    ear.trouble(Trigger.UPLOAD)
    for _ in range(100):
        ear.item(other)
    assert ear.rings()


@pytest.mark.parametrize("other", [Trigger.BACKFILL, Trigger.MANUAL])
def test_the_trouble_of_others_is_not_about_uploads(ear: Ear, other: Trigger) -> None:
    ear.trouble(other)
    assert ear.hears() is None


def test_silence_without_uploads_is_quiet(ear: Ear) -> None:
    ear.telemetry.ignored(ref(), "no route")
    ear.telemetry.screened(decided("pass", Trigger.UPLOAD), fresh=False)
    assert ear.hears() is None


# Every way in which an upload is not screened ---------------------------------------------------------------------


def uploaded() -> str:
    entity = {"bucket": {"name": "uploads"}, "object": {"key": "emo/1x1/a.jpg", "versionId": "1"}}
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": entity}]})


def backfilled() -> str:
    detail = {"bucket": {"name": "uploads"}, "object": {"key": "emo/1x1/a.jpg", "version-id": "1"}}
    return json.dumps(
        {"source": events.BACKFILL_SOURCE, "detail-type": events.BACKFILL_TYPE, "detail": detail}
    )


class Broken:
    """A screener that fails in one place."""

    rules_version = None

    def __init__(self, crash_count: Exception | int, screen: Exception | None = None) -> None:
        self._crash_count = crash_count
        self._screen = screen

    def crash_count(self, _ref: ObjectRef) -> int:
        if isinstance(self._crash_count, Exception):
            raise self._crash_count
        return self._crash_count

    def screen(self, _ref: ObjectRef, _attempt: Any) -> Report:
        if self._screen:
            raise self._screen
        return Report()


class Queue:
    has_dead_letters = False

    def delay(self, receipt: str, wait: int) -> None: ...


@pytest.mark.parametrize(
    "screener",
    [Broken(StoreUnavailable("no table")), Broken(0, RuntimeError("never thought of"))],
    ids=["the table does not say which are poison candidates", "a defect"],
)
def test_a_delivery_that_comes_to_nothing_is_heard(ear: Ear, screener: Broken) -> None:
    pipeline = Pipeline(screener, Queue(), ear.telemetry)  # type: ignore[arg-type]
    answer = pipeline(queued(uploaded(), receives=2), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert ear.rings()


def test_a_function_that_cannot_start_is_heard(ear: Ear) -> None:
    handler = bootstrap.failing(SettingsError("DETECTOR: is not set"), ear.telemetry)
    handler(queued("not JSON", backfilled(), uploaded()), Context())
    assert ear.rings()


def test_a_backfill_function_that_cannot_start_is_not_about_uploads(ear: Ear) -> None:
    handler = bootstrap.failing(SettingsError("DETECTOR: is not set"), ear.telemetry)
    handler(queued(backfilled()), Context())
    with pytest.raises(SettingsError):
        handler(json.loads(uploaded()), Context())
    assert ear.hears() is None


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (queued(uploaded(), backfilled()), {Trigger.UPLOAD, Trigger.BACKFILL}),
        (queued("[", json.dumps({"Event": "s3:TestEvent"})), set()),
        (json.loads(uploaded()), {Trigger.MANUAL}),
        (json.loads(backfilled()), {Trigger.BACKFILL}),
        ({"tasks": []}, set()),
        (None, set()),
    ],
)
def test_triggers_of_an_event(event: Any, found: set[Trigger]) -> None:
    assert events.triggers(event) == found


@pytest.mark.parametrize(("kernels", "heard"), [(Kernels.PLAIN, 2), (Kernels.XNNPACK, None)])
def test_the_alarm_on_slow_kernels_hears_of_every_invocation_on_them(
    ear: Ear, kernels: Kernels, heard: float | None
) -> None:
    ear.telemetry.starts(kernels)
    for request in ("1", "2"):
        ear.telemetry.begin(request)
    assert ear.hears(SLOW) == heard
    assert (SLOW["ComparisonOperator"], SLOW["Threshold"]) == ("GreaterThanThreshold", 0)


def test_the_functions_write_under_the_name_that_the_alarms_look_for() -> None:
    for name in ("ScreenFunction", "BackfillFunction", "ApiFunction"):
        function = resources(effective({"DetectionApi": "key"}), "AWS::Lambda::Function")[name]
        variables = function["Environment"]["Variables"]
        assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
        assert variables["POWERTOOLS_METRICS_NAMESPACE"] == ALARM["Namespace"]
