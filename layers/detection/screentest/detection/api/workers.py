"""Detectors on threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from screentest.detection.answer import Answer
from screentest.detection.detector import Detector
from screentest.detection.models import ModelSpec
from screentest.detection.pictures import Header


class Workers:
    """`size` detectors, each on a thread of its own, for any number of waiting threads.

    A server has a thread for each request in progress. If these decoded pictures themselves, the allocator would keep
    an arena of freed pixels for each of them.
    """

    def __init__(self, size: int, make: Callable[[], Detector] = Detector) -> None:
        self._size = size
        self._make = make
        self._made: list[Detector] = []
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="detector")

    def detect(self, data: bytes, model: ModelSpec, ratio: str) -> Answer:
        """As `Detector.detect`; waits for a free worker."""
        return self._threads.submit(self._detect, data, model, ratio).result()

    def probe(self, data: bytes) -> Header:
        """As `Detector.probe`; waits for a free worker."""
        return self._threads.submit(lambda: self._detector().probe(data)).result()

    def open(self) -> None:
        """Have every worker open its networks, and its decoder, before the first picture comes.

        Raises:
            WeightsMissing: the installation is incomplete.
            DecoderUnavailable: a decoder does not start.
        """
        ready = threading.Barrier(self._size)  # so that no worker takes another's turn

        def opened() -> None:
            ready.wait()
            self._detector().open()

        for future in [self._threads.submit(opened) for _ in range(self._size)]:
            future.result()

    def close(self) -> None:
        """Finish what was begun, and close the detectors."""
        self._threads.shutdown()
        for detector in self._made:
            detector.close()

    def _detect(self, data: bytes, model: ModelSpec, ratio: str) -> Answer:
        return self._detector().detect(data, model, ratio)

    def _detector(self) -> Detector:
        if not hasattr(self._own, "detector"):
            self._own.detector = self._make()
            self._made.append(self._own.detector)
        detector: Detector = self._own.detector
        return detector
