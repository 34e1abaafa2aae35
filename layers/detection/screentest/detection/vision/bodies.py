"""Persons: MoveNet MultiPose Lightning, up to six, with the seventeen COCO key points.

The longer side of the picture becomes 256 pixels; the shorter one is padded to the next multiple of 32, not to a
square.
Beside the persons the network hands out what its backbone saw of the picture as a whole, at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from screentest.detection.vision.crops import Points, fitted
from screentest.detection.vision.movenet import MoveNet
from screentest.detection.vision.runtime import Array
from screentest.detection.vision.ssd import overlap

NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = range(5)
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = range(5, 11)
LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = range(11, 17)

_SIZE = 256
_CELL = 32
_MAP_CELL = 4
"""Pixels a cell: of the backbone's last map, which the sides are multiples of, and of the maps of persons."""
_SAME = 0.6
"""Boxes that overlap by more are one person seen twice."""


@dataclass(frozen=True, slots=True)
class Person:
    """Box `(x1, y1, x2, y2)` and points `(17, 2)` in pixels of the working frame, each point with its score."""

    box: tuple[float, float, float, float]
    score: float
    points: Points
    scores: Array

    @property
    def height(self) -> float:
        """Of the box, pixels of the working frame."""
        return self.box[3] - self.box[1]

    @property
    def head_score(self) -> float:
        """Best score of nose, eyes and ears."""
        return float(self.scores[:5].max())

    @property
    def head(self) -> tuple[float, float]:
        """Score-weighted mean of nose, eyes and ears, pixels of the working frame."""
        weights = self.scores[:5] + 1e-6
        x, y = np.average(self.points[:5], axis=0, weights=weights)
        return float(x), float(y)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Persons, best first, and the backbone's last map over the picture, `(2560,)`: mean, then maximum of each of its
    1280 channels."""

    persons: list[Person]
    features: Array


class BodyDetector:
    """The network."""

    def __init__(self) -> None:
        self._network = MoveNet()

    def open(self) -> None:
        """Get ready for a square picture now instead of with the first one."""
        self._network.fit(_SIZE, _SIZE)

    def __call__(self, image: Image.Image, min_score: float) -> Scene:
        """The scene, with persons of score `min_score` or more."""
        pixels, cells = fitted(image, _SIZE, _CELL)
        found, features = self._network(pixels, cells, min_score)
        step = np.float32(_MAP_CELL * max(image.size) / _SIZE)
        people: list[Person] = []
        for i in np.argsort(-found.scores):
            if found.scores[i] < min_score:
                break
            y1, x1, y2, x2 = (found.boxes[i] * step).tolist()
            box = (x1, y1, x2, y2)
            if all(overlap(box, other.box) <= _SAME for other in people):
                points = found.points[i, :, ::-1] * step
                people.append(Person(box, float(found.scores[i]), points, found.point_scores[i]))
        return Scene(people, features)
