"""MoveNet's decoding at single cells against its original, which works on whole maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from screentest.demo import pictures as carried
from screentest.detection.vision.crops import fitted
from screentest.detection.vision.movenet import _SCALE, MoveNet
from screentest.detection.vision.runtime import weights_file

Array = npt.NDArray[np.float64]


def dense(name: str, pyramid: Array) -> Array:
    """One of MoveNet's answers at every cell."""
    with np.load(weights_file("movenet_layers.npz")) as data:
        first, bias, last, offset = (
            data[f"{name}_{part}"].astype(np.float64) for part in ("first", "first_bias", "last", "last_bias")
        )
    margin = np.pad(pyramid, ((1, 1), (1, 1), (0, 0)))
    rows, columns = pyramid.shape[:2]
    near = np.array([[margin[y : y + 3, x : x + 3].ravel() for x in range(columns)] for y in range(rows)])
    return np.asarray(np.maximum(near @ first + bias, 0) @ last + offset)


def original(pyramid: Array, centres: Array, marks: Array) -> tuple[Array, Array, Array, Array]:
    """Boxes, points, their scores and persons' scores, as the network's own operators have them."""
    rows, columns = centres.shape
    margin = np.pad(centres, 2)
    best = np.array([[margin[y : y + 5, x : x + 5].max() for x in range(columns)] for y in range(rows)])
    top = np.argsort(-np.where(centres < best, 0, centres), axis=None, kind="stable")[:6]
    ys, xs = np.divmod(top, columns)
    middle = np.stack([ys, xs], 1) + dense("middle", pyramid)[ys, xs]
    half = np.maximum(dense("size", pyramid)[ys, xs], 0) / 2
    sides = np.array([rows, columns])
    low, high = np.clip(middle - half, 0, sides), np.clip(middle + half, 0, sides)
    expected = np.stack([ys, xs], 1)[:, None] + dense("expected", pyramid)[ys, xs].reshape(6, 17, 2)
    y, x = np.mgrid[:rows, :columns]
    away = (y[..., None, None] - expected[..., 0]) ** 2 + (x[..., None, None] - expected[..., 1]) ** 2
    inside = (y[..., None] >= low[:, 0]) & (y[..., None] < high[:, 0])
    inside &= (x[..., None] >= low[:, 1]) & (x[..., None] < high[:, 1])
    weighed = marks[:, :, None] * np.exp(-0.0520629883 * away) * inside[..., None]
    at = weighed.reshape(-1, 6, 17).argmax(0)
    py, px = np.divmod(at, columns)
    point = np.arange(17)
    scores = weighed.max(2)[py, px, point]
    shift = dense("shift", pyramid)[py, px].reshape(6, 17, 17, 2)[:, point, point]
    seen = scores > 0.1269531
    persons = centres[ys, xs] * np.where(seen, scores, 0).sum(1) / np.maximum(seen.sum(1), 1)
    return np.concatenate([low, high], 1), np.stack([py, px], 2) + shift, scores, persons


@pytest.mark.parametrize("picture", [carried.standing, carried.waist_up, carried.astronaut])
def test_cells_say_what_whole_maps_say(picture: Callable[[], Image.Image]) -> None:
    pixels, cells = fitted(picture(), 256, 32)
    movenet = MoveNet()
    movenet.fit(*pixels.shape[:2])
    _, pyramid, centres, marks = movenet._network(pixels[None] * _SCALE - np.float32(1))
    found = movenet._persons(pyramid[0], centres[0, :, :, 0], marks[0], 0.0)
    _, features = movenet(pixels, cells, 0.0)
    boxes, points, scores, sure = original(
        *(values.astype(np.float64) for values in (pyramid[0], centres[0, :, :, 0], marks[0]))
    )
    assert sure.max() > 0.3
    assert features.shape == (2560,)
    np.testing.assert_allclose(found.boxes, boxes, atol=1e-2)
    np.testing.assert_allclose(found.point_scores, scores, atol=1e-3)
    marked = scores > 1e-3
    np.testing.assert_allclose(found.points[marked], points[marked], atol=2e-2)
    np.testing.assert_allclose(found.scores, sure, atol=1e-3)


def test_without_a_centre_there_is_nobody() -> None:
    maps = np.zeros((32, 64, 17), np.float32)
    found = MoveNet()._persons(np.zeros((32, 64, 24), np.float32), maps[:, :, 0], maps, 0.12)
    assert found.scores.shape == (0,)
    assert found.points.shape == (0, 17, 2)
