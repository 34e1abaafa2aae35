"""Hands at the main face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from screentest.detection import thresholds as t
from screentest.detection.evidence.covering import Covering
from screentest.detection.evidence.measurement import Room, measured
from screentest.detection.lazy import lazy
from screentest.detection.vision.bodies import LEFT_WRIST, RIGHT_WRIST
from screentest.detection.vision.crops import Points, Region
from screentest.detection.vision.hands import Hand
from screentest.detection.vision.runtime import log_odds, probability

# Mesh points: outline of the face.
_OUTLINE: tuple[int, ...] = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)


def _inside(outline: Points, points: Points) -> npt.NDArray[np.bool_]:
    """Which `points` lie within the polygon `outline`: even-odd rule."""
    x, y = points[:, 0, None], points[:, 1, None]
    (ax, ay), (bx, by) = outline.T, np.roll(outline, 1, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return np.asarray(crossing.sum(1) % 2 == 1)


@dataclass(frozen=True, eq=False)
class Hands(Room):
    """Hands before and beside the face."""

    covering: Covering

    @lazy
    def found(self) -> list[Hand]:
        """Hands about the head, found by their palms."""
        face = self.subject.face
        if face is None:
            return []
        region = Region(*face.centre, t.HAND_REGION * max(face.width, face.height))
        image = self.picture.image
        palms = self.networks.hands.palms(image, region, t.PALM_SCORE_MIN)[: t.PALMS]
        hands = [self.networks.hands(image, palm) for palm in palms]
        return [hand for hand in hands if hand.presence >= t.HAND_PRESENCE_MIN]

    @lazy
    def _nearer_wrist(self) -> float:
        """From the face's centre to the nearer wrist in face sizes, however doubtful; 0 where no body is found."""
        face, body = self.subject.face, self.subject.body
        if face is None or body is None:
            return 0.0
        near = min(math.dist(wrist, face.centre) for wrist in body.points[[LEFT_WRIST, RIGHT_WRIST]])
        return near / max(face.width, face.height)

    @lazy
    def _network(self) -> tuple[float, float]:
        """What our own network says of a hand before the face, and of one at it; where it was not asked, the latter is
        likely enough to look."""
        occlusion = self.covering.in_detail
        return (occlusion.hand, occlusion.hand_near) if occlusion else (0.0, 1.0)

    @lazy
    def points_over_face(self) -> int:
        """How many points of a hand lie within the inner face."""
        mesh = self.subject.mesh
        # Palms cost more than all else about a face: they are looked for where the network sees a hint of a hand.
        if mesh is None or max(self._network) < t.HAND_HINT:
            return 0
        outline = mesh.points[list(_OUTLINE), :2]
        centre = outline.mean(0)
        inner = centre + t.INNER_FACE * (outline - centre)
        return max((int(_inside(inner, hand.points).sum()) for hand in self.found), default=0)

    @measured(frame="main face")
    def hand_over_face(self) -> float:
        """Probability that a hand covers a part of the face: our own network and how many points of a hand lie within
        the inner face, weighed together."""
        if self.subject.mesh is None:
            return 0.0
        w, limit = t.HAND_WITNESSES, t.NETWORK_ODDS_MAX
        network = min(max(log_odds(self._network[0]), -limit), limit)
        return probability(w.network * network + w.points * self.points_over_face + w.bias)

    @measured("face widths", frame="centre of the main face")
    def hand_distance(self) -> float | None:
        """From the face's centre to the nearest point of a hand, or to a wrist that is surely one; 9 without any."""
        face, body, occlusion = self.subject.face, self.subject.body, self.covering.in_detail
        if face is None:
            return None
        x, y = face.centre
        size = max(face.width, face.height)
        hinted = occlusion is None or occlusion.hand_near >= t.HAND_HINT
        hands = self.found if hinted or self._nearer_wrist <= t.WRIST_FAR else []
        distances = [float(np.abs(hand.points - (x, y)).max(1).min()) / size for hand in hands]
        if body is not None:
            for wrist in (LEFT_WRIST, RIGHT_WRIST):
                if body.scores[wrist] >= t.KEYPOINT_MIN:
                    distances.append(math.dist(body.points[wrist], (x, y)) / size)
        if occlusion is not None and occlusion.hand_near >= t.HAND_NEAR_SURE:
            distances.append(t.HAND_NEAR_DISTANCE)
        return min(distances, default=t.NO_HAND_DISTANCE)
