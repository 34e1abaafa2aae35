"""How many requests may be at which stage. Refuses at once rather than queueing without end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from screentest.detection.api.addresses import network_of
from screentest.detection.errors import DetectionError


class Busy(DetectionError):
    """Every place at this stage is taken. On the wire: 429 `Throttling`."""


REFUSALS_A_SECOND = 32
"""For each so many refusals within a second whoever is refused is asked to stay away a second longer: refusing, too,
takes time from the detectors."""

MOST_SECONDS = 10
"""That anybody is asked to stay away."""

PASSED_SECONDS = 1.0
"""So long a picture that waits for memory is passed by smaller ones."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of one server process.

    Attributes:
        fetching: pictures being downloaded at a time. A download only waits, so there are many.
        fetching_from_one_host: of these, from one address, whatever its names and ports, so that a single slow image
            host leaves room.
        quick_seconds: a download that began so shortly ago counts as a picture that waits already: when places are few,
            it would else be made for nothing.
        waiting: downloaded pictures that wait for a detector or are being judged.
        held_bytes: of picture files in memory at a time, over all requests.
        decoding_bytes: of pictures being decoded at a time, as their headers promise; one that needs more is decoded
            alone. The largest legal WebP, and usual photos beside it.
        judging: pictures at the detectors at a time; `None` where whoever judges sees to that.
        patience: seconds that a downloaded picture waits for a detector.
    """

    fetching: int = 256
    fetching_from_one_host: int = 192
    waiting: int = 32
    quick_seconds: float = 0.5
    held_bytes: int = 96 * 1024 * 1024
    decoding_bytes: int = 512 * 1024 * 1024
    judging: int | None = None
    patience: float = 5.0

    @property
    def in_flight(self) -> int:
        """The most requests that can be at work; a server needs this many threads, and a few that say no."""
        return self.fetching + self.waiting


class Hosts:
    """Downloads by the address that they come from. Safe to use from any thread.

    Args:
        most: at a time from one.
    """

    def __init__(self, most: int = 192) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()

    @contextmanager
    def connected(self, address: str) -> Iterator[None]:
        """A place among the downloads from one address; of IPv6, from one network of 64 bits, which one host may have.

        Raises:
            Busy: none left.
        """
        host = network_of(address)
        with self._lock:
            if self._busy[host] >= self._most:
                raise Busy
            self._busy[host] += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[host] -= 1
                if not self._busy[host]:
                    del self._busy[host]


class Throttle:
    """Counts requests by stage. Safe to use from any thread.

    Each stage has places of its own: slow downloads never take a place from pictures that wait for a detector.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._fetching: dict[object, float] = {}
        self._waiting = 0
        self._held = 0
        self._refused = self._refused_before = 0
        self._second = 0
        self._judging = 0
        self._decoding = 0
        self._queue: dict[object, tuple[int, float]] = {}
        self._changed = threading.Condition(self._lock)

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """A place among the downloads.

        Raises:
            Busy: none left, or so many pictures wait for a detector that another would be refused after its download.
        """
        ticket = object()
        with self._lock:
            if len(self._fetching) >= self._limits.fetching or self._expected() >= self._limits.waiting:
                raise Busy
            self._fetching[ticket] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._fetching[ticket]

    @property
    def full(self) -> bool:
        """Whether another picture would be refused now."""
        with self._lock:
            return self._expected() >= self._limits.waiting or len(self._fetching) >= self._limits.fetching

    def refused(self) -> int:
        """Count a refusal; the seconds to stay away."""
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._refused_before = self._refused if second == self._second + 1 else 0
                self._second, self._refused = second, 0
            self._refused += 1
            most = max(self._refused, self._refused_before)
            return min(1 + most // REFUSALS_A_SECOND, MOST_SECONDS)

    def _expected(self) -> int:
        """Pictures that wait, and those that will in a moment."""
        since = time.monotonic() - self._limits.quick_seconds
        return self._waiting + sum(began > since for began in self._fetching.values())

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A place before the detectors.

        Raises:
            Busy: none left.
        """
        with self._lock:
            if self._waiting >= self._limits.waiting:
                raise Busy
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    @contextmanager
    def turn(self, size: int) -> Iterator[None]:
        """A detector, and memory for decoding a picture of `size` bytes. First come, first served, but a picture that
        does not fit beside those at work is passed for a while by smaller ones.

        Raises:
            Busy: none was free in time.
        """
        size, ticket = min(size, self._limits.decoding_bytes), object()
        with self._lock:
            self._queue[ticket] = size, time.monotonic()
            try:
                if not self._changed.wait_for(lambda: self._next() is ticket, self._limits.patience):
                    raise Busy
                self._judging += 1
                self._decoding += size
            finally:
                del self._queue[ticket]
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._lock:
                self._judging -= 1
                self._decoding -= size
                self._changed.notify_all()

    def _next(self) -> object | None:
        """Whose turn it is, if anybody's."""
        if self._limits.judging is not None and self._judging >= self._limits.judging:
            return None
        now = time.monotonic()
        for ticket, (size, since) in self._queue.items():
            if self._decoding + size <= self._limits.decoding_bytes:
                return ticket
            if now - since > PASSED_SECONDS:
                return None
        return None

    @contextmanager
    def holding(self) -> Iterator[Allowance]:
        """An allowance of picture bytes, given back in whole at the end."""
        allowance = Allowance(self)
        try:
            yield allowance
        finally:
            allowance.release()

    def _take(self, size: int) -> None:
        with self._lock:
            if self._held + size > self._limits.held_bytes:
                raise Busy
            self._held += size

    def _give(self, size: int) -> None:
        with self._lock:
            self._held -= size


class Allowance:
    """The bytes that one request holds."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._size = 0

    def take(self, size: int) -> None:
        """Account for `size` more bytes.

        Raises:
            Busy: the process holds too many.
        """
        self._throttle._take(size)
        self._size += size

    def release(self) -> None:
        """Give everything back."""
        self._throttle._give(self._size)
        self._size = 0
