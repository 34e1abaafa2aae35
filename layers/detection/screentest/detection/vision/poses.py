"""Body pose: BlazePose, its own detector (224 x 224) and 33 points in two and three dimensions (256 x 256)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from screentest.detection.vision.crops import Points, Region, cut, letterbox
from screentest.detection.vision.runtime import Array, Network, sigmoid
from screentest.detection.vision.ssd import Detection, anchors, decode

NOSE = 0
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = range(11, 17)
LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = range(23, 29)

_DETECTOR_SIZE = 224
_SIZE = 256
_ANCHORS = anchors((28, 2), (14, 2), (7, 6))
_REACH = 2.5
"""Side of the region in distances from mid hip to circle point: 2 x 1.25, as the network was trained."""


@dataclass(frozen=True, slots=True)
class Pose:
    """One body.

    Attributes:
        points: `(33, 2)`, pixels of the working frame; may lie outside of it.
        visibility: `(33,)`, 0 to 1.
        world: `(33, 3)`, metres about the hips' middle, x right in the image, y down, z away from the viewer.
    """

    points: Points
    visibility: Array
    world: Points


class PoseDetector:
    """Both networks."""

    def __init__(self) -> None:
        self._detector = Network("pose_detection.tflite")
        self._network = Network("pose_landmark_points.tflite")

    def find(self, image: Image.Image, min_score: float, region: Region | None = None) -> list[Detection]:
        """Bodies by their own detector; point 0 is the middle of the hips, point 1 lies on the body's circle."""
        if region is None:
            pixels, region = letterbox(image, _DETECTOR_SIZE, centred=True)
        else:
            pixels = cut(image, region, _DETECTOR_SIZE, replicate=False)
        boxes, logits = self._detector(pixels[None].astype(np.float32) / np.float32(127.5) - np.float32(1))
        return decode(boxes[0], logits[0, :, 0], _ANCHORS, _DETECTOR_SIZE, region, min_score)

    @staticmethod
    def region(body: Detection) -> Region:
        """Where the points of a detected body are looked for."""
        (x, y), (cx, cy) = body.points[0], body.points[1]
        angle = math.atan2(cx - x, y - cy)
        return Region(float(x), float(y), _REACH * math.hypot(cx - x, cy - y), angle)

    def __call__(self, image: Image.Image, region: Region) -> Pose:
        """The pose of the body in `region` of `image`."""
        pixels = cut(image, region, _SIZE, replicate=False)
        raw, world = self._network(pixels[None].astype(np.float32) / np.float32(255), 0, 2)
        marks = raw.reshape(39, 5)[:33]
        flat = region.to_picture(marks[:, :2] / np.float32(_SIZE))
        spatial = world.reshape(39, 3)[:33].copy()
        c, s = math.cos(region.angle), math.sin(region.angle)
        spatial[:, :2] = spatial[:, :2] @ np.array([[c, s], [-s, c]], np.float32)
        return Pose(flat, sigmoid(marks[:, 3]), spatial)
