"""What flows through the pipeline: which object, screened by what, with which verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from screentest.screening.families import OTHER, RATIOS, family_of

MODEL_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Names that a route or an object may ask for. They become sort keys, tags and message attributes."""

NO_VERSION: Final = "-"
"""In place of the version in keys where the bucket keeps none."""


class Reason(StrEnum):
    """Why an object still needs a screening."""

    NEW = "new"
    OUTDATED = "outdated"
    ERROR = "error"
    REJECT = "reject"
    """Only where it is asked for: rejections stand unless a person doubts them."""
    OVERDUE = "overdue"
    """Pending although no message is left to decide it (`Record.is_overdue`), old versions and deleted objects too: the
    index of pending screenings knows these, no listing of the bucket does. Included in `NEW`."""


class Verdict(StrEnum):
    """`pass` can drive the video, `reject` is the picture's fault, `error` could not be judged."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    REJECT = "reject"
    ERROR = "error"


class Trigger(StrEnum):
    """What made us look at the object."""

    UPLOAD = "upload"
    BACKFILL = "backfill"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One version of one object, as an event names it.

    Attributes:
        key: decoded, exactly as S3 stores it.
        version_id: None where the bucket keeps no versions (S3 says so by leaving it out or by `null`).
        etag: without quotes.
        size: bytes.
        sequencer: hexadecimal; orders the events of one key (`is_later`), not those of different keys.
        last_modified: `YYYY-MM-DDTHH:MM:SS.mmmZ` of the object, or of the event, which follows within moments.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    sequencer: str | None = None
    last_modified: str | None = None
    trigger: Trigger = Trigger.UPLOAD

    def __post_init__(self) -> None:
        if not self.bucket or not self.key:
            raise ValueError("an object has a bucket and a key")

    @property
    def uri(self) -> str:
        """`s3://BUCKET/KEY`, the partition key of its verdicts."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Screening:
    """One detector run that a route asks for.

    Attributes:
        ratio: `1:1` or `3:4` for models that crop to it, else None.
    """

    model: str
    ratio: str | None = None

    @classmethod
    def of(cls, model: str, ratio: str | None = None) -> Screening:
        """The screening with the ratio that the model's contract knows.

        EMO crops to `1:1` by default; the other known models have one framing only, whatever is asked.
        Models of no known family get the ratio that is asked for, or none.

        Raises:
            ValueError: the name or the ratio is malformed.
        """
        if not MODEL_NAME.fullmatch(model):
            raise ValueError("a model name has 1 to 64 of A-Z a-z 0-9 . _ -")
        if ratio is not None and ratio not in RATIOS:
            raise ValueError(f"ratio is one of {', '.join(RATIOS)}")
        family = family_of(model)
        if family is OTHER:
            return cls(model, ratio)
        return cls(model, (ratio or family.ratios[0]) if family.ratios else None)

    @property
    def ratio_key(self) -> str:
        """`1x1`, `3x4` or `-`, as in sort keys."""
        return self.ratio.replace(":", "x") if self.ratio else "-"

    @property
    def name(self) -> str:
        """`MODEL[:RATIO]`, as in tags."""
        return f"{self.model}:{self.ratio_key}" if self.ratio else self.model

    @property
    def wire_ratio(self) -> str | None:
        """What is sent: Emoji's contract marks the ratio as required and knows `1:1` only."""
        return family_of(self.model).sent_ratio or self.ratio

    def sort_key(self, version_id: str | None) -> str:
        """`MODEL#RATIO#VERSION`."""
        return f"{self.model}#{self.ratio_key}#{version_id or NO_VERSION}"


def is_later(sequencer: str, other: str) -> bool:
    """Whether the first of two events of one key happened after the second.

    Source: S3 user guide, event message structure: the shorter is padded with zeros on the right, then both are
    compared as text.
    """
    width = max(len(sequencer), len(other))
    return sequencer.upper().ljust(width, "0") > other.upper().ljust(width, "0")
