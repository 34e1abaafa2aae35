"""What covers the main face. Looked at only where the head is near frontal; else every figure is `None`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screentest.detection import thresholds as t
from screentest.detection.evidence.head import Head
from screentest.detection.evidence.measurement import Room, measured
from screentest.detection.lazy import lazy
from screentest.detection.vision.crops import Points
from screentest.detection.vision.occlusion import Occlusion, OcclusionNet
from screentest.detection.vision.runtime import Array

# Mesh points: rings about the subject's right and left eye, and of the cheeks below them; the mouth.
_EYES = ((33, 159, 133, 145), (263, 386, 362, 374))
_CHEEKS = ((50, 101, 205, 187), (280, 330, 425, 411))
_MOUTH = (61, 291, 13, 14, 0, 17)


def _patch(values: Array, centre: Points, half: float) -> Array:
    """The values in a square about `centre` `(x, y)`, at least one."""
    height, width = values.shape
    x1, y1 = (int(min(max(v, 0), side - 1)) for v, side in zip(centre - half, (width, height), strict=True))
    x2, y2 = (int(min(max(v + 1, 1), side)) for v, side in zip(centre + half, (width, height), strict=True))
    return values[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)].ravel()


def _median(values: Array) -> float:
    """To the bit as `np.median` has it, which imports `numpy.ma`."""
    ordered = np.sort(values, axis=None)
    return float(np.mean(ordered[(ordered.size - 1) // 2 : ordered.size // 2 + 1]))


@dataclass(frozen=True, eq=False)
class Covering(Room):
    """Mask, sunglasses, objects; hands are in `hands`."""

    head: Head

    @lazy
    def occlusion(self) -> Occlusion | None:
        """By our own network."""
        if self.subject.mesh is None or not self.head.near_frontal:
            return None
        return self.networks.occlusion(self.picture.image, OcclusionNet.region(self.subject.mesh))

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

    @measured(frame="levelled face")
    def eye_shade(self) -> float | None:
        """Median luma below the eyes in parts of the cheeks': dark glasses reach there, shadow seldom does."""
        if self._levelled is None:
            return None
        points, y = self._levelled
        cheeks = np.concatenate([_patch(y, points[list(ring)].mean(0), 0.09 * 128) for ring in _CHEEKS])
        shades = []
        for ring in _EYES:
            eye = points[list(ring)]
            centre, width = eye.mean(0), float(np.ptp(eye[:, 0]))
            shades.append(_median(_patch(y, np.add(centre, (0, 0.25 * width)), 0.3 * width)))
        return float(np.mean(shades)) / max(_median(cheeks), 1.0)

    @measured(frame="main face")
    def sunglasses(self) -> float | None:
        """Probability of opaque glasses by our own network, held down where it is not dark below the eyes."""
        if self.occlusion is None or self.eye_shade is None:
            return None
        dark, light = t.EYE_SHADE
        shade = min(max((light - self.eye_shade) / (light - dark), 0.0), 1.0)
        return self.occlusion.sunglasses * (t.UNSHADED_WEIGHT + (1 - t.UNSHADED_WEIGHT) * shade)

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
        an eye or the mouth has less than a tenth of the face's contrast."""
        if self.occlusion is None or self.feature_contrast is None or self.sunglasses is None:
            return None
        named = self.occlusion.mask > t.MASK_MAX or self.sunglasses > t.SUNGLASSES_MAX
        return 1.0 if self.feature_contrast < t.FEATURE_CONTRAST_MIN and not named else self.occlusion.object
