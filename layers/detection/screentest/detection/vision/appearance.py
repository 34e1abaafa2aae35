"""How a part of a picture looks: EfficientNet-Lite0, which was trained to name a thousand kinds of things, without its
last layer; and one linear layer of our own over what it sees of a person (training/held).

Pose networks see people only: what somebody holds is in features like these.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from screentest.detection.vision.crops import Region, cut
from screentest.detection.vision.runtime import Array, Network, weights_file

_SIZE = 224


class Appearance:
    """The network."""

    def __init__(self) -> None:
        self._network = Network("efficientnet_lite0_features.tflite")

    def __call__(self, image: Image.Image, region: Region) -> Array:
        """Features of `region` of `image`, `(2560,)`: mean, then maximum of each of 1280 channels."""
        pixels = cut(image, region, _SIZE, replicate=False)
        features: Array = self._network(pixels[None].astype(np.float32))[0][0]
        return features


class HeldHead:
    """Two layers: is something large held, by person and torso, and by the torso alone.

    Log-odds, at even chances before the picture is seen.
    """

    def __init__(self) -> None:
        with np.load(weights_file("held_head.npz")) as data:
            self._both: Array = data["both_weights"]
            self._torso: Array = data["torso_weights"]
            self._biases = float(data["both_bias"]), float(data["torso_bias"])

    def __call__(self, person: Array, torso: Array) -> float:
        """By the features of the whole person and of the torso."""
        return float(self._both @ np.concatenate([person, torso])) + self._biases[0]

    def by_torso(self, torso: Array) -> float:
        """By the features of the torso alone."""
        return float(self._torso @ torso) + self._biases[1]


class GlassesHead:
    """One linear layer of our own over how a face looks: opaque glasses against clear and tinted ones
    (training/face)."""

    def __init__(self) -> None:
        with np.load(weights_file("glasses_head.npz")) as data:
            self._weights: Array = data["weights"]
            self._bias = float(data["bias"])

    def __call__(self, features: Array) -> float:
        """Log-odds, at even chances before the picture is seen, by the features of the face's region."""
        return float(self._weights @ features) + self._bias
