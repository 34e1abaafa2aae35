"""Training samples: a real face, what is laid over it, and how a camera or a web site would have spoilt it."""

from __future__ import annotations

import io

import numpy as np
import occluders as o
from PIL import Image, ImageFilter

SIZE = 128
REACH = 2.0
"""Side of the network's crop in mesh extents (longer side of the mesh's bounds)."""
BASE_REACH = 2.6
"""Side of the stored base crops in the same unit."""
WORK = 160


def place(crop: np.ndarray, points: np.ndarray, rng: o.Rng, jitter: float = 1.0) -> o.Face:
    """The base crop moved, turned, scaled and mirrored a little, at working size."""
    base = crop.shape[0]
    scale = base / BASE_REACH * REACH * np.exp(rng.normal(0, 0.1 * jitter)) / WORK
    angle = rng.normal(0, 0.09 * jitter)
    dx, dy = rng.normal(0, 0.03 * jitter, 2) * base
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    m = (c, -s, base / 2 + dx - (c - s) * WORK / 2, s, c, base / 2 + dy - (s + c) * WORK / 2)
    image = Image.fromarray(crop).transform(
        (WORK, WORK), Image.Transform.AFFINE, m, Image.Resampling.BILINEAR
    )
    inverse = np.linalg.inv(np.array([[m[0], m[1]], [m[3], m[4]]]))
    p = (points - np.array([m[2], m[5]])) @ inverse.T
    pixels = np.asarray(image, np.float32).copy()
    return o.Face(pixels, p.astype(np.float32))


def mirror(x: np.ndarray) -> np.ndarray:
    return x[:, ::-1]


def spoil(pixels: np.ndarray, extent: float, native: float, rng: o.Rng) -> tuple[np.ndarray, float | None]:
    """Light, colour, blur, resolution, noise and JPEG; at the network's size. And the blur, in log2 of percent of the
    face's extent (None where the base picture is itself too small to say).

    Args:
        extent: the face's extent in `pixels`.
        native: the face's extent in the picture that the base crop came from.
    """
    x = np.clip(pixels, 0, 255)
    if rng.random() < 0.5:
        x = 255 * np.clip(x / 255, 0, 1) ** np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.4:
        x = x * np.exp(rng.normal(-0.1, 0.3))
    if rng.random() < 0.4:
        x = (x - 128) * np.exp(rng.normal(0, 0.2)) + 128
    if rng.random() < 0.4:
        x = x * np.exp(rng.normal(0, 0.08, 3))
    if rng.random() < 0.12:
        x = np.repeat(x.mean(-1, keepdims=True), 3, -1) * (
            np.array([1.08, 1, 0.82]) if rng.random() < 0.3 else 1
        )
    image = Image.fromarray(np.clip(x, 0, 255).astype(np.uint8))
    sigma = 0.0
    if rng.random() < 0.35:
        sigma = float(np.exp(rng.uniform(np.log(0.006), np.log(0.07))))
        image = image.filter(ImageFilter.GaussianBlur(sigma * extent))
    elif rng.random() < 0.08:
        length = rng.uniform(0.03, 0.12)
        sigma = length / 3.46
        n, angle = max(3, int(length * extent)), rng.uniform(0, np.pi)
        shift = np.linspace(-0.5, 0.5, n) * length * extent
        acc = np.zeros_like(x)
        for d in shift:
            m = (1, 0, d * np.cos(angle), 0, 1, d * np.sin(angle))
            acc += np.asarray(image.transform(image.size, Image.Transform.AFFINE, m, 2), np.float32)
        image = Image.fromarray((acc / n).astype(np.uint8))
    small = float(np.exp(rng.uniform(np.log(28), np.log(115))))
    if rng.random() < 0.25:
        small = 115.0
    k = small / extent
    side = max(12, round(image.width * k)) if k < 1 else image.width
    if side < image.width:
        image = image.resize(
            (side, side), Image.Resampling.BOX if rng.random() < 0.5 else Image.Resampling.BICUBIC
        )
    if rng.random() < 0.4:
        y = np.asarray(image, np.float32)
        y = y + rng.normal(0, rng.uniform(1, 9), y.shape)
        image = Image.fromarray(np.clip(y, 0, 255).astype(np.uint8))
    if rng.random() < 0.7:
        data = io.BytesIO()
        image.save(data, "JPEG", quality=int(rng.integers(35, 96)))
        image = Image.open(data).convert("RGB")
    image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    pixel = 0.5 / min(small, extent)
    total = np.sqrt(sigma**2 + pixel**2 + (0.6 / native) ** 2)
    known = native > 140 or sigma > 1.5 / native
    return np.asarray(image), float(np.log2(100 * total)) if known else None


def compose(
    crop: np.ndarray,
    points: np.ndarray,
    known: dict[str, float | None],
    rng: o.Rng,
    patches: list[np.ndarray],
    hands: list[Image.Image],
    templates: list[o.Template],
    plain: float = 0.3,
    jitter: float = 1.0,
) -> o.Face:
    """One face: as it is with probability `plain`, else occluded; in either case with things that must not alarm."""
    if rng.random() < 0.5:
        crop = mirror(crop)
        points = points.copy()
        points[:, 0] = crop.shape[1] - 1 - points[:, 0]
        points = points[MIRROR]
    face = place(crop, points, rng, jitter)
    face.labels.update(known)
    for chance, paint in (
        (0.06, lambda: o.beard(face, rng)),
        (0.08, lambda: o.collar(face, rng, patches)),
        (0.08, lambda: o.hat(face, rng, patches)),
        (0.03, lambda: o.headset(face, rng)),
        (0.08, lambda: o.shadow(face, rng)),
    ):
        if rng.random() < chance:
            paint()
    free = known.get("sunglasses") == 0.0
    if rng.random() > plain:
        kind = rng.choice(
            ["mask", "dark", "hand", "thing", "hair", "clear", "tinted", "raised", "beside"],
            p=[0.17, 0.13, 0.28, 0.19, 0.04, 0.08, 0.02, 0.02, 0.07],
        )
        if kind == "clear" or kind == "tinted" or kind == "dark" or kind == "raised":
            if free:
                o.glasses(face, rng, patches, str(kind))
        elif kind == "mask":
            if free and rng.random() < 0.25:
                o.glasses(face, rng, patches, str(rng.choice(["clear", "dark"])))
            if templates and rng.random() < 0.45:
                o.photographed_mask(face, rng, patches, templates)
            else:
                o.mask(face, rng, patches)
        elif kind == "hand":
            if free and rng.random() < 0.12:
                o.glasses(face, rng, patches, "clear")
            if rng.random() < 0.08:
                o.mask(face, rng, patches)
            o.hand(face, rng, hands, "over")
        elif kind == "beside":
            o.hand(face, rng, hands, "beside")
        elif kind == "thing":
            if free and rng.random() < 0.12:
                o.glasses(face, rng, patches, "clear")
            o.thing(face, rng, patches, hands)
        else:
            o.hair(face, rng)
    if rng.random() < 0.2:
        frame(face, rng)
    return face


def frame(face: o.Face, rng: o.Rng) -> None:
    """Black where the picture ends close around the face, as in portraits cut tight."""
    low, high = face.points[o.OVAL].min(0), face.points[o.OVAL].max(0)
    reach = face.extent * rng.uniform(-0.03, 0.5, 4)
    x1, y1, x2, y2 = low[0] - reach[0], low[1] - reach[1], high[0] + reach[2], high[1] + reach[3]
    box = face.area([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], 0)
    face.pixels *= box[..., None]


def _mirror_table() -> np.ndarray:
    """For each of the 478 points the one on the other side, from the canonical face's symmetry."""
    from screentest.detection.vision.mesh import _parse
    from screentest.detection.vision.runtime import WEIGHTS

    vertices, _ = _parse((WEIGHTS / "geometry_pipeline_metadata_landmarks.binarypb").read_bytes())
    flipped = vertices * [-1, 1, 1]
    table = np.array([int(np.argmin(((vertices - v) ** 2).sum(1))) for v in flipped])
    iris = [473, 474, 477, 476, 475, 468, 469, 472, 471, 470]
    return np.concatenate([table, iris])


MIRROR = _mirror_table()
