"""The verdict record: one screening of one version of an object, its stored form, and the pure rules of claiming it.

`lease_until` is stored from the claim until the verdict is written: a record with a lease is not decided for its
upload, whatever former verdict it still shows. A failure that was handled gives the lease back (`lease_until` in the
past) together with its cause; a lease that ran out without a cause is an attempt that crashed.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import Enum, StrEnum, auto
from typing import Any, Final

from screentest.screening.contract import Box, Decision, Measured
from screentest.screening.errors import Crashed, ObjectGone, ScreeningError
from screentest.screening.models import NO_VERSION, ObjectRef, Screening, Trigger, Verdict, is_later

Item = dict[str, Any]
"""Attributes by name: text, numbers, lists of numbers. What is unknown is absent."""


class Attribute(StrEnum):
    """Names of an item's attributes, for conditions, projections and columns. Values are read from a `Record`."""

    OBJECT = auto()
    SCREENING = auto()
    BUCKET = auto()
    KEY = auto()
    VERSION_ID = auto()
    ETAG = auto()
    SIZE = auto()
    SEQUENCER = auto()
    LAST_MODIFIED = auto()
    TRIGGER = auto()
    MODEL = auto()
    RATIO = auto()
    VERDICT = auto()
    SCREENED_AT = auto()
    CODE = auto()
    MESSAGE = auto()
    FACE_BBOX = auto()
    EXT_BBOX = auto()
    BODY_STYLE = auto()
    MEASURED = auto()
    DETECTOR = auto()
    RULES_VERSION = auto()
    REQUEST_ID = auto()
    IMAGE_COUNT = auto()
    LATENCY_MS = auto()
    TAGS = auto()
    NOTIFIED_AT = auto()
    ATTEMPTS = auto()
    EXPIRES_AT = auto()
    LEASE_UNTIL = auto()
    CAUSE_CODE = auto()
    CAUSE_MESSAGE = auto()
    ANSWER = auto()
    CRASHES = "deaths"
    IS_RETRIED = "retried"


INDEX: Final = "by-verdict"
"""Partition key `verdict`, sort key `screened_at`, all attributes."""

PENDING_INDEX: Final = "pending"
"""Partition key `object`, sort key `lease_until`: only screenings without a verdict on their upload are in it, so that
all of it is read at once. Its other attributes are `PENDING_ATTRIBUTES`."""

PENDING_ATTRIBUTES: Final = (
    Attribute.TRIGGER,
    Attribute.ETAG,
    Attribute.SIZE,
    Attribute.LAST_MODIFIED,
)

DAY: Final = 86_400.0
UPLOAD_LIFE: Final = 4 * DAY
"""Seconds for which the queue of uploads keeps a message (template.yaml)."""

BACKFILL_LIFE: Final = 14 * DAY
"""The same for the backfill queue, which may be paused."""

LEASE: Final = 75.0
"""Seconds; longer than the function's time-out of 60, so that a lease that has run out has no living owner."""

ERROR_VALID: Final = 900.0
"""Seconds for which a recorded `error` answers duplicates; later ones try again."""

LONGEST_MESSAGE: Final = 1000
"""Characters kept of a detector's message."""

NOT_ATTEMPTED: Final = "NotAttempted"
"""Code of an `error` whose every attempt failed before the detector could be asked."""

VERSION: Final = (
    Attribute.LEASE_UNTIL,
    Attribute.ATTEMPTS,
    Attribute.SEQUENCER,
    Attribute.SCREENED_AT,
    Attribute.CAUSE_CODE,
    Attribute.ETAG,
)
"""Optimistic lock: attributes that no two states of an item share. A write is conditional on exactly the state that was
read."""


def timestamp(seconds: float) -> str:
    """`YYYY-MM-DDTHH:MM:SS.mmmZ` of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def seconds(text: str) -> float:
    """Seconds since 1970 of `YYYY-MM-DDTHH:MM:SS.mmmZ`; 0 where it is malformed."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def key(ref: ObjectRef, screening: Screening) -> dict[str, str]:
    """Partition and sort key."""
    return {Attribute.OBJECT: ref.uri, Attribute.SCREENING: screening.sort_key(ref.version_id)}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an attempt gave its lease back."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on the record.

    Attributes:
        until: seconds since 1970.
        cause: the failure with which it was given back; None while it is held, and after a crash.
        answer: the detector's verdict on this upload where it could not be stored: the next attempt need not ask.
    """

    until: float
    cause: Cause | None = None
    answer: Result | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict with all that is known about it; the fields are attributes of the item.

    Attributes:
        screened_at: `YYYY-MM-DDTHH:MM:SS.mmmZ`.
        detector: `self-hosted/VERSION` or the host.
        latency_ms: of the detector call.
        tags: `written`, `trimmed`, `no-room`, `failed` or `object-gone`.
        notified_at: when the notice was published.
    """

    verdict: Verdict
    screened_at: str
    code: str | None = None
    message: str | None = None
    face_bbox: Box | None = None
    ext_bbox: Box | None = None
    body_style: str | None = None
    measured: Measured | None = None
    detector: str | None = None
    rules_version: str | None = None
    request_id: str | None = None
    image_count: int | None = None
    latency_ms: int | None = None
    tags: str | None = None
    notified_at: str | None = None

    @classmethod
    def of_decision(cls, decision: Decision, *, now: float, **facts: Any) -> Result:
        """The detector's verdict. `facts` are further fields."""
        return cls(
            verdict=decision.verdict,
            screened_at=timestamp(now),
            code=decision.code,
            message=_shortened(decision.message),
            face_bbox=decision.face_bbox,
            ext_bbox=decision.ext_bbox,
            body_style=decision.body_style,
            measured=decision.measured,
            request_id=decision.request_id,
            image_count=decision.image_count,
            **facts,
        )

    @classmethod
    def of_error(cls, code: str, message: str | None, *, now: float, **facts: Any) -> Result:
        """The verdict `error`: the picture could not be judged."""
        return cls(Verdict.ERROR, timestamp(now), code=code, message=_shortened(message), **facts)

    @property
    def is_failure(self) -> bool:
        """Whether an operator has to act: an `error` other than that of an object that was deleted or overwritten."""
        return self.verdict is Verdict.ERROR and self.code != ObjectGone.code


@dataclass(frozen=True, slots=True)
class Record:
    """One screening of one version. Changes return a new record.

    Attributes:
        attempts: claims since the upload, or since the last verdict.
        expires_at: seconds since 1970, after which the table forgets it.
        crashes: attempts at this upload that ended without a verdict and without a cause.
        lease: None exactly when the record is decided.
        is_retried: the result is an `error` that was recorded at once although its message is retried.
        result: of this upload when there is no lease; else the former one, still readable.
        others: attributes that this version does not know, kept as they are.
    """

    ref: ObjectRef
    screening: Screening
    attempts: int = 1
    expires_at: int | None = None
    crashes: int = 0
    lease: Lease | None = None
    result: Result | None = None
    is_retried: bool = False
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Record:
        """The record of a stored item."""
        sort_key = str(item[Attribute.SCREENING]).split("#", 2)
        model, ratio, version = (*sort_key, *["-"] * (3 - len(sort_key)))
        bucket, _, path = str(item[Attribute.OBJECT]).removeprefix("s3://").partition("/")
        ref = {name: item[name] for name in _REF if name in item}
        ref |= {"bucket": item.get(Attribute.BUCKET, bucket), "key": item.get(Attribute.KEY, path)}
        if version != NO_VERSION:
            ref.setdefault("version_id", version)
        ratio = str(item.get(Attribute.RATIO, ratio))
        return cls(
            ref=ObjectRef(
                **ref | {"trigger": _member(Trigger, item.get(Attribute.TRIGGER)) or Trigger.UPLOAD}
            ),
            screening=Screening(
                str(item.get(Attribute.MODEL, model)), None if ratio == "-" else ratio.replace("x", ":")
            ),
            attempts=item.get(Attribute.ATTEMPTS, 0),
            expires_at=item.get(Attribute.EXPIRES_AT),
            crashes=item.get(Attribute.CRASHES, 0),
            lease=_lease(item),
            result=_result(item),
            is_retried=item.get(Attribute.IS_RETRIED) is True,
            others={name: value for name, value in item.items() if name not in _NAMES},
        )

    def to_item(self) -> Item:
        """The stored form, without what is unknown: DynamoDB's indexes and readers take an empty value for a fact."""
        item: Item = dict(self.others)
        item |= key(self.ref, self.screening)
        item |= _known(self.ref)
        item |= {Attribute.MODEL: self.screening.model, Attribute.RATIO: self.screening.ratio_key}
        if self.result is not None:
            item |= _known(self.result)
        if self.attempts:
            item[Attribute.ATTEMPTS] = self.attempts
        if self.expires_at is not None:
            item[Attribute.EXPIRES_AT] = self.expires_at
        if self.crashes:
            item[Attribute.CRASHES] = self.crashes
        if self.is_retried:
            item[Attribute.IS_RETRIED] = True
        if self.lease is not None:
            item[Attribute.LEASE_UNTIL] = self.lease.until
            if self.lease.answer is not None:
                item[Attribute.ANSWER] = _known(self.lease.answer)
            if self.lease.cause is not None:
                cause = self.lease.cause
                item |= {Attribute.CAUSE_CODE: cause.code, Attribute.CAUSE_MESSAGE: cause.message}
        return item

    def document(self) -> Item:
        """What others may read: the item without what only the claim rules use."""
        return {name: value for name, value in self.to_item().items() if name not in _INNER}

    @property
    def is_decided(self) -> bool:
        """Whether there is a verdict on this upload."""
        return self.lease is None and self.result is not None

    @property
    def crashed(self) -> bool:
        """Whether the last attempt ended without a verdict and without a cause. Also true of one that is running."""
        return self.lease is not None and self.lease.cause is None

    def is_overdue(self, now: float) -> bool:
        """Whether it is pending although no message can be left that would decide it: the last attempt at it is longer
        ago than its queue keeps a message."""
        life = BACKFILL_LIFE if self.ref.trigger is Trigger.BACKFILL else UPLOAD_LIFE
        return self.lease is not None and self.lease.until < now - life

    def last_cause(self) -> Cause:
        """Why the last attempt came to nothing."""
        if self.crashed:
            return Cause(Crashed.code, "the function died on the last attempt at this picture")
        if self.lease is not None and self.lease.cause is not None:
            return self.lease.cause
        return Cause(NOT_ATTEMPTED, "the cause is not known")

    def released(self, error: ScreeningError, now: float, answer: Result | None = None) -> Record:
        """After a failure that was handled: the lease is over, and its cause is known."""
        if answer is None and self.lease is not None:
            answer = self.lease.answer
        cause = Cause(error.code, error.message[:LONGEST_MESSAGE])
        return replace(self, lease=Lease(round(now, 3), cause, answer))

    def decided(self, result: Result, *, is_retried: bool = False) -> Record:
        """With its verdict. Nothing of the claim is left, nor of a former verdict."""
        return replace(self, lease=None, crashes=0, result=result, is_retried=is_retried)

    def noted(self, **attributes: str) -> Record:
        """With further facts about its verdict: `tags`, `notified_at`."""
        assert self.result is not None
        return replace(self, result=replace(self.result, **attributes))  # type: ignore[arg-type]  # text all


def claimed(seen: Record | None, ref: ObjectRef, screening: Screening, *, now: float, days: int) -> Record:
    """The record as a claim leaves it: the former verdict stays readable until there is a new one."""
    # The random part tells two claims of one moment apart.
    lease = Lease(round(now + LEASE + random.random(), 6))  # noqa: S311 - not a secret
    expires_at = int(now) + days * 86_400
    if seen is None:
        return Record(ref, screening, expires_at=expires_at, lease=lease)
    claim = replace(seen, screening=screening, attempts=1, expires_at=expires_at, lease=lease)
    if _order(seen, ref) is not None:
        return replace(claim, ref=ref, crashes=0)
    if seen.lease is not None and seen.lease.answer is not None:
        lease = replace(lease, answer=seen.lease.answer)
    return replace(
        claim,
        ref=replace(seen.ref, **_known_fields(ref)),
        lease=lease,
        attempts=seen.attempts + 1 if seen.lease else 1,
        crashes=seen.crashes + seen.crashed,
    )


def code_matches(code: str, codes: Collection[str]) -> bool:
    """Whether a code is among some: whole codes, or beginnings that end with a full stop; none stand for all."""
    return not codes or any(code == c or (c.endswith(".") and code.startswith(c)) for c in codes)


@dataclass(frozen=True, slots=True)
class RescreenPolicy:
    """Which stored verdicts are screened again rather than returned.

    Attributes:
        before: `YYYY-MM-DDTHH:MM:SS.mmmZ`; verdicts of an earlier time only.
        verdicts: of these kinds only.
        codes: of `verdicts`, only those with one of these codes (`code_matches`).
        rules_version: passes and rejections by other rules too; None for none of them.
    """

    before: str
    verdicts: frozenset[Verdict] = frozenset({Verdict.ERROR})
    rules_version: str | None = None
    codes: tuple[str, ...] = ()

    def applies_to(self, result: Result) -> bool:
        """Whether this stored verdict is to be replaced."""
        if result.screened_at >= self.before:
            return False
        outdated = (
            self.rules_version is not None
            and result.verdict is not Verdict.ERROR
            and result.rules_version != self.rules_version
        )
        return outdated or (result.verdict in self.verdicts and code_matches(result.code or "", self.codes))


class ClaimState(Enum):
    """What a claim finds."""

    DUPLICATE = auto()
    """Decided already."""
    BUSY = auto()
    """Another attempt is running, or crashed less than a lease ago."""
    TAKEOVER = auto()
    """No attempt is running any more, or the stored verdict is to be replaced."""
    NEWER = auto()
    """The record is of an earlier upload under the same key."""
    STALE = auto()
    """The record is of a later upload under the same key."""
    UNCLEAR = auto()
    """Two uploads under one key without an order: the bucket must be asked which is there."""


def claim_state(
    record: Record, ref: ObjectRef, now: float, rescreen: RescreenPolicy | None = None
) -> ClaimState:
    """Classify an event against the stored record."""
    order = _order(record, ref)
    if order is not None:
        return order
    if record.lease is not None:
        return ClaimState.BUSY if record.lease.until > now else ClaimState.TAKEOVER
    result = record.result
    if result is None or (rescreen and rescreen.applies_to(result)):
        return ClaimState.TAKEOVER
    if result.verdict is Verdict.ERROR and (
        record.is_retried or seconds(result.screened_at) < now - ERROR_VALID
    ):
        return ClaimState.TAKEOVER
    return ClaimState.DUPLICATE


def _order(record: Record, ref: ObjectRef) -> ClaimState | None:
    """None where record and event are of the same upload."""
    if ref.version_id:
        return None
    there = record.ref
    if ref.sequencer and there.sequencer:
        if is_later(ref.sequencer, there.sequencer):
            return ClaimState.NEWER
        return ClaimState.STALE if is_later(there.sequencer, ref.sequencer) else None
    if ref.etag and there.etag and ref.etag != there.etag:
        mine, its = ref.last_modified, there.last_modified
        # Whole seconds: events and objects are stamped by different clocks within one.
        if mine and its and mine[:19] != its[:19]:
            return ClaimState.NEWER if mine > its else ClaimState.STALE
        return ClaimState.UNCLEAR
    return None


_NAMES: Final = frozenset(map(str, Attribute))
_REF: Final = tuple(name.name for name in fields(ObjectRef))
_RESULT: Final = tuple(name.name for name in fields(Result))
_MEASURED: Final = tuple(name.name for name in fields(Measured))
_INNER: Final = frozenset(
    {
        Attribute.LEASE_UNTIL,
        Attribute.CRASHES,
        Attribute.CAUSE_CODE,
        Attribute.CAUSE_MESSAGE,
        Attribute.ANSWER,
        Attribute.IS_RETRIED,
    }
)


def _lease(item: Mapping[str, Any]) -> Lease | None:
    if Attribute.LEASE_UNTIL not in item:
        return None
    code = item.get(Attribute.CAUSE_CODE)
    cause = Cause(code, item.get(Attribute.CAUSE_MESSAGE, "")) if code else None
    return Lease(item[Attribute.LEASE_UNTIL], cause, _result(item.get(Attribute.ANSWER, {})))


def _result(item: Mapping[str, Any]) -> Result | None:
    verdict = _member(Verdict, item.get(Attribute.VERDICT))
    if verdict is None:
        return None
    known: dict[str, Any] = {name: item[name] for name in _RESULT if name in item}
    for name in (Attribute.FACE_BBOX, Attribute.EXT_BBOX):
        if name in known:
            known[name] = tuple(known[name])
    if Attribute.MEASURED in known:
        known[Attribute.MEASURED] = _measured(known[Attribute.MEASURED])
    known.setdefault(Attribute.SCREENED_AT, "")
    return Result(**known | {Attribute.VERDICT: verdict})


def _measured(stored: Mapping[str, Any]) -> Measured | None:
    """What decided; None where that cannot be told, for the verdict stands without it."""
    known = {name: stored[name] for name in _MEASURED if name in stored}
    return Measured(**known) if {"rule", "value", "limit"} <= known.keys() else None


def _member(kind: Any, value: object) -> Any:
    try:
        return kind(value)
    except ValueError:
        return None


def _known_fields(of: Any) -> dict[str, Any]:
    found = {name.name: getattr(of, name.name) for name in fields(of)}
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _known(of: Any) -> Item:
    """The fields as attributes."""
    return {name: _attribute(value) for name, value in _known_fields(of).items()}


def _attribute(value: Any) -> Any:
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return _known_fields(value) if isinstance(value, Measured) else value


def _shortened(message: str | None) -> str | None:
    return message[:LONGEST_MESSAGE] if message else None
