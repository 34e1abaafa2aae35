"""Hands: palm detector (192 x 192), and 21 points with the presence of a hand (224 x 224)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from screentest.detection.vision.crops import Points, Region, cut
from screentest.detection.vision.runtime import Network
from screentest.detection.vision.ssd import Detection, anchors, decode

_DETECTOR_SIZE = 192
_SIZE = 224
_ANCHORS = anchors((24, 2), (12, 6))
_REACH = 2.6
_SHIFT = 0.5
"""Side of the region in palm boxes, and its shift towards the fingers in palm heights, as the network was trained."""


@dataclass(frozen=True, slots=True)
class Hand:
    """21 points `(x, y)` in pixels of the working frame; presence, 0 to 1."""

    points: Points
    presence: float


class HandDetector:
    """Both networks."""

    def __init__(self) -> None:
        self._detector = Network("palm_detection_full.tflite")
        self._network: Network | None = None

    def palms(self, image: Image.Image, region: Region, min_score: float) -> list[Detection]:
        """Palms in an upright region, best first; point 0 is the wrist, point 2 the middle finger's knuckle."""
        pixels = cut(image, region, _DETECTOR_SIZE, replicate=False)
        boxes, logits = self._detector(pixels[None].astype(np.float32) / np.float32(255))
        return decode(boxes[0], logits[0, :, 0], _ANCHORS, _DETECTOR_SIZE, region, min_score)

    def __call__(self, image: Image.Image, palm: Detection) -> Hand:
        """The hand of a detected palm."""
        if self._network is None:
            self._network = Network("hand_landmark_full.tflite")
        (wx, wy), (kx, ky) = palm.points[0], palm.points[2]
        angle = math.atan2(kx - wx, wy - ky)
        x, y = palm.centre
        shift = _SHIFT * palm.height
        region = Region(
            x + shift * math.sin(angle),
            y - shift * math.cos(angle),
            _REACH * max(palm.width, palm.height),
            angle,
        )
        raw, presence = self._network(
            cut(image, region, _SIZE)[None].astype(np.float32) / np.float32(255), 0, 1
        )
        points = region.to_picture(raw.reshape(21, 3)[:, :2] / np.float32(_SIZE))
        return Hand(points, float(presence.item()))
