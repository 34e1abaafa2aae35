"""Which pixels are a person: selfie segmentation (256 x 256, the picture stretched)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from detection.vision.runtime import Array, Network

_SIZE = 256


class Segmentation:
    """The network."""

    def __init__(self) -> None:
        self._network = Network("selfie_segmentation.tflite")

    def __call__(self, image: Image.Image, box: tuple[float, float, float, float] | None = None) -> Array:
        """Probability of a person, 256 x 256 over `box` (`x1, y1, x2, y2`, inside the frame) or the whole picture."""
        small = image.resize((_SIZE, _SIZE), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
        return self._network(np.asarray(small)[None].astype(np.float32) / np.float32(255))[0][0, :, :, 0]
