"""How many requests may be at which stage. Refuses at once rather than queueing without end."""

from __future__ import annotations

import bisect
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from screentest.detection.api.addresses import network_of
from screentest.detection.errors import DetectionError


class Busy(DetectionError):
    """Every place at this stage is taken. On the wire: 429 `Throttling`."""


MOST_SECONDS = 30
"""Longest `Retry-After`."""

PICTURES_A_SECOND = 10
"""That a worker is thought to judge before it has judged some: those of one megapixel on half a core."""

WAITING_PER_WORKER = 8
"""Places before each worker: less than a second's work on a whole core."""

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
        waiting: downloaded pictures that wait for a detector or are being judged. While there are so many, no further
            request is let in; pictures whose download was begun are judged, in the order of their requests.
        held_bytes: of picture files in memory at a time, over all requests.
        decoding_bytes: of pictures being decoded at a time, as their headers promise; one that needs more is decoded
            alone. The largest legal picture.
        judging: pictures at the detectors at a time; `None` where the caller bounds them.
        patience: seconds that a downloaded picture waits for a detector.
    """

    fetching: int = 256
    fetching_from_one_host: int = 192
    waiting: int = 2 * WAITING_PER_WORKER
    quick_seconds: float = 0.5
    held_bytes: int = 96 * 1024 * 1024
    decoding_bytes: int = 384 * 1024 * 1024
    judging: int | None = None
    patience: float = 5.0

    @classmethod
    def of(cls, workers: int) -> Self:
        """Those of a server with so many workers."""
        return cls(waiting=WAITING_PER_WORKER * workers, judging=workers)

    @property
    def in_flight(self) -> int:
        """The most requests that are at work but for moments; a server needs about so many threads."""
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


@dataclass(slots=True, eq=False)
class _Ticket:
    """A picture that waits for a detector: when it was asked for, what decoding it takes, since when it waits."""

    asked: float
    size: int
    since: float = field(default_factory=time.monotonic)
    turn: threading.Event = field(default_factory=threading.Event)


class Throttle:
    """Counts requests by stage. Safe to use from any thread.

    Each stage has places of its own: slow downloads never take a place from pictures that wait for a detector.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._fetching: dict[object, float] = {}
        self._held = 0
        self._judging = 0
        self._decoding = 0
        self._queue: list[_Ticket] = []
        self._judged: deque[float] = deque(maxlen=4 * limits.waiting)
        self._appointment = 0.0

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """A place among the downloads.

        Raises:
            Busy: none left, or so many pictures wait for a detector that another would wait too long.
        """
        place = object()
        with self._lock:
            if self._full():
                raise Busy
            self._fetching[place] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._fetching[place]

    @property
    def full(self) -> bool:
        """Whether another picture would be refused now."""
        with self._lock:
            return self._full()

    def admit(self) -> None:
        """Let a picture in that needs no download.

        Raises:
            Busy: it would wait too long.
        """
        if self.full:
            raise Busy

    def refused(self) -> int:
        """`Retry-After` of a refusal now, seconds. Each has an appointment of its own, as many a second
        as pictures were judged lately: they come back one by one, find room, and in the order in which they came."""
        with self._lock:
            now = time.monotonic()
            seconds = now - self._judged[0] if self._judged else 1
            pace = max(len(self._judged) / max(seconds, 1), PICTURES_A_SECOND * (self._limits.judging or 1))
            latest = now + MOST_SECONDS
            self._appointment = min(max(self._appointment, now) + 1 / pace, latest)
            return math.ceil(self._appointment - now)

    def _full(self) -> bool:
        """Whether there are too many pictures that wait, are being judged, or will be here in a moment."""
        since = time.monotonic() - self._limits.quick_seconds
        soon = sum(began > since for began in self._fetching.values())
        expected = len(self._queue) + self._judging + soon
        return expected >= self._limits.waiting or len(self._fetching) >= self._limits.fetching

    @contextmanager
    def turn(self, size: int, asked: float) -> Iterator[None]:
        """A detector, and memory for decoding a picture of `size` bytes. First asked, first served, but a picture that
        does not fit beside those at work is passed for a while by smaller ones.

        Args:
            asked: when the request came, seconds of `time.monotonic`.

        Raises:
            Busy: none was free in time.
        """
        ticket = _Ticket(asked, min(size, self._limits.decoding_bytes))
        with self._lock:
            bisect.insort(self._queue, ticket, key=lambda each: each.asked)
            self._next()
        if not ticket.turn.wait(self._limits.patience):
            with self._lock:
                if not ticket.turn.is_set():
                    self._queue.remove(ticket)
                    self._next()
                    raise Busy
        try:
            yield
        finally:
            with self._lock:
                self._judging -= 1
                self._decoding -= ticket.size
                self._judged.append(time.monotonic())
                self._next()

    def _next(self) -> None:
        """Tell those whose turn it is."""
        now = time.monotonic()
        while ticket := self._fitting(now):
            self._queue.remove(ticket)
            self._judging += 1
            self._decoding += ticket.size
            ticket.turn.set()

    def _fitting(self, now: float) -> _Ticket | None:
        if self._limits.judging is not None and self._judging >= self._limits.judging:
            return None
        for ticket in self._queue:
            if self._decoding + ticket.size <= self._limits.decoding_bytes:
                return ticket
            if now - ticket.since > PASSED_SECONDS:
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
