"""The one map from what went wrong to what is done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from screentest.screening import errors


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an error leads to.

    Attributes:
        retried: the message goes back to the queue; only its last attempts record the error.
        recorded: recorded and notified at once although it is retried: a person should know before hours have passed.
        dead_lettered: recorded at once, and the message moves to the dead-letter queue for `screentest redrive`.
        trips: evidence against the detector's health, so the breaker counts it.
    """

    retried: bool = False
    recorded: bool = False
    dead_lettered: bool = False
    trips: bool = False


_RETRY: Final = Outcome(retried=True)

OUTCOMES: Final[dict[type[errors.ScreeningError], Outcome]] = {
    errors.ConfigurationError: Outcome(dead_lettered=True),
    errors.Throttled: _RETRY,
    errors.Unavailable: Outcome(retried=True, trips=True),
    errors.BreakerOpen: _RETRY,
    errors.PictureUnreadable: _RETRY,
    errors.ObjectGone: Outcome(),
    errors.AccessDenied: Outcome(retried=True, recorded=True),
    errors.ObjectUnreadable: Outcome(dead_lettered=True),
    errors.StoreUnavailable: _RETRY,
    errors.Busy: _RETRY,
    errors.OutOfTime: _RETRY,
    errors.Crashed: Outcome(dead_lettered=True),
    errors.UnreadableEvent: _RETRY,
    errors.SettingsError: _RETRY,
}


def outcome(error: BaseException) -> Outcome:
    """The row of the nearest class; an exception that is not ours is a defect, and retried."""
    for kind in type(error).__mro__:
        if kind in OUTCOMES:
            return OUTCOMES[kind]
    return _RETRY
