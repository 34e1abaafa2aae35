"""How blurred a face is: a small network of our own over the sizes of its edges at four octaves (training/sharpness).

Sharp faces were shrunk, enlarged, defocused, shaken, denoised and compressed by known amounts; it learnt the amount.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from screentest.detection.vision.runtime import Array, weights_file

_PLACES = ((36, 100, 26, 102), (40, 68, 26, 102), (68, 100, 36, 92))
"""Rows and columns of the levelled face of 128 pixels: brows to mouth, the eyes, nose and mouth."""
_OCTAVES = (1, 2, 4, 8)
_SHARES = np.array([0.5, 0.9, 0.98])
_FLOOR = 0.25
"""Of 255: below, differences are rounding."""


def _differences(face: Array) -> dict[tuple[int, int, int], Array]:
    """By octave, axis and order: how large first and second differences are between means of as many values a side."""
    out: dict[tuple[int, int, int], Array] = {}
    means, size = face, 1
    for octave in _OCTAVES:
        if octave > size:
            means = means[size:] + means[:-size]
            means = np.float32(0.25) * (means[:, size:] + means[:, :-size])
            size = octave
        for axis, values in enumerate((means, means.T)):
            first = values[octave:] - values[:-octave]
            second = first[octave:] - first[:-octave]
            for order, difference in enumerate((first, second), 1):
                out[octave, axis, order] = np.abs(difference if axis == 0 else difference.T)
    return out


@cache
def _between(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Which of `count` values in order lie below and above `_SHARES`, and how far in between these are."""
    at = _SHARES * (count - 1)
    below = at.astype(np.intp)
    return np.stack([below, np.minimum(below + 1, count - 1)]), at - below


def edges(face: Array) -> Array:
    """Of a levelled face, luma `(128, 128)`: logarithms of how large first and second differences are at each octave
    against those at the coarsest, by place and axis, `(150,)`."""
    differences = _differences(face)
    ends, parts = [], []
    for top, bottom, left, right in _PLACES:
        for axis in (0, 1):
            for octave in _OCTAVES:
                for order in (1, 2):
                    lost = [octave - 1, octave - 1]
                    lost[axis] += order * octave
                    part = differences[octave, axis, order][top : bottom - lost[0], left : right - lost[1]]
                    index, between = _between(part.size)
                    ends.append(np.sort(part, axis=None)[index])
                    parts.append(between)
    low, high = np.stack(ends, axis=1).astype(np.float64)
    sizes = low + (high - low) * np.stack(parts)
    logarithms = np.log(sizes.reshape(2 * len(_PLACES), -1) + _FLOOR)
    coarsest = logarithms[:, -5:-4]
    return np.concatenate([logarithms - coarsest, coarsest], 1).ravel().astype(np.float32)


class BlurNet:
    """The network."""

    def __init__(self) -> None:
        with np.load(weights_file("face_blur.npz")) as data:
            self._hidden: tuple[Array, Array] = data["hidden"], data["hidden_bias"]
            self._out: tuple[Array, Array] = data["out"], data["out_bias"]

    def __call__(self, face: Array) -> float:
        """Standard deviation of the blur in hundredths of the face's width, of a levelled face, luma `(128, 128)`."""
        hidden = np.maximum(edges(face) @ self._hidden[0] + self._hidden[1], 0)
        return math.exp(float((hidden @ self._out[0] + self._out[1]).item()))
