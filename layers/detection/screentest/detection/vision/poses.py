"""Body pose: BlazePose's 33 points in two and three dimensions (256 x 256), where MoveNet and the face say that the
body is, by a linear layer of our own (training/poses); and its own detector (224 x 224) for bodies without a face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from screentest.detection.lazy import lazy
from screentest.detection.vision.bodies import Person
from screentest.detection.vision.crops import Points, Region, cut, letterbox
from screentest.detection.vision.runtime import Array, Network, sigmoid, weights_file
from screentest.detection.vision.ssd import Detection, anchors, decode

NOSE = 0
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = range(11, 17)
LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = range(23, 29)

_DETECTOR_SIZE = 224
_SIZE = 256
_ANCHORS = anchors((28, 2), (14, 2), (7, 6))
_REACH = 2.5
"""Side of the region in distances from mid hip to circle point: 2 x 1.25, as the network was trained."""
_DETECTED = 0.5
"""Lowest score of a detected body whose points are looked for."""
_NEAR = 1.4
"""Sides of MoveNet's box in the square in which a small body is looked for from near."""
CLIP = 4.0
"""Features of the region's layer are kept within so many standard deviations."""


def region_features(face: tuple[float, float, float, float], body: Person, size: tuple[int, int]) -> Array:
    """What the region's layer sees, `(97,)`, in face sizes from the face's centre: key points, their scores, both
    multiplied, MoveNet's box, the picture's edges."""
    x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    side = max(face[2] - face[0], face[3] - face[1])
    points = (body.points - [x, y]) / side
    box = (np.array(body.box) - [x, y, x, y]) / side
    edges = np.array([-x, -y, size[0] - x, size[1] - y]) / side
    return np.concatenate(
        [
            points.ravel(), body.scores, (points * body.scores[:, None]).ravel(), box,
            np.clip(edges, -12, 12), np.log1p(np.abs(edges)),
        ]
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pose:
    """One body.

    Attributes:
        points: `(33, 2)`, pixels of the working frame; may lie outside of it.
        visibility: `(33,)`, 0 to 1.
        world: `(33, 3)`, metres about the hips' middle, x right in the image, y down, z away from the viewer.
        presence: probability that there is a body.
    """

    points: Points
    visibility: Array
    world: Points
    presence: float


class PoseDetector:
    """Both networks and the layer; the detector is opened where a face or a body is missing, which is seldom."""

    _detector = lazy(lambda _: Network("pose_detection.tflite"))

    def __init__(self) -> None:
        self._network = Network("pose_landmark_points.tflite")
        with np.load(weights_file("pose_region.npz")) as data:
            self._layer: dict[str, Array] = {name: data[name] for name in data.files}

    def open(self) -> None:
        """Open the detector now.

        Raises:
            WeightsMissing: the installation is incomplete.
        """
        _ = self._detector

    def _find(self, image: Image.Image, region: Region | None = None) -> list[Detection]:
        """Bodies by their own detector; point 0 is the middle of the hips, point 1 lies on the body's circle."""
        if region is None:
            pixels, region = letterbox(image, _DETECTOR_SIZE, centred=True)
        else:
            pixels = cut(image, region, _DETECTOR_SIZE, replicate=False)
        boxes, logits = self._detector(pixels[None].astype(np.float32) / np.float32(127.5) - np.float32(1))
        return decode(boxes[0], logits[0, :, 0], _ANCHORS, _DETECTOR_SIZE, region, _DETECTED)

    def expected(
        self, face: tuple[float, float, float, float], body: Person, size: tuple[int, int]
    ) -> Region:
        """Where the points of MoveNet's `body` with that face box are looked for, in a picture of that `size`."""
        layer = self._layer
        seen = (region_features(face, body, size) - layer["mean"]) / layer["scale"]
        x, y, logarithm, sine, cosine = (
            float(v) for v in layer["weights"] @ np.clip(seen, -CLIP, CLIP) + layer["bias"]
        )
        side = max(face[2] - face[0], face[3] - face[1])
        centre = (face[0] + face[2]) / 2 + side * x, (face[1] + face[3]) / 2 + side * y
        return Region(*centre, side * math.exp(logarithm), math.atan2(sine, cosine))

    def detected(self, image: Image.Image, body: Person | None) -> Region | None:
        """Where the points of the body that the detector finds are looked for; a small one, that MoveNet found, is
        looked for from near."""
        found = self._find(image)
        if not found and body is not None:
            x1, y1, x2, y2 = body.box
            near = Region((x1 + x2) / 2, (y1 + y2) / 2, _NEAR * max(x2 - x1, y2 - y1))
            found = self._find(image, near)
        if not found:
            return None
        (x, y), (cx, cy) = found[0].points[0], found[0].points[1]
        angle = math.atan2(cx - x, y - cy)
        return Region(float(x), float(y), _REACH * math.hypot(cx - x, cy - y), angle)

    def __call__(self, image: Image.Image, region: Region) -> Pose:
        """The pose of the body in `region` of `image`."""
        pixels = cut(image, region, _SIZE, replicate=False)
        raw, presence, world = self._network(pixels[None].astype(np.float32) / np.float32(255), 0, 1, 2)
        marks = raw.reshape(39, 5)[:33]
        flat = region.to_picture(marks[:, :2] / np.float32(_SIZE))
        spatial = world.reshape(39, 3)[:33].copy()
        c, s = math.cos(region.angle), math.sin(region.angle)
        spatial[:, :2] = spatial[:, :2] @ np.array([[c, s], [-s, c]], np.float32)
        return Pose(flat, sigmoid(marks[:, 3]), spatial, float(presence.item()))
