"""The verdict item: its schema, and the pure rules of claiming it.

One item a screening and version. `lease_until` is there from the claim until the verdict is written: an item that
has it is not decided for its `sequencer`, whatever former verdict it still shows. A failure that was handled leaves
`lease_until` in the past together with `cause_code`; a lease that ran out without a cause is an attempt that died.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, Final

from screentest.screening.contract import Decision
from screentest.screening.errors import AccessDenied
from screentest.screening.models import ObjectRef, Screening, Verdict, is_later

Item = dict[str, Any]
"""Attributes by name: text, numbers, lists of numbers. What is unknown is absent."""

LEASE: Final = 75.0
"""Seconds; longer than the function's time-out of 60, so that whoever holds a lease that has run out is dead."""

ERROR_STANDS: Final = 900.0
"""Seconds for which a recorded `error` answers duplicates; later ones try again."""

UNSETTLED: Final = frozenset({AccessDenied.code})
"""Codes of errors that are recorded while their message is still being retried (`Outcome.recorded`)."""

LONGEST_MESSAGE: Final = 1000
"""Characters kept of a detector's message."""

VERSION: Final = ("lease_until", "attempts", "sequencer", "screened_at", "cause_code", "etag")
"""Optimistic lock: attributes that no two states of an item share. A write is conditional on exactly the state that was
read."""


@dataclass(frozen=True, slots=True)
class RescreenPolicy:
    """Which stored verdicts are screened again rather than returned.

    Attributes:
        before: `YYYY-MM-DDTHH:MM:SS.mmmZ`; verdicts of an earlier time only.
        verdicts: of these kinds only.
        rules_version: passes and rejections by other rules too; None for none of them.
    """

    before: str
    verdicts: frozenset[Verdict] = frozenset({Verdict.ERROR})
    rules_version: str | None = None

    def applies_to(self, item: Mapping[str, Any]) -> bool:
        """Whether this stored verdict is to be replaced."""
        if str(item.get("screened_at", "")) >= self.before:
            return False
        outdated = (
            self.rules_version is not None
            and item.get("verdict") in (Verdict.PASS, Verdict.REJECT)
            and item.get("rules_version") != self.rules_version
        )
        return outdated or item.get("verdict") in self.verdicts


class ClaimState(Enum):
    """What a claim finds."""

    DUPLICATE = auto()
    """Decided already."""
    BUSY = auto()
    """Somebody is at work, or died less than a lease ago."""
    TAKEOVER = auto()
    """Nobody is at work any more, or the stored verdict is to be replaced."""
    NEWER = auto()
    """The item is of an earlier upload under the same key."""
    STALE = auto()
    """The item is of a later upload under the same key."""
    UNCLEAR = auto()
    """Two uploads under one key, and nothing that orders them: the bucket must be asked which is there."""


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
    return {"object": ref.uri, "screening": screening.sort_key(ref.version_id)}


def claim_state(
    item: Mapping[str, Any], ref: ObjectRef, now: float, rescreen: RescreenPolicy | None = None
) -> ClaimState:
    """Classify an event against the item that its claim found."""
    order = _order(item, ref)
    if order is not None:
        return order
    lease = lease_of(item)
    if lease is not None:
        return ClaimState.BUSY if lease > now else ClaimState.TAKEOVER
    if "verdict" not in item or (rescreen and rescreen.applies_to(item)):
        return ClaimState.TAKEOVER
    if item["verdict"] == Verdict.ERROR and item.get("code") in UNSETTLED:
        return ClaimState.TAKEOVER
    if item["verdict"] == Verdict.ERROR and seconds(str(item.get("screened_at", ""))) < now - ERROR_STANDS:
        return ClaimState.TAKEOVER
    return ClaimState.DUPLICATE


def _order(item: Mapping[str, Any], ref: ObjectRef) -> ClaimState | None:
    """None where item and event are of the same upload."""
    if ref.version_id:
        return None
    mine, its = ref.sequencer, item.get("sequencer")
    if mine and its:
        if is_later(mine, its):
            return ClaimState.NEWER
        return ClaimState.STALE if is_later(its, mine) else None
    if ref.etag and item.get("etag") and ref.etag != item["etag"]:
        mine, its = ref.last_modified, item.get("last_modified")
        # Whole seconds: events and objects are stamped by different clocks within one.
        if mine and its and mine[:19] != its[:19]:
            return ClaimState.NEWER if mine > its else ClaimState.STALE
        return ClaimState.UNCLEAR
    return None


def lease_of(item: Mapping[str, Any]) -> float | None:
    """Seconds since 1970 until which somebody works on the item; None where nobody does."""
    value = item.get("lease_until")
    if isinstance(value, str):
        return seconds(value)
    return float(value) if value is not None else None


def crashed(item: Mapping[str, Any]) -> bool:
    """Whether the last attempt ended without a word."""
    return "lease_until" in item and "cause_code" not in item


def claimed(seen: Item | None, ref: ObjectRef, screening: Screening, *, now: float, days: int) -> Item:
    """The item as a claim leaves it: the former verdict stays readable until there is a new one."""
    same_upload = seen is not None and _order(seen, ref) is None
    item: Item = {
        name: value
        for name, value in (seen or {}).items()
        # The cause of the last failure belongs to the attempt before.
        if not name.startswith("cause_") and (same_upload or name != "deaths")
    }
    item |= key(ref, screening)
    item |= _known(
        bucket=ref.bucket,
        key=ref.key,
        model=screening.model,
        ratio=screening.ratio_key,
        size=ref.size,
        etag=ref.etag,
        version_id=ref.version_id,
        sequencer=ref.sequencer,
        last_modified=ref.last_modified,
        trigger=str(ref.trigger),
    )
    if not same_upload:
        for name in {"sequencer", "etag", "size", "last_modified"} - _known(**_facts(ref)).keys():
            item.pop(name, None)
    elif seen is not None and crashed(seen):
        item["deaths"] = int(seen.get("deaths", 0)) + 1
    item["attempts"] = int(item.get("attempts", 0)) + 1 if same_upload and _undecided(seen) else 1
    # The random part tells two claims of one moment apart.
    item["lease_until"] = round(now + LEASE + random.random(), 6)  # noqa: S311 - not a secret
    item["expires_at"] = int(now) + days * 86_400
    return item


def _facts(ref: ObjectRef) -> dict[str, Any]:
    return {field.name: getattr(ref, field.name) for field in fields(ref)}


def _undecided(seen: Item | None) -> bool:
    return seen is not None and "lease_until" in seen


def released(claim: Item, *, code: str, message: str, now: float) -> Item:
    """The item after a failure that was handled: nobody is at work, and this is the last known cause."""
    return claim | {
        "lease_until": round(now, 3),
        "cause_code": code,
        "cause_message": message[:LONGEST_MESSAGE],
    }


_OF_A_VERDICT: Final = frozenset(
    {
        "verdict",
        "code",
        "message",
        "face_bbox",
        "ext_bbox",
        "body_style",
        "detector",
        "rules_version",
        "request_id",
        "image_count",
        "latency_ms",
        "tags",
        "notified_at",
        "screened_at",
        "lease_until",
        "cause_code",
        "cause_message",
        "deaths",
    }
)


def decided(
    claim: Item,
    decision: Decision | None,
    *,
    now: float,
    code: str | None = None,
    message: str | None = None,
    detector: str | None = None,
    rules_version: str | None = None,
    latency_ms: int | None = None,
    request_id: str | None = None,
) -> Item:
    """The item with its verdict; without a decision it is an `error` of `code` and `message`."""
    item = {name: value for name, value in claim.items() if name not in _OF_A_VERDICT}
    if decision is not None:
        item |= _known(
            verdict=str(decision.verdict),
            code=decision.code,
            message=decision.message,
            face_bbox=list(decision.face_bbox) if decision.face_bbox else None,
            ext_bbox=list(decision.ext_bbox) if decision.ext_bbox else None,
            body_style=decision.body_style,
            image_count=decision.image_count,
        )
        request_id = decision.request_id or request_id
    else:
        item |= _known(verdict=str(Verdict.ERROR), code=code, message=message)
    if "message" in item:
        item["message"] = item["message"][:LONGEST_MESSAGE]
    return item | _known(
        detector=detector,
        rules_version=rules_version,
        request_id=request_id,
        latency_ms=latency_ms,
        screened_at=timestamp(now),
    )


def _known(**attributes: Any) -> Item:
    """Without what is unknown: DynamoDB's indexes and readers take an empty value for a fact."""
    return {name: value for name, value in attributes.items() if value is not None and value != ""}
