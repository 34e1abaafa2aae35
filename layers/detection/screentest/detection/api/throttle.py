"""How many requests may be at which stage. Refuses at once rather than queueing without end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from screentest.detection.errors import DetectionError


class Busy(DetectionError):
    """Every place at this stage is taken. On the wire: 429 `Throttling`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of one server process.

    Attributes:
        fetching: pictures being downloaded at a time. A download only waits, so there are many.
        fetching_from_one_host: of these, from one host and port, so that a single slow image host leaves room.
        waiting: downloaded pictures that wait for a detector or are being judged.
        held_bytes: of picture files in memory at a time, over all requests.
        decoding_bytes: of pictures being decoded at a time, as their headers promise; one that needs more is decoded
            alone. A server of two workers stays near 1 GB with the largest legal pictures.
    """

    fetching: int = 256
    fetching_from_one_host: int = 192
    waiting: int = 32
    held_bytes: int = 256 * 1024 * 1024
    decoding_bytes: int = 512 * 1024 * 1024

    @property
    def in_flight(self) -> int:
        """The most requests that can be at work; a server needs this many threads, and a few that say no."""
        return self.fetching + self.waiting


class Throttle:
    """Counts requests by stage. Safe to use from any thread.

    Each stage has places of its own: slow downloads never take a place from pictures that wait for a detector.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._fetching = 0
        self._hosts: Counter[tuple[str, int]] = Counter()
        self._waiting = 0
        self._held = 0
        self._turn = threading.Lock()
        self._decoding = 0
        self._decoded = threading.Condition(self._lock)

    @contextmanager
    def fetching(self, host: str, port: int) -> Iterator[None]:
        """A place among the downloads.

        Raises:
            Busy: none left, none left for this host, or so many pictures wait for a detector that another would be
                refused after its download.
        """
        key = (host, port)
        with self._lock:
            if (
                self._fetching >= self._limits.fetching
                or self._hosts[key] >= self._limits.fetching_from_one_host
                or self._waiting >= self._limits.waiting
            ):
                raise Busy
            self._fetching += 1
            self._hosts[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._fetching -= 1
                self._hosts[key] -= 1
                if not self._hosts[key]:
                    del self._hosts[key]

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
    def decoding(self, size: int) -> Iterator[None]:
        """Memory for decoding a picture of `size` bytes, waited for in order of arrival."""
        size = min(size, self._limits.decoding_bytes)
        with self._turn, self._lock:
            self._decoded.wait_for(lambda: self._decoding + size <= self._limits.decoding_bytes)
            self._decoding += size
        try:
            yield
        finally:
            with self._lock:
                self._decoding -= size
                self._decoded.notify()

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
