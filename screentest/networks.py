"""The detectors' networks, as the command line starts them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from detection.vision.runtime import Network

_SMALLEST = "face_detection_full_range_sparse.tflite"


def prepare() -> None:
    """Open one network, so that missing weights are found at once, and in silence: once a process LiteRT says on the
    native standard error which delegate it uses, in the middle of a progress bar or a log.

    Raises:
        WeightsMissing: the installation is incomplete.
    """
    with _native_stderr_closed():
        Network(_SMALLEST)


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
