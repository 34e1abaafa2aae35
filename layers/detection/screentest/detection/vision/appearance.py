"""How a part of a picture looks: EfficientNet-Lite0, which was trained to name a thousand kinds of things, without its
last layer; and linear layers of our own over what it sees: of the whole picture (training/people), of a person and the
hands (training/held), and of a face (training/face).

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


def whole(image: Image.Image) -> Region:
    """The whole picture, in the middle of a square."""
    width, height = image.size
    return Region(width / 2, height / 2, float(max(width, height)))


class PeopleHead:
    """One layer: is nobody in the picture (training/people). Log-odds, at even chances before the picture is seen."""

    def __init__(self) -> None:
        with np.load(weights_file("people_head.npz")) as data:
            self._nobody: Array = data["nobody"]

    def nobody(self, picture: Array) -> float:
        """By the features of the whole picture."""
        return float(self._nobody[:-1] @ picture + self._nobody[-1])


class HeldHead:
    """Two layers: is something large held, by the hands, and by person and torso.

    Log-odds, at even chances before the picture is seen.
    """

    def __init__(self) -> None:
        with np.load(weights_file("held_head.npz")) as data:
            self._layers: dict[str, Array] = {name: data[name] for name in data.files}

    def _odds(self, name: str, features: Array) -> float:
        return float(self._layers[f"{name}_weights"] @ features + self._layers[f"{name}_bias"])

    def by_hands(self, hands: Array) -> float:
        """By the features of both hands."""
        return self._odds("hands", hands)

    def by_body(self, person: Array, torso: Array) -> float:
        """By the features of the whole person and of the torso."""
        return self._odds("body", np.concatenate([person, torso]))


class FaceHeads:
    """Linear layers of our own over how a face and what is about it look, here and to the network for what covers a
    face (training/face).

    All answers are log-odds, at even chances before the picture is seen but for `covered`.
    """

    def __init__(self) -> None:
        with np.load(weights_file("face_heads.npz")) as data:
            self._layers: dict[str, Array] = {name: data[name] for name in data.files}

    def _odds(self, name: str, *features: Array) -> float:
        weights = self._layers[name]
        return float(weights[:-1] @ np.concatenate(features) + weights[-1])

    def glasses(self, face: Array) -> float:
        """That glasses are opaque, against clear and tinted ones, by the features of the face's region."""
        return self._odds("glasses", face)

    def covered_hint(self, occlusion: Array) -> float:
        """That something covers a part of the face, by `Occlusion.features` alone, which cost nothing."""
        return self._odds("covered_hint", occlusion)

    def covered(self, face: Array, occlusion: Array) -> float:
        """That something does, whatever it is, by both: of an ordinary picture."""
        return self._odds("covered", face, occlusion)

    def hand_hint(self, occlusion: Array) -> float:
        """That a hand is at the head, by `Occlusion.features` alone."""
        return self._odds("hand_hint", occlusion)

    def hand(self, face: Array, around: Array) -> float:
        """That one is, by the features of the face's region and of what is about it."""
        return self._odds("hand", face, around)

    def turned(self, face: Array) -> float:
        """That the head is turned by more than 35 degrees, against less than 20, by the features of the face's
        region."""
        return self._odds("turned", face)
