"""What lies over a face: a network of our own (128 by 128), trained by `training/occlusion`.

Landmarks cannot tell: a mesh fits a masked face as surely as a bare one. How well this network sees, kind by kind and
on which pictures, is in `docs/training.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from screentest.detection.vision.crops import Region, cut
from screentest.detection.vision.mesh import FaceMesh, Mesh
from screentest.detection.vision.runtime import Array, Network, sigmoid

_SIZE = 128
_REACH = 2.0
"""Side of the crop in mesh extents, as trained: the head with its hair and chin, and a hand beside it."""
_MESH_REACH = 1.5
"""What `FaceMesh.closer` puts around the same extent."""


@dataclass(frozen=True, slots=True, eq=False)
class Occlusion:
    """Probabilities, each by itself: a face may wear a mask and sunglasses and have a hand before it.

    `sunglasses` are opaque; clear and faintly tinted glasses are not. `hand` and `object` cover a part between brows
    and mouth; `hand_near` touches the head or is right beside it. `hair` covers an eye. `features`, `(320,)`, is what
    the last layer makes them from, of the face as it stands: mean, then maximum of 160 channels.
    """

    mask: float
    sunglasses: float
    hand: float
    object: float
    hair: float
    hand_near: float
    features: Array = field(repr=False)


class OcclusionNet:
    """The network."""

    def __init__(self) -> None:
        self._network = Network("face_occlusion.tflite")

    @staticmethod
    def region(mesh: Mesh) -> Region:
        """Where the network looks: around the mesh's points, eyes level."""
        close = FaceMesh.closer(mesh)
        return Region(close.x, close.y, close.side * _REACH / _MESH_REACH, close.angle)

    def __call__(self, image: Image.Image, region: Region) -> Occlusion:
        """Judge the face in `region` of `image` (RGB), best the picture at full resolution."""
        pixels = cut(image, region, _SIZE, replicate=False).astype(np.float32)
        mirrored = np.ascontiguousarray(pixels[:, ::-1])
        # The mirrored face is a second opinion for half a millisecond: what both see is there.
        logits, features = self._network(pixels[None])
        logits = (logits[0] + self._network(mirrored[None], 0)[0][0]) / 2
        # The seventh output, the blur, only helped to train.
        mask, sunglasses, hand, thing, hair, hand_near = (float(p) for p in sigmoid(logits[:6]))
        return Occlusion(mask, sunglasses, hand, thing, hair, hand_near, features[0])
