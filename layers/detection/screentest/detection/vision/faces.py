"""Faces: BlazeFace, full range, sparse (192 x 192), with six key points."""

from __future__ import annotations

import numpy as np
from PIL import Image

from screentest.detection.vision.crops import Region, cut, letterbox
from screentest.detection.vision.runtime import Kernels, Network
from screentest.detection.vision.ssd import Detection, anchors, decode

RIGHT_EYE, LEFT_EYE, NOSE, MOUTH, RIGHT_EAR, LEFT_EAR = range(6)

_SIZE = 192
_ANCHORS = anchors((48, 1))


class FaceDetector:
    """Finds faces down to about 0.05 of the longer side; smaller ones in a `region` of it."""

    def __init__(self) -> None:
        self._network = Network("face_detection_full_range_sparse.tflite")

    @property
    def kernels(self) -> Kernels:
        """What runs the network."""
        return self._network.kernels

    def __call__(self, image: Image.Image, min_score: float, region: Region | None = None) -> list[Detection]:
        """Faces of score `min_score` or more, best first, in the frame of `image`, whose axes all boxes follow."""
        if region is None:
            pixels, region = letterbox(image, _SIZE, centred=True)
        else:
            pixels = cut(image, region, _SIZE, replicate=False)
        boxes, logits = self._network(pixels[None].astype(np.float32) / np.float32(127.5) - np.float32(1))
        return decode(boxes[0], logits[0, :, 0], _ANCHORS, _SIZE, region, min_score)
