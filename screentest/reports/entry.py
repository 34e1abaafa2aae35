"""One screening as reports show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["pass", "reject", "error"]
Absence = Literal["deleted", "replaced", "archived", "denied", "unreadable", "not-kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEntry:
    """One screening of one picture.

    Attributes:
        name: what the picture is called: a path or an object key. May hold anything; reports escape it.
        model: the detector's model name.
        verdict: `pass`, `reject` or `error`.
        ratio: `1:1` or `3:4`, None where the model has none.
        code: why not, None on a pass.
        message: the literal message of the wire.
        face_bbox: face box, four pixels of the upright picture.
        ext_bbox: extended box, likewise.
        body_style: `full` or `half`.
        latency_ms: the detector's time in milliseconds.
        picture: the file as it was screened; None where it is not at hand.
        absent: why there is no picture.
        explanation: measurements, boxes and landmarks as in the API's `output.explain`.
        expected: the verdict and code written down beforehand, such as `reject InvalidFile.FacePose`.
        note: the reason a person gave for what was expected.
        source: the object's address or the file's path, where it differs from `name`.
        screened_at: when, ISO 8601 in UTC.
    """

    name: str
    model: str
    verdict: Verdict
    ratio: str | None = None
    code: str | None = None
    message: str | None = None
    face_bbox: Sequence[float] | None = None
    ext_bbox: Sequence[float] | None = None
    body_style: str | None = None
    latency_ms: float | None = None
    picture: bytes | None = None
    absent: Absence | None = None
    explanation: Mapping[str, Any] | None = None
    expected: str | None = None
    note: str | None = None
    source: str | None = None
    screened_at: str | None = None

    @property
    def outcome(self) -> str:
        """Verdict and code in one, the form of `expected`."""
        return f"{self.verdict} {self.code}" if self.code else self.verdict


def wire_ratio(stored: str | None) -> str | None:
    """`1:1` or `3:4` of the table's `1x1` or `3x4`; None for `-`, which stands for a model without one."""
    return None if stored in (None, "-") else stored.replace("x", ":")
