"""Hands at the main face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from screentest.detection import thresholds as t
from screentest.detection.evidence.covering import Covering
from screentest.detection.evidence.measurement import Room, measured
from screentest.detection.lazy import lazy
from screentest.detection.vision.bodies import LEFT_WRIST, RIGHT_WRIST
from screentest.detection.vision.crops import Points, Region
from screentest.detection.vision.hands import Hand
from screentest.detection.vision.runtime import log_odds, probability


@dataclass(frozen=True, eq=False)
class Hands(Room):
    """Hands before and beside the face."""

    covering: Covering

    @lazy
    def _look(self) -> float | None:
        """Log-odds of a hand at the head by how the face and what is about it look; `None` where our own network's
        features give no hint of one, or the head is not near frontal."""
        covering, heads = self.covering, self.networks.face_heads
        seen = covering.in_detail
        if seen is None or heads.hand_hint(seen.features) < t.HAND_HINT:
            return None
        return heads.hand(covering.head.look, covering.head.look_around)

    @lazy
    def looked_at(self) -> list[Hand]:
        """What may be a hand about the head, found by palms. These cost more than all else about a face: they are
        looked for where a look does not rule hands out."""
        face = self.subject.face
        unlikely = self._look is None or self._look < t.HAND_UNLIKELY
        if face is None or (self.covering.in_detail is not None and unlikely):
            return []
        region = Region(*face.centre, t.HAND_REGION * max(face.width, face.height))
        image = self.picture.image
        palms = self.networks.hands.palms(image, region, t.PALM_SCORE_MIN)[: t.PALMS]
        return [self.networks.hands(image, palm) for palm in palms]

    @lazy
    def found(self) -> list[Hand]:
        """Hands about the head."""
        return [hand for hand in self.looked_at if hand.presence >= t.HAND_PRESENCE_MIN]

    def _distance(self, points: Points) -> float:
        """From the face's centre to the nearest of the points, in face sizes, along the axis where it is further."""
        face = self.subject.face
        assert face is not None
        return float(np.abs(points - face.centre).max(1).min()) / max(face.width, face.height)

    @lazy
    def wrist_distance(self) -> float:
        """From the face's centre to a wrist that is surely one, in face sizes; 9 without any."""
        face, body = self.subject.face, self.subject.body
        if face is None or body is None:
            return t.NO_HAND_DISTANCE
        sure = [wrist for wrist in (LEFT_WRIST, RIGHT_WRIST) if body.scores[wrist] >= t.KEYPOINT_MIN]
        far = min((math.dist(body.points[wrist], face.centre) for wrist in sure), default=math.inf)
        return min(far / max(face.width, face.height), t.NO_HAND_DISTANCE)

    @measured("face widths", frame="centre of the main face")
    def hand_distance(self) -> float | None:
        """From the face's centre to the nearest point of a hand, or to a wrist that is surely one; 9 without any."""
        if self.subject.face is None:
            return None
        return min([self.wrist_distance, *(self._distance(hand.points) for hand in self.found)])

    @lazy
    def surest_at_head(self) -> float:
        """Log-odds of the surest hand at the head among what palms led to."""
        odds = (
            log_odds(hand.presence) for hand in self.looked_at if self._distance(hand.points) < t.HAND_AT_HEAD
        )
        return max(-t.HAND_ODDS_MAX, min(t.HAND_ODDS_MAX, max(odds, default=-t.HAND_ODDS_MAX)))

    @measured(frame="main face")
    def hand_near_face(self) -> float | None:
        """Probability that a hand is at the head: how the face and what is about it look, the surest hand found there
        by its palm, and whether a hand or a wrist is so near, weighed together."""
        if self.covering.in_detail is None or self.hand_distance is None:
            return None
        w = t.HAND_WITNESSES
        look = t.HAND_LOOK_UNASKED if self._look is None else self._look
        near = self.hand_distance < t.HAND_AT_HEAD
        return probability(w.look * look + w.surest * self.surest_at_head + w.near * near + w.bias)
