"""Detectors on threads or in processes of their own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from screentest.detection.answer import Answer
from screentest.detection.api.throttle import Busy
from screentest.detection.confined import ConfinedDetector
from screentest.detection.detector import Detector
from screentest.detection.errors import DecoderUnavailable
from screentest.detection.models import ModelSpec

logger = logging.getLogger(__name__)

REPLACED_SECONDS = 5.0
"""That a picture waits for a process that is being replaced; on a quiet machine 0.5."""


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

    def health(self) -> str:
        """`ok`: a thread cannot be replaced, and none ends by itself."""
        return "ok"

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


class WorkerProcesses:
    """`size` detectors, each in a process of its own, for any number of threads; for a server that lets no more than
    `size` pictures come at a time (`Limits.judging`).

    A picture that takes too long or too much ends its process, is answered as unreadable, and the process is replaced
    behind the answer. Nothing that a process does holds up the threads of this one.
    """

    def __init__(self, size: int, make: Callable[[], ConfinedDetector] = ConfinedDetector) -> None:
        self._all = [make() for _ in range(size)]
        self._idle: queue.LifoQueue[ConfinedDetector] = queue.LifoQueue()
        self._broken: set[ConfinedDetector] = set()
        self._closing = False

    def open(self) -> None:
        """Start every process.

        Raises:
            DecoderUnavailable: one does not start.
        """
        try:
            with ThreadPoolExecutor(len(self._all)) as pool:
                list(pool.map(ConfinedDetector.open, self._all))
        except DecoderUnavailable:
            self.close()
            raise
        for detector in self._all:
            self._idle.put(detector)

    def detect(self, data: bytes, model: ModelSpec, ratio: str) -> Answer:
        """As `ConfinedDetector.detect`."""
        try:
            detector = self._idle.get(timeout=REPLACED_SECONDS)
        except queue.Empty:
            raise Busy from None
        try:
            answer = detector.detect(data, model, ratio)
        except BaseException:
            if detector.pid is None and not self._closing:
                threading.Thread(target=self._replace, args=(detector,), daemon=True).start()
            else:
                self._idle.put(detector)
            raise
        self._broken.discard(detector)
        self._idle.put(detector)
        return answer

    def health(self) -> str:
        """`ok`, or what is wrong: a process that cannot be replaced, although the others go on."""
        return "a detector does not start" if self._broken else "ok"

    def close(self) -> None:
        """End the processes, whatever they do."""
        self._closing = True
        for detector in self._all:
            detector.close()

    def _replace(self, detector: ConfinedDetector) -> None:
        try:
            detector.open()
            self._broken.discard(detector)
        except DecoderUnavailable as error:
            self._broken.add(detector)
            logger.error("%s", error)  # noqa: TRY400 - the sentence says what to do, a traceback would bury it
        # Where it does not start, the next picture tries again and gets the error.
        self._idle.put(detector)
