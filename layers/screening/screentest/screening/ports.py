"""What the use case needs from the outside; the adapters are `client`, `presign`, `table`, `objects`, `topic` and
`telemetry`. Those that reach AWS raise `StoreUnavailable` when it does not answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from screentest.screening.contract import Decision
from screentest.screening.errors import ScreeningError
from screentest.screening.models import ObjectRef, Screening
from screentest.screening.notices import Notice
from screentest.screening.objects import ObjectMetadata
from screentest.screening.records import Record
from screentest.screening.tags import Tags


class Detector(Protocol):
    """Something that judges pictures; `client.DetectionClient` is one."""

    def detect(self, image_url: str, model: str, ratio: str | None = None) -> Decision:
        """The verdict, or a `DetectorError`."""
        ...


class Signer(Protocol):
    """See `presign.Signer`."""

    def sign(self, ref: ObjectRef) -> str:
        """A short-lived address."""
        ...

    def is_refused(self, ref: ObjectRef) -> bool:
        """Whether such addresses are refused although we may read the object ourselves."""
        ...


class Table(Protocol):
    """See `table.VerdictTable`."""

    def create(self, record: Record) -> Record | None:
        """Write if absent; None, or what is there."""
        ...

    def replace(self, record: Record, seen: Record) -> bool:
        """Write over exactly what was seen."""
        ...

    def note(self, record: Record, **attributes: str) -> bool:
        """Add to a decided record."""
        ...

    def get(self, key: Mapping[str, str]) -> Record | None:
        """Read consistently."""
        ...

    def overdue(self, now: float) -> Iterator[Record]:
        """What is pending although no message is left to decide it."""
        ...


class Objects(Protocol):
    """See `objects.Objects`. All raise `ObjectGone` and `AccessDenied`."""

    def head(self, ref: ObjectRef) -> ObjectMetadata:
        """What is there now."""
        ...

    def read(self, ref: ObjectRef) -> ObjectMetadata:
        """The same by reading the content."""
        ...

    def tags(self, ref: ObjectRef) -> Tags:
        """All tags."""
        ...

    def write_tags(self, ref: ObjectRef, tags: Mapping[str, str]) -> None:
        """Replace all tags."""
        ...


class Topic(Protocol):
    """See `topic.Topic`."""

    def publish(self, notice: Notice) -> None:
        """Send a notice to the topic."""
        ...


class Telemetry(Protocol):
    """See `telemetry.Telemetry`."""

    def screened(self, record: Record, *, fresh: bool) -> None:
        """A record is decided: by this delivery, or before."""
        ...

    def failed(self, ref: ObjectRef, screening: Screening | None, error: ScreeningError) -> None:
        """A screening could not be decided this time."""
        ...

    def ignored(self, ref: ObjectRef, why: str) -> None:
        """Nothing to screen."""
        ...
