"""Regions of interest: rotated squares cut out of a picture, and their points brought back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Points = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Region:
    """A square in the working frame: centre and side in pixels, angle in radians, clockwise as seen (y grows down)."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def near(self, other: Region) -> bool:
        """Whether both show nearly the same: within a sixteenth of the side, a tenth of the scale and five degrees."""
        shift = math.hypot(self.x - other.x, self.y - other.y)
        turn = abs((self.angle - other.angle + math.pi) % (2 * math.pi) - math.pi)
        return shift < self.side / 16 and abs(self.side / other.side - 1) < 0.1 and turn < math.radians(5)

    def to_picture(self, points: Points) -> Points:
        """Points given in parts of the region's side, `(n, 2)` or `(n, 3)`, in pixels; z is scaled by the side."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        u, v = points[:, 0] - 0.5, points[:, 1] - 0.5
        out = points * np.float32(self.side)
        out[:, 0] = self.x + self.side * (c * u - s * v)
        out[:, 1] = self.y + self.side * (s * u + c * v)
        return out

    def from_picture(self, points: Points) -> Points:
        """The inverse for x and y: points in pixels, `(n, 2 or more)`, as `(n, 2)` in parts of the region's side."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        x, y = points[:, 0] - self.x, points[:, 1] - self.y
        turned = np.stack([c * x + s * y, c * y - s * x], axis=1)
        return np.asarray(turned / self.side + 0.5, np.float32)


def cut(image: Image.Image, region: Region, size: int, *, replicate: bool = True) -> Pixels:
    """The region resampled to `size` x `size`; outside the frame the edge is repeated, or black.

    Reductions by more than half are averaged first, so that nothing aliases.
    """
    c, s = math.cos(region.angle), math.sin(region.angle)
    reach = region.side / 2 * (abs(c) + abs(s)) + 2
    left, top = math.floor(region.x - reach), math.floor(region.y - reach)
    right, bottom = math.ceil(region.x + reach), math.ceil(region.y + reach)
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(right, image.width), min(bottom, image.height)
    if x2 <= x1 or y2 <= y1:
        return np.zeros((size, size, 3), np.uint8)
    factor = max(1, int(region.side / size))
    part = image.reduce(factor, (x1, y1, x2, y2)) if factor > 1 else image.crop((x1, y1, x2, y2))
    if replicate and (left < x1 or top < y1 or right > x2 or bottom > y2):
        pad = [(-(-(y1 - top) // factor), -(-(bottom - y2) // factor))]
        pad += [(-(-(x1 - left) // factor), -(-(right - x2) // factor)), (0, 0)]
        part = Image.fromarray(np.pad(np.asarray(part), pad, mode="edge"))
        x1, y1 = x1 - pad[1][0] * factor, y1 - pad[0][0] * factor
    step = region.side / size / factor
    half = size / 2
    matrix = (
        step * c,
        -step * s,
        (region.x - x1) / factor - step * (c * half - s * half),
        step * s,
        step * c,
        (region.y - y1) / factor - step * (s * half + c * half),
    )
    return np.asarray(part.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))


def letterbox(image: Image.Image, size: int, *, centred: bool) -> tuple[Pixels, Region]:
    """The whole picture in a black square of `size`, and the square as a region of the picture's frame."""
    long = max(image.size)
    width, height = (max(1, round(side * size / long)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.0)
    canvas = np.zeros((size, size, 3), np.uint8)
    x, y = ((size - width) // 2, (size - height) // 2) if centred else (0, 0)
    canvas[y : y + height, x : x + width] = np.asarray(small)
    step = long / size
    return canvas, Region((size / 2 - x) * step, (size / 2 - y) * step, float(long))


def fitted(image: Image.Image, long: int, cell: int) -> tuple[Pixels, tuple[int, int]]:
    """The whole picture with a longer side of `long`, black added at the right and below up to multiples of `cell`; and
    how many rows and columns of cells the picture covers."""
    scale = long / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.0)
    rows, columns = -(-height // cell), -(-width // cell)
    canvas = np.zeros((rows * cell, columns * cell, 3), np.uint8)
    canvas[:height, :width] = np.asarray(small)
    return canvas, (rows, columns)
