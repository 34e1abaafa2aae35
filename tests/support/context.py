"""Lambda's context of an invocation."""

from __future__ import annotations

from collections.abc import Callable


class Context:
    """What the functions use of it.

    Args:
        remaining: seconds until the function is stopped.
    """

    aws_request_id = "lambda-request"

    def __init__(self, remaining: Callable[[], float] = lambda: 60.0) -> None:
        self._remaining = remaining

    def get_remaining_time_in_millis(self) -> int:
        return round(self._remaining() * 1000)
