"""Single-shot detectors: anchors, decoding, weighted non-maximum suppression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screentest.detection.vision.crops import Points, Region
from screentest.detection.vision.runtime import Array, log_odds, sigmoid


@dataclass(frozen=True, slots=True)
class Detection:
    """A scored box `(x1, y1, x2, y2)` and its key points, in pixels of the working frame."""

    box: tuple[float, float, float, float]
    score: float
    points: Points

    @property
    def width(self) -> float:
        """Pixels of the working frame."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """Pixels of the working frame."""
        return self.box[3] - self.box[1]

    @property
    def centre(self) -> tuple[float, float]:
        """`(x, y)`, pixels of the working frame."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


def anchors(*layers: tuple[int, int]) -> Array:
    """Anchor centres `(n, 2)` in parts of the input, row by row; each layer is (cells a side, anchors a cell)."""
    parts = []
    for cells, count in layers:
        line = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        parts.append(np.repeat(grid, count, axis=0))
    return np.concatenate(parts).astype(np.float32)


def overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes."""
    w = min(one[2], other[2]) - max(one[0], other[0])
    h = min(one[3], other[3]) - max(one[1], other[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = w * h
    return both / (
        (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - both
    )


def decode(
    boxes: Array, logits: Array, centres: Array, size: int, region: Region, min_score: float
) -> list[Detection]:
    """Detections with a score of at least `min_score`, best first, merged where they overlap by more than 0.3.

    Args:
        boxes: raw `(n, 4 + 2 k)`: centre, size and key points in input pixels, relative to the anchors.
        logits: raw `(n,)`.
        centres: anchors, `(n, 2)`.
        size: side of the input in pixels.
        region: where the input lies in the working frame.
        min_score: lowest score.
    """
    chosen = np.flatnonzero(logits >= log_odds(min_score))
    if not chosen.size:
        return []
    chosen = chosen[np.argsort(-logits[chosen])]
    raw = boxes[chosen] / np.float32(size)
    raw[:, 0:2] += centres[chosen]
    raw[:, 4:] += np.tile(centres[chosen], (raw.shape[1] - 4) // 2)
    half = raw[:, 2:4] / 2
    rows = np.concatenate([raw[:, :2] - half, raw[:, :2] + half, raw[:, 4:]], axis=1)
    weights = sigmoid(logits[chosen])
    found = []
    left = np.arange(len(rows))
    while left.size:
        first, area = rows[left[0]], rows[left]
        w = np.minimum(first[2], area[:, 2]) - np.maximum(first[0], area[:, 0])
        h = np.minimum(first[3], area[:, 3]) - np.maximum(first[1], area[:, 1])
        both = np.clip(w, 0, None) * np.clip(h, 0, None)
        sizes = (area[:, 2] - area[:, 0]) * (area[:, 3] - area[:, 1])
        same = both / np.maximum(sizes + sizes[0] - both, 1e-9) > 0.3
        same[0] = True
        group = left[same]
        merged = np.average(rows[group], axis=0, weights=weights[group]).reshape(-1, 2)
        points = region.to_picture(merged.astype(np.float32))
        (x1, y1), (x2, y2) = points[:2].min(0), points[:2].max(0)
        box = (float(x1), float(y1), float(x2), float(y2))
        found.append(Detection(box, float(weights[left[0]]), points[2:]))
        left = left[~same]
    return found
