"""Which objects a backfill is about, and why one is left out: pure decisions over what a listing shows."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from screentest.aws import AwsError
from screentest.screening.backfill import USUAL
from screentest.screening.models import ObjectRef, Reason, Trigger
from screentest.screening.records import timestamp
from screentest.screening.routes import is_folder, is_report


class Skip(StrEnum):
    """Why an object is left out; the value is how the summary puts it."""

    FOLDER = "folder marker"
    REPORT = "report of a backfill"
    ARCHIVED = "archived, cannot be read"
    SUFFIX = "other suffix"
    SIZE = "other size"
    DATE = "other date"
    UNROUTED = "no route for its key"
    SCREENED = "screened already"
    REASON = "needs a screening, but not for a reason asked for"


ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored before they can be read."""

UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as a listing shows it.

    Attributes:
        version_id: None where the bucket keeps no versions.
        etag: without quotes.
        size: bytes.
        last_modified: aware.
    """

    key: str
    version_id: str | None
    etag: str
    size: int
    last_modified: datetime
    storage_class: str = "STANDARD"

    def ref(self, bucket: str) -> ObjectRef:
        """The object as the pipeline knows it."""
        return ObjectRef(
            bucket=bucket,
            key=self.key,
            version_id=self.version_id,
            etag=self.etag,
            size=self.size,
            last_modified=stamp(self.last_modified),
            trigger=Trigger.BACKFILL,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """What to screen.

    Attributes:
        suffixes: any of them, case ignored as routes do; empty for all.
        min_size, max_size: bytes, inclusive.
        since: inclusive; until: exclusive.
        only: the reasons for which an object is screened.
        codes: of errors and rejections only these; whole codes, or beginnings that end with a full stop.
    """

    bucket: str
    prefix: str = ""
    suffixes: tuple[str, ...] = ()
    min_size: int | None = None
    max_size: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    only: frozenset[Reason] = USUAL
    codes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        source: str,
        *,
        suffixes: Sequence[str],
        min_size: str | None,
        max_size: str | None,
        since: datetime | None,
        until: datetime | None,
        only: Iterable[str],
        codes: Sequence[str] = (),
    ) -> Selection:
        """As the command line has it.

        Raises:
            AwsError: it contradicts itself, or is malformed.
        """
        bucket, prefix = parse_source(source)
        selection = cls(
            bucket=bucket,
            prefix=prefix,
            suffixes=tuple(suffixes),
            min_size=parse_size(min_size, "--min-size"),
            max_size=parse_size(max_size, "--max-size"),
            since=utc(since),
            until=utc(until),
            only=frozenset(map(Reason, only)) or USUAL,
            codes=tuple(codes),
        )
        if selection.codes and not selection.only <= {Reason.ERROR, Reason.REJECT}:
            raise AwsError("--code goes with --only error or --only reject: other objects have no code")
        if selection.since and selection.until and selection.since >= selection.until:
            raise AwsError("--since is not before --until: nothing can lie between them")
        return selection

    @property
    def uri(self) -> str:
        """`s3://BUCKET/PREFIX`."""
        return f"s3://{self.bucket}/{self.prefix}"

    def skip(self, listed: Listed) -> Skip | None:
        """Why the listing alone is enough to leave the object out, if it is."""
        if is_folder(listed.ref(self.bucket)):
            return Skip.FOLDER
        if is_report(listed.ref(self.bucket)):
            return Skip.REPORT
        if self.suffixes and not listed.key.lower().endswith(tuple(s.lower() for s in self.suffixes)):
            return Skip.SUFFIX
        if (self.min_size is not None and listed.size < self.min_size) or (
            self.max_size is not None and listed.size > self.max_size
        ):
            return Skip.SIZE
        if (self.since and listed.last_modified < self.since) or (
            self.until and listed.last_modified >= self.until
        ):
            return Skip.DATE
        return Skip.ARCHIVED if listed.storage_class in ARCHIVES else None

    def to_json(self) -> dict[str, Any]:
        """As kept in a job's state. Without codes where there are none, so that jobs keep their names."""
        return {
            name: sorted(value)
            if isinstance(value, frozenset)
            else value.isoformat()
            if isinstance(value, datetime)
            else value
            for name, value in asdict(self).items()
            if name != "codes" or value
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Selection:
        """The inverse of `to_json`."""
        moments = {name: datetime.fromisoformat(stored[name]) for name in ("since", "until") if stored[name]}
        return cls(
            **dict(stored)
            | moments
            | {
                "suffixes": tuple(stored["suffixes"]),
                "codes": tuple(stored.get("codes", ())),
                "only": frozenset(map(Reason, stored["only"])),
            }
        )

    def job_id(self, place: str) -> str:
        """The same for the same selection in the same place, so that a command given again finds its job."""
        text = json.dumps([place, self.to_json()], sort_keys=True)
        return f"backfill-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def parse_source(text: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://BUCKET/PREFIX`.

    Raises:
        AwsError: it is not of that form.
    """
    found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", text, re.DOTALL)
    if not found:
        raise AwsError(
            f"{text!r} is not an S3 address: write s3://BUCKET/PREFIX, as in s3://portraits/emo/1x1/"
        )
    return found[1], found[2] or ""


def parse_size(text: str | None, option: str) -> int | None:
    """Bytes of `10KB`, `1.5 MiB`, `4096`.

    Raises:
        AwsError: it is no size.
    """
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if not found or found[2].lower() not in UNITS:
        raise AwsError(f"{option} {text!r} is not a size: write bytes, or 10KB, 2MB, 1GiB")
    return int(float(found[1]) * UNITS[found[2].lower()])


def utc(moment: datetime | None) -> datetime | None:
    """The moment, taken for UTC where it says nothing."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def stamp(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    return timestamp(moment.timestamp())
