"""One log line a screening, and metrics. Neither ever holds a signed address, a key (credential) or a picture.

docs/metrics.md says what each metric means.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, Final, TextIO

from screentest.screening import records
from screentest.screening.errors import Crashed, ScreeningError, Throttled
from screentest.screening.models import ObjectRef, Screening, Trigger, Verdict
from screentest.screening.outcomes import outcome
from screentest.screening.records import Attribute, Record

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

NAMESPACE: Final = "Screentest"

_UNITS: Final = {"DetectorLatency": "Milliseconds", "EndToEndLatency": "Milliseconds"}
"""All others are counts."""

_TAGS: Final = {"trimmed": "TagsTrimmed", "no-room": "TagsNoRoom", "failed": "TagsFailed"}

_VERDICTS: Final = {Verdict.PASS: "Passed", Verdict.REJECT: "Rejected", Verdict.ERROR: "Errors"}

SLOW_KERNELS: Final = "plain"
"""How a detector in this process calls the kernels that it falls back to on a processor that it does not know."""

LOGGED: Final = (
    Attribute.VERDICT,
    Attribute.CODE,
    Attribute.MODEL,
    Attribute.RATIO,
    Attribute.BUCKET,
    Attribute.KEY,
    Attribute.VERSION_ID,
    Attribute.SIZE,
    Attribute.TRIGGER,
    Attribute.ATTEMPTS,
    Attribute.LATENCY_MS,
    Attribute.TAGS,
    Attribute.REQUEST_ID,
    Attribute.DETECTOR,
    Attribute.RULES_VERSION,
    Attribute.SCREENED_AT,
)
"""Attributes of the record that its log line holds (docs/metrics.md)."""


class Telemetry:
    """Collects over one invocation, from any thread; `flush` writes the metrics.

    Args:
        logger: structured; one line for a verdict, one for a failure.
        stream: where the metrics go, in CloudWatch's embedded format; standard output where None.
    """

    def __init__(
        self, logger: Logger, *, stream: TextIO | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._logger = logger
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[tuple[tuple[str, str], ...], dict[str, list[float]]] = {}
        self._slow_kernels = False
        self._reset()

    def starts(self, kernels: str) -> None:
        """The function starts, its detector's networks run by these kernels. Slow ones are counted in every invocation:
        the alarm on them stays for as long as they do."""
        self._slow_kernels = kernels == SLOW_KERNELS
        say = self._logger.warning if self._slow_kernels else self._logger.info
        say("started", extra={"kernels": kernels})

    def begin(self, request_id: str | None) -> None:
        """A new invocation: its lines carry its id."""
        self._logger.append_keys(function_request_id=request_id)
        if self._slow_kernels:
            self._count("SlowKernels")

    def screened(self, record: Record, *, fresh: bool) -> None:
        """A record is decided: just now, or found so by a duplicate delivery."""
        result = record.result
        assert result is not None
        item = record.document()
        fields = {name: item[name] for name in LOGGED if name in item}
        self._logger.info("screened" if fresh else "duplicate", extra={"screening": fields})
        if not fresh:
            self._count("Duplicates")
            return
        self._count_screened(1, record.ref.trigger)
        verdict = _VERDICTS[result.verdict]
        self._count(verdict)
        if result.verdict is not Verdict.PASS and result.code:
            self._count(verdict, code=result.code[:250])
        if status := _TAGS.get(str(result.tags)):
            self._count(status)
        if result.latency_ms is not None:
            self._count("DetectorLatency", result.latency_ms)
        if record.ref.trigger is Trigger.UPLOAD and record.ref.last_modified:
            waited = self._clock() - records.seconds(record.ref.last_modified)
            self._count("EndToEndLatency", max(0.0, waited * 1000))

    def failed(self, ref: ObjectRef, screening: Screening | None, error: ScreeningError) -> None:
        """A screening could not be decided this time, or only as an error."""
        handling = outcome(error)
        fields = {
            Attribute.BUCKET: ref.bucket,
            Attribute.KEY: ref.key,
            Attribute.VERSION_ID: ref.version_id,
            Attribute.MODEL: screening.model if screening else None,
            Attribute.CODE: error.code,
            Attribute.MESSAGE: error.message,
            Attribute.REQUEST_ID: getattr(error, "request_id", None),
            "retried": handling.retried,
        }
        self._count_screened(0, ref.trigger)
        level = self._logger.error if handling.dead_lettered else self._logger.warning
        level(
            "trouble", extra={"trouble": {name: value for name, value in fields.items() if value is not None}}
        )
        if isinstance(error, Throttled):
            self._count("Throttled")
        elif isinstance(error, Crashed):
            self._count("Crashed")
        if handling.retried:
            self._count("Retried")
            self._count("Retried", code=error.code[:250])
        elif handling.dead_lettered:
            self._count("PermanentErrors")

    def ignored(self, ref: ObjectRef, why: str) -> None:
        """An object that no route wants."""
        self._logger.debug(
            "ignored", extra={Attribute.BUCKET: ref.bucket, Attribute.KEY: ref.key, "why": why}
        )
        self._count("Ignored")

    def unreadable(self, message_id: str, error: ScreeningError) -> None:
        """A message that names no object. Its text is of unknown origin, so it stays out of the log."""
        self._logger.error("unreadable message", extra={"message_id": message_id, "why": error.message})
        self._count("Unreadable")

    def defect(self, message_id: str | None, error: Exception, triggers: Iterable[Trigger] = ()) -> None:
        """An unexpected exception, over a message with objects of these triggers."""
        self._logger.error("defect", extra={"message_id": message_id}, exc_info=error)
        self._count_screened(0, *triggers)
        self._count("Defects")

    def cannot_start(self, error: Exception, triggers: Iterable[Trigger] = ()) -> None:
        """The function is broken as deployed, not by what it was sent: objects of these triggers."""
        self._logger.error(
            "the function cannot start", extra={"why": str(error), "kind": type(error).__name__}
        )
        self._count_screened(0, *triggers)
        self._count("Defects")

    def overdue(self, records: Sequence[Record], number: int) -> None:
        """So many screenings are pending although no message is left to decide them; `records` are some."""
        self._count("Overdue", number)
        if records:
            named = [
                {
                    str(Attribute.BUCKET): r.ref.bucket,
                    str(Attribute.KEY): r.ref.key,
                    str(Attribute.VERSION_ID): r.ref.version_id,
                }
                for r in records
            ]
            self._logger.warning("overdue", extra={"overdue": {"number": number, "some": named}})

    def note(self, text: str, **fields: Any) -> None:
        """Anything else that an operator should know."""
        self._logger.warning(text, extra=fields)

    def flush(self) -> None:
        """Write what was counted since the last time."""
        with self._lock:
            values = self._values
            self._reset()
        if not values:
            return
        if self._stream is not None:
            with redirect_stdout(self._stream):
                _emit(self._logger.service, values)
        else:
            _emit(self._logger.service, values)

    def _count_screened(self, number: int, *triggers: str) -> None:
        """Counted as 0 too: the alarm on it tells failures from silence. It looks at uploads alone, so that a backfill
        does not cover for them."""
        self._count("Screened", number)
        for trigger in triggers:
            self._count("Screened", number, trigger=str(trigger))

    def _count(self, name: str, value: float = 1, **dimensions: str) -> None:
        with self._lock:
            self._values[tuple(dimensions.items())][name].append(value)

    def _reset(self) -> None:
        self._values = defaultdict(lambda: defaultdict(list))


def _emit(service: str, values: Mapping[tuple[tuple[str, str], ...], Mapping[str, list[float]]]) -> None:
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    for dimensions, metrics in values.items():
        emf = EphemeralMetrics(namespace=NAMESPACE)
        emf.add_dimension("service", service)
        for name, value in dimensions:
            emf.add_dimension(name, value)
        for name, numbers in metrics.items():
            unit = MetricUnit(_UNITS.get(name, "Count"))
            # A sum says as much of counts as each of them does.
            for number in numbers if name in _UNITS else [sum(numbers)]:
                emf.add_metric(name, unit, number)
        emf.flush_metrics()
