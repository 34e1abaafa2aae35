"""One screening as reports show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from screentest.screening.models import Verdict
from screentest.screening.records import Record

Absence = Literal["deleted", "replaced", "archived", "denied", "unreadable", "not-kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEntry:
    """One screening of one picture.

    Attributes:
        name: what the picture is called: a path or an object key. May hold anything; reports escape it.
        model: the detector's model name.
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

    @classmethod
    def of(cls, record: Record, *, name: str | None = None, **others: Any) -> ReportEntry:
        """The entry of a decided record. `others` are fields that it does not know."""
        ref, screening, result = record.ref, record.screening, record.result
        assert result is not None
        return cls(
            name=name or ref.key,
            source=ref.uri,
            model=screening.model,
            ratio=screening.ratio,
            verdict=result.verdict,
            code=result.code,
            message=result.message,
            face_bbox=result.face_bbox,
            ext_bbox=result.ext_bbox,
            body_style=result.body_style,
            latency_ms=result.latency_ms,
            screened_at=result.screened_at,
            **others,
        )

    @property
    def outcome(self) -> str:
        """Verdict and code in one, the form of `expected`."""
        return f"{self.verdict} {self.code}" if self.code else self.verdict
