"""Verdicts as object tags: a pure merge with the tags that are there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from screentest.screening.models import Screening, Verdict

if TYPE_CHECKING:
    from screentest.screening.records import Result

GATE: Final = "screentest"
"""The tag that a bucket policy may ask for: written once every routed screening of this version is decided."""

LIMIT: Final = 10
"""Tags that one object version can carry (S3 user guide, object tagging)."""

LONGEST_VALUE: Final = 256
"""Characters of a tag's value (S3 user guide)."""

_FORBIDDEN: Final = re.compile(r"[^\w .:/=+\-@]", re.ASCII)
"""What tags of ours leave out; S3 allows more letters than these, its emulators and billing reports do not."""

DROPPED: Final = ("ext", "face", "body", "code", "")
"""Order in which our tags give way when ten do not fit; '' is the verdict itself. The gate goes last of all."""

Tags = dict[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written.

    Attributes:
        tags: the whole new set; S3 replaces all at once.
        status: `written`, `trimmed` or `no-room`.
        changed: whether it differs from what is there.
    """

    tags: Tags
    status: str
    changed: bool


def is_ours(name: str) -> bool:
    """Whether a tag has a name of ours. Whatever wrote it, it is rewritten and never trusted."""
    return name.startswith(GATE)


def gate(verdicts: Iterable[str]) -> str:
    """`pass` only if all passed, else `error` over `reject`."""
    found = set(verdicts)
    if Verdict.ERROR in found:
        return Verdict.ERROR.value
    return Verdict.REJECT.value if Verdict.REJECT in found else Verdict.PASS.value


def plan(
    current: Mapping[str, str], verdicts: Sequence[tuple[Screening, Result | None]], *, details: bool = True
) -> Plan:
    """The tags that an object should carry.

    Args:
        current: all its tags, of which those that are not ours are kept as they are.
        verdicts: each routed screening with its result, or None where it is not decided yet: then there is no gate.
        details: of each screening, besides the gate.
    """
    kept = {name: value for name, value in current.items() if not is_ours(name)}
    decided = [(screening, result) for screening, result in verdicts if result is not None]
    complete = bool(decided) and len(decided) == len(verdicts)
    own = {GATE: gate(result.verdict for _, result in decided)} if complete else {}
    parts = [tags_of(result) if details else {} for _, result in decided]
    room = LIMIT - len(kept) - len(own)
    wanted = sum(map(len, parts))
    status = "written"
    for part in DROPPED:
        for tags in reversed(parts):
            if sum(map(len, parts)) > room and tags.pop(part, None) is not None:
                status = "trimmed"
    if room < 0:
        own, status = {}, "no-room"
    elif wanted and len(kept) >= LIMIT:
        status = "no-room"
    for (screening, _), tags in zip(decided, parts, strict=True):
        own |= {_name(screening, part): value for part, value in tags.items()}
    new = kept | own
    return Plan(new, status, new != dict(current))


Planner = Callable[[Mapping[str, str], "Sequence[tuple[Screening, Result | None]]"], Plan]

PLANNERS: Final[Mapping[str, Planner]] = {"all": plan, "gate": partial(plan, details=False)}
"""By the setting `OBJECT_TAGS`."""


def tags_of(result: Result) -> Tags:
    """One screening's tags by their last part; '' is the verdict."""
    tags = {"": str(result.verdict)}
    if result.verdict is Verdict.PASS:
        if result.face_bbox:
            tags["face"] = _box(result.face_bbox)
        if result.ext_bbox:
            tags["ext"] = _box(result.ext_bbox)
        if result.body_style:
            tags["body"] = _value(result.body_style)
    elif result.code:
        tags["code"] = _value(result.code)
    return {part: value for part, value in tags.items() if value}


def _name(screening: Screening, part: str) -> str:
    return ":".join(filter(None, (GATE, screening.name, part)))


def _value(text: str) -> str:
    return _FORBIDDEN.sub("_", text)[:LONGEST_VALUE].strip()


def _box(box: Sequence[float]) -> str:
    # Commas and brackets are not allowed in tags.
    return " ".join(f"{side:g}" if isinstance(side, float) else str(side) for side in box)
