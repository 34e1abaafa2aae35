"""MoveNet MultiPose Lightning, in two parts (training/movenet).

A network in eight bits goes from pixels to maps, a cell for every four pixels: where persons have their centres and
each of the seventeen key points lies, and a pyramid of features. What else MoveNet says it reads from the pyramid, by
two layers at single cells: here at those cells alone. Everything else is as in the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from screentest.detection.vision.runtime import Array, Network, weights_file

_Cells = npt.NDArray[np.intp]

_PERSONS = 6
_POINTS = np.arange(17)
_NEAR = np.arange(3)
_BELL = np.float32(0.0520629883)
"""A key point is looked for under a bell about where the person's centre expects it, exp(-this x squared cells)."""
_POINT_SEEN = 0.1269531
"""Scores above make up a person's score."""
_SCALE = np.float32(0.0078430176)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Persons, in cells: boxes `(n, 4)`, top, left, bottom, right; points `(n, 17, 2)`, y before x, with their scores
    `(n, 17)`; and scores `(n,)`."""

    boxes: Array
    points: Array
    point_scores: Array
    scores: Array


class _Layers:
    """The two last layers of one of MoveNet's answers at `n` cells: `(n, 216)`, three by three cells of 24 channels, to
    `(n, outputs)`."""

    def __init__(self, data: Mapping[str, Array], name: str) -> None:
        self._first, self._bias = data[f"{name}_first"].astype(np.float32), data[f"{name}_first_bias"]
        self._last, self._offset = data[f"{name}_last"].astype(np.float32), data[f"{name}_last_bias"]

    def __call__(self, cells: Array) -> Array:
        return np.asarray(np.maximum(cells @ self._first + self._bias, 0) @ self._last + self._offset)


def _peaks(centres: Array) -> _Cells:
    """The cells, flat, of the largest values that nothing within two cells exceeds, best first."""
    rows, columns = centres.shape
    best = np.pad(centres, 2)
    for axis, side in enumerate((rows, columns)):
        shifted = [best.take(range(i, i + side), axis) for i in range(5)]
        best = np.maximum.reduce(shifted)
    return np.argsort(np.where(centres < best, 0, -centres), axis=None, kind="stable")[:_PERSONS]


class MoveNet:
    """The network and its layers."""

    def __init__(self) -> None:
        self._network = Network("movenet_multipose.tflite", shaped=False)
        with np.load(weights_file("movenet_layers.npz")) as data:
            self._size, self._middle, self._expected, self._shift = (
                _Layers(data, name) for name in ("size", "middle", "expected", "shift")
            )

    def fit(self, height: int, width: int) -> None:
        """Get ready for pictures of that size, multiples of 32."""
        self._network.fit((1, height, width, 3))

    def __call__(
        self, pixels: npt.NDArray[np.uint8], cells: tuple[int, int], min_score: float
    ) -> tuple[Found, Array]:
        """Persons whose centres have a score of `min_score` or more, and the backbone's last map over the picture,
        `(2560,)`: mean, then maximum of each of its 1280 channels.

        Args:
            pixels: `(height, width, 3)`, multiples of 32.
            cells: rows and columns of cells of 32 pixels that the picture covers.
            min_score: lowest score.
        """
        self.fit(*pixels.shape[:2])
        seen, pyramid, centres, marks = self._network(pixels[None] * _SCALE - np.float32(1))
        seen = seen[0, : cells[0], : cells[1]].reshape(-1, seen.shape[-1])
        return self._persons(pyramid[0], centres[0, :, :, 0], marks[0], min_score), np.concatenate(
            [seen.mean(0), seen.max(0)]
        )

    def _persons(self, pyramid: Array, centres: Array, marks: Array, min_score: float) -> Found:
        sides = np.array(centres.shape, np.float32)
        peaks = _peaks(centres)
        scores = centres.ravel()[peaks]
        wanted = int((scores >= min_score).sum())
        rows, columns = np.divmod(peaks, centres.shape[1])
        margin = np.pad(pyramid, ((1, 1), (1, 1), (0, 0)))

        def around(rows: _Cells, columns: _Cells) -> Array:
            near = margin[rows[:, None, None] + _NEAR[:, None], columns[:, None, None] + _NEAR]
            return np.asarray(near.reshape(len(rows), near.shape[1] * near.shape[2] * near.shape[3]))

        at, cells = np.stack([rows, columns], 1).astype(np.float32), around(rows, columns)
        middle, half = at + self._middle(cells), np.maximum(self._size(cells), 0) / 2
        low, high = np.clip(middle - half, 0, sides), np.clip(middle + half, 0, sides)
        expected = at[:, None] + self._expected(cells).reshape(-1, 17, 2)
        # The bell by rows and by columns, (6, cells, 17); 0 outside of the box.
        bells = []
        for axis, side in enumerate(centres.shape):
            line = np.arange(side, dtype=np.float32)
            inside = (line >= low[:, axis, None]) & (line < high[:, axis, None])
            away = line[:, None] - expected[:, None, :, axis]
            bells.append(np.exp(-_BELL * away * away) * inside[:, :, None])
        found = np.zeros((2, wanted, 17), np.intp)
        for person in range(wanted):
            top, left = np.ceil(low[person]).astype(int)
            bottom, right = np.ceil(high[person]).astype(int)
            if top < bottom and left < right:
                part = marks[top:bottom, left:right] * bells[0][person, top:bottom, None]
                part *= bells[1][person, left:right]
                best = part.reshape(-1, 17).argmax(0)
                found[:, person] = np.divmod(best, right - left) + np.array([[top], [left]])
        ys, xs = found
        # As in the original, a key point's score is the best that any of the six gives to the place.
        weight = (bells[0][:, ys, _POINTS] * bells[1][:, xs, _POINTS]).max(0)
        point_scores = marks[ys, xs, _POINTS] * weight
        shift = self._shift(around(ys.ravel(), xs.ravel())).reshape(wanted, 17, 17, 2)[:, _POINTS, _POINTS]
        seen = point_scores > _POINT_SEEN
        return Found(
            np.concatenate([low, high], 1)[:wanted],
            found.transpose(1, 2, 0).astype(np.float32) + shift,
            point_scores,
            scores[:wanted] * np.where(seen, point_scores, 0).sum(1) / np.maximum(seen.sum(1), 1),
        )
