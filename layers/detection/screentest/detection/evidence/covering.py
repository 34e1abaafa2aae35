"""What covers the main face. Without a face every figure is `None`; some are where the head is not near frontal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screentest.detection import thresholds as t
from screentest.detection.evidence.head import Head
from screentest.detection.evidence.measurement import Room, measured
from screentest.detection.lazy import lazy
from screentest.detection.vision.crops import Points
from screentest.detection.vision.occlusion import Occlusion, OcclusionNet
from screentest.detection.vision.runtime import Array, log_odds, probability

# Mesh points: rings about the subject's right and left eye; the mouth.
_EYES = ((33, 159, 133, 145), (263, 386, 362, 374))
_MOUTH = (61, 291, 13, 14, 0, 17)


def _patch(values: Array, centre: Points, half: float) -> Array:
    """The values in a square about `centre` `(x, y)`, at least one."""
    height, width = values.shape
    x1, y1 = (int(min(max(v, 0), side - 1)) for v, side in zip(centre - half, (width, height), strict=True))
    x2, y2 = (int(min(max(v + 1, 1), side)) for v, side in zip(centre + half, (width, height), strict=True))
    return values[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)].ravel()


@dataclass(frozen=True, eq=False)
class Covering(Room):
    """Mask, sunglasses, objects; hands are in `hands`."""

    head: Head

    @lazy
    def occlusion(self) -> Occlusion | None:
        """By our own network, however the head is turned: masks and sunglasses show from the side as well."""
        if self.subject.mesh is None:
            return None
        return self.networks.occlusion(self.picture.image, OcclusionNet.region(self.subject.mesh))

    @property
    def in_detail(self) -> Occlusion | None:
        """Of a head that is near frontal, for hands and things: turned away, bare cheeks read like them."""
        return self.occlusion if self.head.near_frontal else None

    @lazy
    def _levelled(self) -> tuple[Points, Array] | None:
        """The mesh's points and the luma in the levelled face's crop, 128 x 128."""
        if self.subject.mesh is None or self.head.close_up is None or not self.head.near_frontal:
            return None
        region, values = self.head.close_up
        return region.from_picture(self.subject.mesh.points) * 128, values

    @measured(frame="main face")
    def mask(self) -> float | None:
        """Probability of a mask or cloth over mouth and nose by our own network (docs/training.md)."""
        return None if self.occlusion is None else self.occlusion.mask

    @measured(frame="main face")
    def sunglasses(self) -> float | None:
        """Probability of opaque glasses: our own network for what covers a face and, where it sees a hint of them, how
        the face looks to a network that names things, weighed together."""
        if self.occlusion is None:
            return None
        seen = self.occlusion.sunglasses
        if seen < t.SUNGLASSES_HINT:
            return seen
        w = t.SUNGLASSES_WITNESSES
        limit = t.NETWORK_ODDS_MAX
        network = min(max(log_odds(seen), -limit), limit)
        return probability(
            w.network * network + w.appearance * self.networks.face_heads.glasses(self.head.look) + w.bias
        )

    @measured(frame="main face")
    def covered(self) -> float | None:
        """Probability that something covers a part of the face, whatever it is: hands, cups, phones, masks, chin bars,
        or the end of a cut-out. By layers of our own on our own network's features and, where those give a hint, on how
        the face looks to a network that names things."""
        seen, yaw, heads = self.occlusion, self.head.yaw, self.networks.face_heads
        # Whatever the tilt, as the region is level: of 46 tilted heads, which training saw none of, two of the three
        # covered ones are found and none of the others is called so. What is too dark to be seen is no cover.
        if seen is None or yaw is None or yaw >= t.YAW_MAX or self.head.brightness < t.BRIGHTNESS_MIN:
            return None
        hint = heads.covered_hint(seen.features)
        if hint < t.COVERED_HINT:
            return probability(hint + t.COVERED_RARE)
        return probability(heads.covered(self.head.look, seen.features))

    @measured(frame="levelled face")
    def feature_contrast(self) -> float | None:
        """Spread of the luma at the emptiest of eyes and mouth, in parts of the whole face's.

        A bar or a sticker of one colour is nothing that the network was shown.
        """
        if self._levelled is None:
            return None
        points, y = self._levelled
        spreads = []
        for ring, reach in (*((ring, 0.35) for ring in _EYES), (_MOUTH, 0.3)):
            place = points[list(ring)]
            spreads.append(float(_patch(y, place.mean(0), reach * float(np.ptp(place[:, 0]))).std()))
        return min(spreads) / max(float(y[21:107, 21:107].std()), 1.0)

    @measured(frame="main face")
    def object_over_face(self) -> float | None:
        """Probability of something other than mask, sunglasses and hands before the face by our own network; 1 where
        an eye or the mouth of a lit face has less than a tenth of the face's contrast."""
        seen = self.in_detail
        if seen is None or self.feature_contrast is None or self.sunglasses is None:
            return None
        named = seen.mask > t.MASK_MAX or self.sunglasses > t.SUNGLASSES_MAX
        # In the dark nothing has contrast.
        empty = self.feature_contrast < t.FEATURE_CONTRAST_MIN and self.head.brightness >= t.BRIGHTNESS_MIN
        return 1.0 if empty and not named else seen.object
