"""Detectors and their networks, as the command line starts them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from screentest.detection.detector import Detector
from screentest.detection.errors import WeightsMissing
from screentest.detection.vision.runtime import WEIGHTS, Network

_SMALLEST = "face_detection_full_range_sparse.tflite"

FILES = (
    _SMALLEST,
    "face_landmarks_detector.tflite",
    "geometry_pipeline_metadata_landmarks.binarypb",
    "face_blendshapes.tflite",
    "face_occlusion.tflite",
    "movenet_multipose.tflite",
    "movenet_layers.npz",
    "scene_heads.npz",
    "face_blur.npz",
    "efficientnet_lite0_features.tflite",
    "held_head.npz",
    "face_heads.npz",
    "people_head.npz",
    "palm_detection_full.tflite",
    "hand_landmark_full.tflite",
    "pose_detection.tflite",
    "pose_region.npz",
    "pose_landmark_points.tflite",
)
"""What the detectors read, sooner or later."""


def prepare() -> None:
    """Look for the weights, so that missing ones are found at once, and open one network in silence: once a process
    LiteRT says on the native standard error which delegate it uses, in the middle of a progress bar or a log.

    Raises:
        WeightsMissing: the installation is incomplete.
    """
    for file in FILES:
        if not (WEIGHTS / file).is_file():
            raise WeightsMissing(WEIGHTS / file)
    with _native_stderr_closed():
        Network(_SMALLEST)


def detectors(decode_limit: int | None) -> Callable[[], Detector]:
    """What makes a detector: one that decodes in a process of its own, in `decode_limit` MB, where that is asked for.

    Raises:
        DecoderUnavailable: this system has no such limits.
    """
    if decode_limit is None:
        return Detector
    from screentest.detection.confined import ConfinedDecoder, check_platform

    check_platform()
    return lambda: Detector(ConfinedDecoder(decode_limit))


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
