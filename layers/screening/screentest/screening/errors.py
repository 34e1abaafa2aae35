"""Everything that can go wrong, in one tree. `outcomes` maps each to what is done about it.

ScreeningError
├── SettingsError            an environment variable is missing or malformed
├── UnreadableEvent          nothing in the message names an object
├── DetectorError            the detector gave no verdict
│   ├── ConfigurationError   key, account, quota or model: no retry helps, a person must act
│   ├── Throttled            too many requests
│   ├── Unavailable          5xx, time-out, broken connection, not JSON, not this contract
│   │   └── BreakerOpen      not called, because it was just found dead
│   └── PictureUnreadable    the detector cannot fetch or read the picture
├── ObjectError
│   ├── ObjectGone           deleted or overwritten meanwhile
│   ├── AccessDenied         we, or our signed addresses, may not read or tag it
│   └── ObjectUnreadable     no permission and no wait would let us read it
│       ├── ObjectArchived   S3 Glacier
│       └── ObjectEncrypted  SSE-C: only its owner has the key
├── StoreUnavailable         table, bucket or topic did not answer as they should
├── Busy                     another delivery of the same upload is at work
├── OutOfTime                the function would be stopped before the detector answers
└── Crashed                  every attempt died without a word
"""

from __future__ import annotations

from typing import Self


class ScreeningError(Exception):
    """Root of the tree.

    Attributes:
        code: what verdicts, tags and messages call it.
        message: one sentence for a person; never holds a signed address, a key or a picture.
        retry_after: seconds to wait at least, where the server gave a time.
    """

    code = "InternalError"
    retry_after: float | None = None

    def __init__(self, message: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if retry_after is not None:
            self.retry_after = retry_after


class SettingsError(ScreeningError):
    """An environment variable is missing or malformed."""

    code = "InvalidSettings"


class UnreadableEvent(ScreeningError):
    """Nothing in the message names an object."""

    code = "UnreadableEvent"


class DetectorError(ScreeningError):
    """The detector gave no verdict.

    Attributes:
        status: HTTP status of the answer, 0 where there was none.
        request_id: the detector's, where it sent one.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after: float | None = None,
        status: int = 0,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.status = status
        self.request_id = request_id


class ConfigurationError(DetectorError):
    """Key, account, quota or model: no retry helps, a person must act."""


class Throttled(DetectorError):
    """Too many requests."""

    code = "Throttling"


class Unavailable(DetectorError):
    """5xx, time-out, broken connection, not JSON, not this contract."""

    code = "ServiceUnavailable"


class BreakerOpen(Unavailable):
    """Not called, because it was just found dead."""


class PictureUnreadable(DetectorError):
    """The detector cannot fetch or read the picture: the picture's fault, or that of the way to it."""

    code = "InvalidURL"


class ObjectError(ScreeningError):
    """The object itself is out of reach."""


class ObjectGone(ObjectError):
    """Deleted or overwritten meanwhile."""

    code = "ObjectGone"


class AccessDenied(ObjectError):
    """We, or our signed addresses, may not read or tag the object."""

    code = "AccessDenied"


class ObjectUnreadable(ObjectError):
    """No permission and no wait would let us read the object."""


class ObjectArchived(ObjectUnreadable):
    """In an archive of S3 Glacier, not restored."""

    code = "ObjectArchived"


class ObjectEncrypted(ObjectUnreadable):
    """Encrypted with a key that only its owner has (SSE-C)."""

    code = "ObjectEncrypted"


class StoreUnavailable(ScreeningError):
    """Table, bucket or topic did not answer as they should."""

    code = "StoreUnavailable"

    @classmethod
    def of(cls, what: str, error: Exception) -> Self:
        """The failure of a call to AWS: `what` went wrong, and AWS's code, or the kind of error where it gave none."""
        response = getattr(error, "response", None) or {}
        return cls(f"{what}: {response.get('Error', {}).get('Code') or type(error).__name__}")


class Busy(ScreeningError):
    """Another delivery of the same upload is at work; `retry_after` says until when at most."""

    code = "Busy"


class OutOfTime(ScreeningError):
    """The function would be stopped before the detector answers."""

    code = "OutOfTime"


class Crashed(ScreeningError):
    """Every attempt died without a word: out of memory, out of time, or a crash of native code."""

    code = "Crashed"
