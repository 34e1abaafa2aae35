"""How blurred a face is: a small network of our own over the sizes of its edges at four octaves (training/sharpness).

Sharp faces were shrunk, enlarged, defocused, shaken, denoised and compressed by known amounts; it learnt the amount.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from screentest.detection.vision.runtime import Array, weights_file

_PLACES = ((36, 100, 26, 102), (40, 68, 26, 102), (68, 100, 36, 92))
"""Rows and columns of the levelled face of 128 pixels: brows to mouth, the eyes, nose and mouth."""
_OCTAVES = (1, 2, 4, 8)
_SHARES = np.array([0.5, 0.9, 0.98])
_FLOOR = 0.25
"""Of 255: below, differences are rounding."""


def _averaged(values: Array, size: int) -> Array:
    """Means of `size` x `size` values, where all of them are inside."""
    sums = np.cumsum(np.pad(values, ((1, 0), (0, 0))), 0, dtype=np.float64)
    rows = (sums[size:] - sums[:-size]) / size
    sums = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), 1)
    return np.asarray((sums[:, size:] - sums[:, :-size]) / size, np.float32)


def _quantiles(values: Array) -> npt.NDArray[np.float64]:
    """At `_SHARES`, to the bit as `np.quantile` has them, which takes twice as long and imports `numpy.ma`."""
    ordered = np.sort(values, axis=None)
    at = _SHARES * (ordered.size - 1)
    below = at.astype(np.intp)
    low, high, part = ordered[below], ordered[np.minimum(below + 1, ordered.size - 1)], at - below
    step = high - low
    return np.where(part < 0.5, low + step * part, high - step * (1 - part))


def edges(face: Array) -> Array:
    """Of a levelled face, luma `(128, 128)`: logarithms of how large first and second differences are at each octave
    against those at the coarsest, by place and axis, `(150,)`."""
    out: list[npt.NDArray[np.float64]] = []
    for top, bottom, left, right in _PLACES:
        for axis in (0, 1):
            part = face[top:bottom, left:right] if axis == 0 else face[top:bottom, left:right].T
            sizes: list[npt.NDArray[np.float64]] = []
            for octave in _OCTAVES:
                y = _averaged(part, octave)
                first = np.abs(y[octave:] - y[:-octave])
                second = np.abs(y[2 * octave :] - 2 * y[octave:-octave] + y[: -2 * octave])
                sizes += [_quantiles(first), _quantiles(second)]
            logarithms = np.log(np.concatenate(sizes) + _FLOOR)
            coarsest = logarithms[-5:-4]
            out += [logarithms - coarsest, coarsest]
    return np.concatenate(out).astype(np.float32)


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
