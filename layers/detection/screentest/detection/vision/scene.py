"""What a picture shows as a whole: one linear layer of our own over MoveNet's pooled features (training/scene).

The features are there anyway; a layer of five rows is a matrix, not worth an interpreter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screentest.detection.vision.runtime import Array, weights_file


@dataclass(frozen=True, slots=True)
class SceneOdds:
    """Log-odds, each by itself, at even chances before the picture is seen: above 0 rather yes.

    `several` people; `nobody`; the person seen from the `back`, the body `side`-on; `seated`, squatting or lying.
    """

    several: float
    nobody: float
    back: float
    side: float
    seated: float


class SceneHeads:
    """The layer."""

    def __init__(self) -> None:
        with np.load(weights_file("scene_heads.npz")) as data:
            self._questions: list[str] = data["questions"].tolist()
            self._weights: Array = data["weights"]
            self._bias: Array = data["bias"]

    def __call__(self, features: Array) -> SceneOdds:
        """Of a picture by its `Scene.features`."""
        odds = self._weights @ features + self._bias
        return SceneOdds(**dict(zip(self._questions, odds.tolist(), strict=True)))
