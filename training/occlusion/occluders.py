"""Synthetic occluders, drawn on a face by its mesh: masks, sunglasses, hands, things, hair, and what must not alarm.

Every function takes a `Face` (float32 RGB 0 to 255 and mesh points in its pixels), paints in place, and returns what is
now true of it as labels (`1` yes, `0` no, `None` cannot be said: left out of the loss).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

LABELS = ("mask", "sunglasses", "hand", "object", "hair", "hand_near")

OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152]
OVAL += [148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
JAW = [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454]
LIPS = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
INNER = [70, 105, 107, 336, 334, 300, 263, 291, 17, 61, 33]
"""Brows, outer eye corners and mouth: the part of a face that must stay visible."""
EYES = ([33, 160, 158, 133, 153, 144], [362, 385, 387, 263, 373, 380])

Rng = np.random.Generator


@dataclass
class Face:
    """A crop under the brush."""

    pixels: np.ndarray
    points: np.ndarray
    labels: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(LABELS, 0.0))

    @property
    def size(self) -> int:
        return self.pixels.shape[0]

    @property
    def extent(self) -> float:
        """Forehead to chin, pixels."""
        return float(np.linalg.norm(self.points[10] - self.points[152]))

    def area(self, polygon: Any, soft: float = 0.7) -> np.ndarray:
        """The polygon's coverage, 0 to 1."""
        return blot(self.size, [polygon], soft)

    def part(self, indices: list[int]) -> np.ndarray:
        return self.area(self.points[indices], 0)

    def lay(self, colour: np.ndarray, alpha: np.ndarray) -> None:
        self.pixels += (colour - self.pixels) * alpha[..., None]

    def skin(self) -> np.ndarray:
        """Mean colour of the cheeks and the nose's bridge."""
        spots = [self.points[i].astype(int) for i in (50, 280, 6, 101, 330)]
        values = [
            self.pixels[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4].reshape(-1, 3)
            for x, y in spots
            if 0 <= x < self.size and 0 <= y < self.size
        ]
        return np.median(np.concatenate(values), 0) if values else np.array([170.0, 130, 110])

    def covered(self, alpha: np.ndarray, indices: list[int]) -> float:
        """Share of a part of the face under `alpha`."""
        part = self.part(indices)
        return float((part * alpha).sum() / max(part.sum(), 1))


def blot(size: int, polygons: list[Any], soft: float = 0.7) -> np.ndarray:
    image = Image.new("L", (size, size))
    draw = ImageDraw.Draw(image)
    for polygon in polygons:
        draw.polygon([tuple(map(float, p)) for p in polygon], fill=255)
    if soft:
        image = image.filter(ImageFilter.GaussianBlur(soft))
    return np.asarray(image, np.float32) / 255


def stroke(size: int, lines: list[Any], width: float, soft: float = 0.5) -> np.ndarray:
    image = Image.new("L", (size, size))
    draw = ImageDraw.Draw(image)
    for line in lines:
        draw.line([tuple(map(float, p)) for p in line], fill=255, width=max(1, round(width)), joint="curve")
    return np.asarray(image.filter(ImageFilter.GaussianBlur(soft)), np.float32) / 255


def noise(rng: Rng, size: int, cell: int, channels: int = 1) -> np.ndarray:
    """Smooth noise of about `cell` pixels, -1 to 1."""
    n = max(2, size // cell)
    out = [
        np.asarray(Image.fromarray(rng.uniform(-1, 1, (n, n)).astype(np.float32)).resize((size, size), 3))
        for _ in range(channels)
    ]
    return np.stack(out, -1)


def colour(rng: Rng) -> np.ndarray:
    kind = rng.random()
    if kind < 0.25:
        return np.full(3, rng.uniform(5, 60)) + rng.uniform(-6, 6, 3)
    if kind < 0.45:
        return np.full(3, rng.uniform(190, 252)) + rng.uniform(-6, 6, 3)
    if kind < 0.55:
        return np.full(3, rng.uniform(60, 190)) + rng.uniform(-6, 6, 3)
    return rng.uniform(10, 245, 3)


def texture(rng: Rng, size: int, patches: list[np.ndarray]) -> np.ndarray:
    """A `size` square of cloth, print or anything: plain, striped, dotted, checked, or a piece of some picture."""
    base = np.zeros((size, size, 3), np.float32) + colour(rng)
    kind = rng.random()
    y, x = np.mgrid[:size, :size].astype(np.float32)
    if kind < 0.35 and patches:
        patch = patches[rng.integers(len(patches))]
        k = int(rng.integers(patch.shape[0] // 5, patch.shape[0] // 2))
        i, j = rng.integers(0, patch.shape[0] - k, 2)
        piece = Image.fromarray(patch[i : i + k, j : j + k]).resize((size, size), 2)
        base = np.asarray(piece, np.float32).copy()
        if rng.random() < 0.5:
            base = base * 0.5 + colour(rng) * 0.5
    elif kind < 0.55:
        a, period = rng.uniform(0, np.pi), rng.uniform(4, 24)
        wave = np.sin((x * np.cos(a) + y * np.sin(a)) * 2 * np.pi / period) > rng.uniform(-0.6, 0.6)
        if kind < 0.44:
            wave &= np.sin((y * np.cos(a) - x * np.sin(a)) * 2 * np.pi / period) > 0
        base = np.where(wave[..., None], base, colour(rng))
    elif kind < 0.62:
        period = rng.uniform(6, 16)
        dots = np.hypot(x % period - period / 2, y % period - period / 2) < period * rng.uniform(0.15, 0.4)
        base = np.where(dots[..., None], colour(rng), base)
    base += noise(rng, size, int(rng.integers(2, 5)), 1) * rng.uniform(0, 10)
    return base + noise(rng, size, int(rng.integers(15, 60)), 1) * rng.uniform(0, 25)


def light(face: Face, rng: Rng) -> np.ndarray:
    """The face's own shading, to be laid over what covers it."""
    grey = Image.fromarray(np.clip(face.pixels.mean(-1), 0, 255).astype(np.uint8))
    low = np.asarray(grey.filter(ImageFilter.GaussianBlur(face.extent * 0.09)), np.float32)
    inside = face.part(OVAL) > 0.5
    middle = float(np.median(low[inside])) if inside.any() else 128.0
    shade = np.clip((low + 12) / (middle + 12), 0.35, 1.6) ** rng.uniform(0.4, 1.0)
    return (shade * rng.uniform(0.8, 1.1) * np.clip(middle / 150, 0.25, 1.15) ** rng.uniform(0.5, 1))[
        ..., None
    ]


@dataclass(frozen=True)
class Template:
    """The photograph of a mask, RGBA, and six points of it: upper right ear, nose, upper left ear, and below them
    lower right, chin, lower left (the wearer's)."""

    image: Image.Image
    points: np.ndarray


def _homography(source: np.ndarray, target: np.ndarray) -> list[float]:
    """Coefficients for PIL that bring `target` (output) back to `source`."""
    rows, right = [], []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return [float(c) for c in np.linalg.solve(np.array(rows, float), np.array(right, float))]


def photographed_mask(face: Face, rng: Rng, patches: list[np.ndarray], templates: list[Template]) -> None:
    """A photographed mask, fitted in two halves that meet at the nose, dyed or printed at random."""
    p, e = face.points, face.extent
    template = templates[rng.integers(len(templates))]
    image = template.image
    if rng.random() < 0.5:
        pixels = np.asarray(image, np.float32)
        print_ = texture(rng, max(image.size), patches)[: image.height, : image.width]
        pixels = np.dstack(
            [pixels[..., :3] * print_ / max(float(pixels[..., :3].mean()), 60.0), pixels[..., 3]]
        )
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGBA")
    centre = p[[234, 454, 152, 6]].mean(0)
    up, down, out = rng.uniform(0.1, 0.8), rng.uniform(0.0, 0.1), rng.uniform(0.86, 1.1)
    a = centre + (p[234] * 0.6 + p[93] * 0.4 - centre) * out
    c = centre + (p[454] * 0.6 + p[323] * 0.4 - centre) * out
    d = centre + (p[172] * 0.7 + p[136] * 0.3 - centre) * out
    f = centre + (p[397] * 0.7 + p[365] * 0.3 - centre) * out
    b, chin = p[6] + (p[5] - p[6]) * up, p[152] + np.array([0, e * down])
    s = template.points
    laid = np.zeros((face.size, face.size, 4), np.float32)
    x = np.mgrid[: face.size, : face.size][1]
    for corners, target, keep in (
        (s[[0, 1, 4, 3]], [a, b, chin, d], "left"),
        (s[[1, 2, 5, 4]], [b, c, f, chin], "right"),
    ):
        try:
            coefficients = _homography(corners, np.array(target))
        except np.linalg.LinAlgError:
            return mask(face, rng, patches)
        part = np.asarray(
            image.transform((face.size, face.size), Image.Transform.PERSPECTIVE, coefficients, 2), np.float32
        )
        y = np.mgrid[: face.size, : face.size][0]
        middle = b[0] + (chin[0] - b[0]) * (y - b[1]) / max(chin[1] - b[1], 1)
        here = x < middle if keep == "left" else x >= middle
        laid = np.where(here[..., None], part, laid)
    alpha = np.asarray(
        Image.fromarray(laid[..., 3].astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6)), np.float32
    )
    face.lay(laid[..., :3] * light(face, rng), alpha / 255)
    face.labels["mask"] = 1.0
    return None


def mask(face: Face, rng: Rng, patches: list[np.ndarray]) -> None:
    """Surgical, cloth, respirator, scarf or balaclava over mouth and nose."""
    p, e = face.points, face.extent
    kind = rng.choice(
        ["surgical", "cloth", "respirator", "scarf", "balaclava"], p=[0.4, 0.3, 0.08, 0.15, 0.07]
    )
    top = p[6] + (p[5] - p[6]) * rng.uniform(0.05, 0.85)
    if rng.random() < 0.07:
        top = p[5] + (p[2] - p[5]) * rng.uniform(0.3, 1.3)  # worn below the nose
    centre = p[[234, 454, 152, 6]].mean(0)
    jaw = p[JAW].copy()
    inset = rng.uniform(0.0, 0.3) if kind != "scarf" else -rng.uniform(0, 0.3)
    drop = rng.uniform(0, 1)
    jaw = centre + (jaw - centre) * rng.uniform(0.97, 1.2)
    jaw[:, 1] += np.clip((jaw[:, 1] - centre[1]) / e, 0, 1) * e * rng.uniform(-0.05, 0.16)
    jaw[0] = p[234] + (p[132] - p[234]) * drop * 0.7
    jaw[-1] = p[454] + (p[361] - p[454]) * drop * 0.7
    jaw[[0, 1, -1, -2]] += (centre - jaw[[0, 1, -1, -2]]) * inset
    bulge = rng.uniform(-0.3, 0.9)
    left = (jaw[0] + top) / 2 + (p[117] - (jaw[0] + top) / 2) * bulge * 0.6
    right = (jaw[-1] + top) / 2 + (p[346] - (jaw[-1] + top) / 2) * bulge * 0.6
    width = e * rng.uniform(0.02, 0.07)
    outline = [*jaw, right, top + [width, 0], top - [width, 0], left]
    if kind == "scarf":
        low = [[-e * 0.3 + p[152][0] - e, p[152][1] + e * 1.2], [p[152][0] + e, p[152][1] + e * 1.2]]
        side = e * rng.uniform(0.02, 0.25)
        outline = [jaw[0] - [side, 0], left, top, right, jaw[-1] + [side, 0]]
        outline = [*outline, jaw[-3] + [side * 1.4, 0], low[1], low[0], jaw[2] - [side * 1.4, 0]]
    alpha = face.area(outline)
    if kind == "balaclava":
        outer = face.points[OVAL]
        outer = centre + (outer - centre) * rng.uniform(1.15, 1.35)
        eyes = p[[33, 263, 159, 386]].mean(0)
        half = [e * rng.uniform(0.28, 0.42), e * rng.uniform(0.08, 0.14)]
        angle = np.linspace(0, 2 * np.pi, 24)
        slit = eyes + np.stack([np.cos(angle), np.sin(angle)], 1) * half
        alpha = np.clip(face.area(outer) - face.area(slit), 0, 1)
    tone = texture(rng, face.size, patches)
    if kind in ("surgical", "respirator"):
        shades = [
            (150, 200, 225),
            (165, 215, 215),
            (235, 240, 242),
            (30, 30, 34),
            (190, 225, 200),
            (240, 190, 205),
        ]
        shades += [(90, 140, 190), (200, 190, 230), (245, 245, 245), (120, 170, 210)]
        tone = np.zeros((face.size, face.size, 3), np.float32) + shades[rng.integers(len(shades))]
        tone += rng.uniform(-18, 18, 3) + noise(rng, face.size, 3) * rng.uniform(0, 6)
    x = np.mgrid[: face.size, : face.size][1].astype(np.float32)
    ridge = np.exp(-(((x - top[0]) / (e * rng.uniform(0.1, 0.22))) ** 2)) * rng.uniform(-0.05, 0.2)
    side = -(np.clip(np.abs(x - centre[0]) / (e * 0.5), 0, 1.3) ** 2) * rng.uniform(0, 0.4)
    tone = tone * (1 + ridge + side + noise(rng, face.size, 30)[..., 0] * 0.08)[..., None] * light(face, rng)
    face.lay(tone, np.asarray(alpha) * 1.0)
    if kind == "surgical" and rng.random() < 0.8:
        lines = []
        for t in np.linspace(0.2, 0.85, int(rng.integers(2, 5))):
            a, b = jaw[0] + (jaw[5] - jaw[0]) * t, jaw[-1] + (jaw[-6] - jaw[-1]) * t
            c = top + (p[152] - top) * (0.15 + t * 0.85)
            lines.append([a, (a + c) / 2 + [0, e * 0.02], c, (b + c) / 2 + [0, e * 0.02], b])
        face.lay(
            tone * rng.uniform(0.55, 0.9), stroke(face.size, lines, 1, 0.6) * alpha * rng.uniform(0.3, 0.9)
        )
    if kind in ("surgical", "cloth") and rng.random() < 0.85:
        loops = []
        for corner, low, temple in ((jaw[0], jaw[4], p[127]), (jaw[-1], jaw[-5], p[356])):
            ear = temple + (temple - centre) * rng.uniform(0.0, 0.15)
            loops += [[corner, ear], [low, ear + [0, e * 0.15]]]
        face.lay(colour(rng) * 0.9, stroke(face.size, loops, e * 0.012) * (1 - alpha))
    if rng.random() < 0.5:
        edge = np.clip(blot(face.size, [outline], 2.0) - alpha, 0, 1)
        face.pixels *= (1 - edge * rng.uniform(0.1, 0.5))[..., None]
    face.labels["mask"] = 1.0
    if kind == "scarf":
        face.labels["object"] = None
    if kind == "balaclava":
        face.labels["hair"] = None


def _lens(centre: np.ndarray, half: np.ndarray, power: float, droop: float, sign: float) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 36)
    c, s = np.cos(t), np.sin(t)
    x = np.sign(c) * np.abs(c) ** (2 / power)
    y = np.sign(s) * np.abs(s) ** (2 / power)
    y = y * (1 + droop * x * sign * np.where(y > 0, 1, 0.5))
    return centre + np.stack([x * half[0], y * half[1]], 1)


def glasses(face: Face, rng: Rng, patches: list[np.ndarray], kind: str) -> None:
    """Glasses of `kind`: `dark` (opaque), `tinted`, `clear`, or `raised` (dark, but worn on the forehead)."""
    p, e = face.points, face.extent
    right, left = p[[33, 133]].mean(0), p[[263, 362]].mean(0)
    between = float(np.linalg.norm(left - right))
    aspect = [np.linalg.norm(p[33] - p[133]), np.linalg.norm(p[263] - p[362])]
    turn = np.clip(np.array(aspect) / max(np.mean(aspect), 1), 0.7, 1.3)
    power, droop = (
        rng.uniform(1.9, 5),
        rng.uniform(-0.05, 0.22) if rng.random() < 0.6 else rng.uniform(-0.3, 0),
    )
    half = np.array([between * rng.uniform(0.36, 0.52), 0])
    half[1] = half[0] * rng.uniform(0.5, 1.05)
    shift = np.array([0, between * rng.uniform(-0.03, 0.16)])
    lift = np.array([0, -e * rng.uniform(0.3, 0.5)]) if kind == "raised" else 0
    centres = [right + shift + lift, left + shift + lift]
    centres[0][0] -= (half[0] - between * 0.4) * 0.6
    centres[1][0] += (half[0] - between * 0.4) * 0.6
    lenses = [
        _lens(c, half * [t, 1], power, droop, s) for c, t, s in zip(centres, turn, (-1, 1), strict=True)
    ]
    alpha = blot(face.size, lenses, 0.6)
    if rng.random() < 0.08:  # one shield
        low, high = np.concatenate(lenses).min(0), np.concatenate(lenses).max(0)
        alpha = face.area(
            [low, [high[0], low[1]], [high[0] - half[0] * 0.3, high[1]], [low[0] + half[0] * 0.3, high[1]]]
        )
    y = np.mgrid[: face.size, : face.size][0].astype(np.float32)
    tint = (
        np.zeros((face.size, face.size, 3), np.float32)
        + rng.uniform(0, 55)
        + rng.uniform(0, 30, 3) * (rng.random() < 0.5)
    )
    if kind in ("dark", "raised"):
        if rng.random() < 0.25:
            tint = tint * 0.4 + np.array(rng.uniform(20, 230, 3)) * 0.6  # mirrored
        strength = rng.uniform(0.86, 1.0)
    elif kind == "tinted":
        tint += rng.uniform(0, 120, 3)
        strength = rng.uniform(0.15, 0.6)
    else:
        tint = np.zeros_like(tint) + rng.uniform(150, 255)
        strength = rng.uniform(0, 0.1)
    veil = np.full((face.size, face.size), strength, np.float32)
    if rng.random() < 0.35 and kind != "clear":
        fade = np.clip((y - centres[0][1]) / (half[1] * 2) + 0.5, 0, 1)
        veil = strength * (1 - fade * rng.uniform(0, 0.35 if kind == "dark" else 0.8))
    if kind in ("dark", "raised"):
        if rng.random() < 0.5:
            tint = tint + np.clip(
                noise(rng, face.size, int(rng.integers(8, 30)))[..., :1], 0, 1
            ) * rng.uniform(20, 150)
        if patches and rng.random() < 0.3:
            tint = tint * 0.6 + texture(rng, face.size, patches) * rng.uniform(0.15, 0.45)
    face.lay(tint, alpha * veil)
    if kind == "clear" and rng.random() < 0.4:
        glare = np.clip(noise(rng, face.size, int(rng.integers(10, 24)))[..., 0] - 0.2, 0, 1) * rng.uniform(
            0.2, 0.9
        )
        face.lay(np.array([245.0, 248, 255]), alpha * glare)
    rim = colour(rng) if rng.random() < 0.5 else np.full(3, rng.uniform(5, 50))
    lines: list[Any] = [[*lens, lens[0]] for lens in lenses]
    width = between * (rng.uniform(0.02, 0.1) if rng.random() < 0.7 else 0.012)
    if rng.random() < 0.85 or kind == "clear":
        face.lay(rim, stroke(face.size, lines, width))
    outer = [lenses[0][18], lenses[1][0]]
    bridge = [[lenses[0][0] - [0, half[1] * 0.3], lenses[1][18] - [0, half[1] * 0.3]]]
    ears = [[outer[0], p[127] + lift], [outer[1], p[356] + lift]]
    face.lay(rim, stroke(face.size, bridge + ears, width))
    face.labels["sunglasses"] = {"dark": 1.0, "clear": 0.0, "raised": 0.0}.get(kind)
    if kind == "tinted" and strength < 0.3:
        face.labels["sunglasses"] = 0.0


HAND = 130
"""Height of a hand from the wrist to the longest finger in the cut-outs, pixels."""


def _paste(
    face: Face,
    cutout: Image.Image,
    centre: np.ndarray,
    size: float,
    angle: float,
    mirror: bool,
    stretch: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """A cut-out, turned and scaled so that `HAND` of its pixels measure `size`, at `centre`: pixels and alpha."""
    if mirror:
        cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    k = size / HAND
    c, s = np.cos(angle) / k, np.sin(angle) / k
    w, h = cutout.size
    matrix = (
        c * stretch,
        s * stretch,
        w / 2 - stretch * (c * centre[0] + s * centre[1]),
        -s,
        c,
        h / 2 + s * centre[0] - c * centre[1],
    )
    small = cutout
    if k < 0.5:
        f = int(1 / k)
        small = cutout.reduce(f)
        matrix = tuple(m / f for m in matrix)
    out = np.asarray(small.transform((face.size, face.size), Image.Transform.AFFINE, matrix, 2), np.float32)
    alpha = out[..., 3] / 255
    return out[..., :3], alpha


def hand(face: Face, rng: Rng, hands: list[Image.Image], where: str) -> None:
    """A real hand cut out elsewhere, its colour matched to the face: `over` the face or `beside` it."""
    e, p = face.extent, face.points
    n = 2 if rng.random() < 0.15 else 1
    total = np.zeros((face.size, face.size), np.float32)
    skin = face.skin()
    oval = face.part(OVAL)
    for k in range(n):
        cutout = hands[rng.integers(len(hands))]
        side = rng.choice([-1, 1]) if n == 1 else (-1) ** k
        if where == "over":
            target = p[
                [13, 2, 152, 50 if side < 0 else 280, 159 if side < 0 else 386, 4, 61 if side < 0 else 291]
            ]
            centre = target[rng.choice(7, p=[0.3, 0.1, 0.12, 0.18, 0.12, 0.1, 0.08])] + rng.normal(
                0, e * 0.07, 2
            )
            centre = centre + np.array([side * 0.1, 0.1]) * e * rng.uniform(-0.5, 1.5)
        else:
            t = rng.uniform(-0.6, 0.6)
            edge = p[454] if side > 0 else p[234]
            centre = edge + np.array([side * rng.uniform(0.08, 0.35), t]) * e
        angle = -side * rng.uniform(-0.3, 1.3)
        size = e * rng.uniform(0.65, 1.15)
        pixels, alpha = _paste(
            face, cutout, centre, size, angle, bool(rng.random() < 0.5), np.exp(rng.normal(0, 0.2))
        )
        if alpha.sum() < 20:
            continue
        inside = alpha > 0.7
        if not inside.any():
            continue
        own = np.median(pixels[inside], 0)
        goal = skin * rng.uniform(0.8, 1.2) * rng.uniform(0.94, 1.06, 3)
        pixels = goal + (pixels - own) * np.clip(goal / np.maximum(own, 20), 0.4, 1.6) * rng.uniform(0.7, 1.2)
        pixels = pixels * (1 + noise(rng, face.size, 40)[..., 0] * 0.2)[..., None]
        alpha = np.clip((alpha - 0.3) / 0.5, 0, 1)
        shadow = (
            np.asarray(
                Image.fromarray((alpha * 255).astype(np.uint8)).filter(
                    ImageFilter.GaussianBlur(e * rng.uniform(0.01, 0.05))
                ),
                np.float32,
            )
            / 255
        )
        move = rng.integers(-3, 4, 2)
        face.pixels *= 1 - (np.roll(shadow, move, (0, 1)) * rng.uniform(0, 0.5))[..., None]
        face.lay(pixels, alpha)
        total = np.maximum(total, alpha)
    over = face.covered(total, INNER)
    touch = float((total * oval).sum() / max(oval.sum(), 1))
    mouth = face.covered(total, LIPS)
    if over > 0.15 or mouth > 0.6:
        face.labels["hand"] = 1.0
    elif over > 0.03 or touch > 0.1:
        face.labels["hand"] = None
    near = total.sum() > 0.03 * oval.sum()
    face.labels["hand_near"] = 1.0 if near else None
    face.labels["object"] = None if rng.random() < 0.5 else 0.0


def thing(face: Face, rng: Rng, patches: list[np.ndarray], hands: list[Image.Image]) -> None:
    """A bar, sheet, phone, cup, microphone or any shape, sometimes held by a hand."""
    p, e, size = face.points, face.extent, face.size
    kind = rng.choice(
        ["bar", "sheet", "phone", "cup", "microphone", "shape", "blob"],
        p=[0.14, 0.12, 0.15, 0.14, 0.15, 0.2, 0.1],
    )
    target = p[[13, 13, 2, 4, 159, 386, 168, 50, 280]][rng.integers(9)] + rng.normal(0, e * 0.06, 2)
    tone = (
        texture(rng, size, patches)
        if kind in ("sheet", "shape", "blob", "cup")
        else np.zeros((size, size, 3), np.float32) + colour(rng)
    )
    angle = rng.normal(0, 0.25)
    rot = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def box(w: float, h: float, centre: np.ndarray) -> np.ndarray:
        return centre + np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) @ rot

    if kind == "bar":
        eyes = rng.random() < 0.5
        target = p[[33, 263]].mean(0) if eyes else p[13]
        alpha = face.area(
            box(e * rng.uniform(0.3, 0.6), e * rng.uniform(0.07, 0.16), target), rng.uniform(0, 0.8)
        )
    elif kind == "sheet":
        alpha = face.area(
            box(e * rng.uniform(0.2, 0.7), e * rng.uniform(0.15, 0.5), target + [0, e * rng.uniform(0, 0.4)])
        )
    elif kind == "phone":
        tall = rng.random() < 0.7
        w, h = e * rng.uniform(0.17, 0.26), e * rng.uniform(0.34, 0.55)
        shape = box(w, h, target) if tall else box(h, w, target)
        alpha = face.area(shape)
        spot = shape[0] + (shape[2] - shape[0]) * 0.18
        t = np.linspace(0, 6.3, 12)
        tone = tone * (1 + noise(rng, size, 40) * 0.2)
        face_spot = blot(size, [spot + np.stack([np.cos(t), np.sin(t)], 1) * e * 0.04], 0.5)
        tone = tone + (colour(rng) - tone) * face_spot[..., None]
    elif kind == "cup":
        w, h = e * rng.uniform(0.15, 0.28), e * rng.uniform(0.18, 0.38)
        target = p[13] + [rng.normal(0, e * 0.08), e * rng.uniform(0.0, 0.35)]
        shape = box(w, h, target)
        shape[2:] += (shape[2:].mean(0) - shape[2:]) * rng.uniform(0, 0.35)
        alpha = face.area(shape)
        x = np.mgrid[:size, :size][1].astype(np.float32)
        tone = tone * (1.1 - np.clip(np.abs(x - target[0]) / w, 0, 1) ** 2 * 0.45)[..., None]
    elif kind == "microphone":
        r = e * rng.uniform(0.08, 0.2)
        away = rng.uniform(0, 0.35) * e
        d = np.array([rng.normal(0, 0.6), 1.0])
        d /= np.linalg.norm(d)
        ball = p[13] + d * away
        t = np.linspace(0, 6.3, 24)
        alpha = blot(size, [ball + np.stack([np.cos(t) * r, np.sin(t) * r * rng.uniform(0.9, 1.3)], 1)])
        stick = stroke(size, [[ball, ball + d * e * 1.5]], r * rng.uniform(0.7, 1.3))
        tone = (
            np.zeros((size, size, 3), np.float32)
            + rng.uniform(10, 120) * np.ones(3)
            + noise(rng, size, 2) * 12
        )
        y, x = np.mgrid[:size, :size].astype(np.float32)
        tone = (
            tone
            * (1.4 - np.clip(np.hypot(x - ball[0] + r * 0.3, y - ball[1] + r * 0.3) / r, 0, 1.2) * 0.8)[
                ..., None
            ]
        )
        alpha = np.maximum(alpha, stick)
    else:
        n = int(rng.integers(4, 10))
        t = np.sort(rng.uniform(0, 2 * np.pi, n)) if kind == "shape" else np.linspace(0, 6.28, 24)
        r = e * rng.uniform(0.15, 0.45) * (rng.uniform(0.5, 1.2, len(t)) if kind == "shape" else 1)
        alpha = face.area(target + np.stack([np.cos(t) * r, np.sin(t) * r * rng.uniform(0.6, 1.4)], 1))
    tone = tone * (1 + (light(face, rng) - 1) * rng.uniform(0, 0.6))
    shadow = (
        np.asarray(
            Image.fromarray((alpha * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(e * 0.03)),
            np.float32,
        )
        / 255
    )
    if kind != "bar":
        face.pixels *= 1 - (np.roll(shadow, rng.integers(-3, 4, 2), (0, 1)) * rng.uniform(0, 0.4))[..., None]
    face.lay(tone, alpha)
    if kind in ("cup", "phone", "microphone") and rng.random() < 0.6:
        where = np.argwhere(alpha > 0.5)
        if len(where):
            y, x = where[rng.integers(len(where))]
            cutout = hands[rng.integers(len(hands))]
            skin = face.skin()
            pixels, a = _paste(
                face,
                cutout,
                np.array([x, y + e * 0.15]),
                e * rng.uniform(0.6, 0.9),
                rng.normal(0, 1.0),
                bool(rng.random() < 0.5),
            )
            inside = a > 0.7
            if inside.any():
                own = np.median(pixels[inside], 0)
                pixels = skin + (pixels - own) * np.clip(skin / np.maximum(own, 20), 0.4, 1.6)
                face.lay(pixels, np.clip((a - 0.3) / 0.5, 0, 1))
                face.labels["hand_near"] = 1.0
                face.labels["hand"] = None
    over, mouth = face.covered(alpha, INNER), face.covered(alpha, LIPS)
    eye = max(face.covered(alpha, eye) for eye in EYES)
    if over > 0.18 or mouth > 0.5 or eye > 0.6:
        face.labels["object"] = 1.0
    elif over > 0.04 or mouth > 0.1 or eye > 0.2:
        face.labels["object"] = None
    if kind == "bar" and eye > 0.6:
        face.labels["sunglasses"] = None
    if mouth > 0.4:
        face.labels["mask"] = None


def hair(face: Face, rng: Rng) -> None:
    """Strands from the head's top across the face."""
    p, e = face.points, face.extent
    side = rng.choice([-1, 1])
    start = p[10] + np.array([side * rng.uniform(-0.1, 0.4), -rng.uniform(0, 0.15)]) * e
    end = (p[58] if side < 0 else p[288]) + np.array(
        [-side * rng.uniform(-0.1, 0.35), rng.uniform(-0.2, 0.6)]
    ) * e
    bend = (p[159] if side < 0 else p[386]) + rng.normal(0, e * 0.12, 2)
    tone = np.array([rng.uniform(10, 190)] * 3) * [1, rng.uniform(0.7, 0.95), rng.uniform(0.4, 0.9)]
    spread = e * rng.uniform(0.01, 0.12)
    alpha = np.zeros((face.size, face.size), np.float32)
    for _ in range(int(rng.integers(3, 9))):
        off = rng.normal(0, spread, 2)
        t = np.linspace(0, 1, 12)[:, None]
        path = (1 - t) ** 2 * (start + off * 0.4) + 2 * t * (1 - t) * (bend + off) + t**2 * (end + off * 1.4)
        a = stroke(face.size, [path], rng.uniform(1, max(1.5, e * 0.07)), 0.5)
        face.lay(tone * rng.uniform(0.6, 1.4) + noise(rng, face.size, 2) * 6, a)
        alpha = np.maximum(alpha, a)
    eye = max(face.covered(alpha, eye) for eye in EYES)
    face.labels["hair"] = 1.0 if eye > 0.55 or face.covered(alpha, INNER) > 0.25 else None


def beard(face: Face, rng: Rng) -> None:
    """A beard: covers what a mask covers, but the lips, and alarms nobody."""
    p, e = face.points, face.extent
    jaw = p[JAW[2:-2]].copy()
    jaw[:, 1] += np.sin(np.linspace(0, np.pi, len(jaw))) * e * rng.uniform(0, 0.2)
    upper = [
        p[454] * 0.4 + p[361] * 0.6,
        p[280] * 0.3 + p[410] * 0.7,
        p[2] * 0.7 + p[0] * 0.3,
        p[50] * 0.3 + p[186] * 0.7,
    ]
    alpha = face.area([*jaw, *upper], e * 0.025) * (1 - face.area(p[LIPS], 1.0)) * rng.uniform(0.4, 0.95)
    tone = np.array([rng.uniform(8, 150)] * 3) * [1, rng.uniform(0.75, 0.98), rng.uniform(0.5, 0.95)]
    grain = noise(rng, face.size, 2)[..., 0]
    face.lay(tone * (1 + grain * 0.4)[..., None], np.clip(alpha * (1 + grain * 0.35), 0, 1))


def collar(face: Face, rng: Rng, patches: list[np.ndarray]) -> None:
    """A scarf or collar that ends at the chin."""
    p, e = face.points, face.extent
    y = p[152][1] + e * rng.uniform(-0.02, 0.15)
    w = e * rng.uniform(0.35, 0.9)
    x = p[152][0]
    outline = [
        [x - w, y - e * rng.uniform(-0.05, 0.25)],
        [x - w * 0.4, y],
        [x + w * 0.4, y],
        [x + w, y - e * rng.uniform(-0.05, 0.25)],
    ]
    outline += [[x + w * 1.3, y + e * 1.5], [x - w * 1.3, y + e * 1.5]]
    alpha = face.area(outline) * (1 - face.area(p[OVAL], 0.5) * (rng.random() < 0.7))
    face.lay(texture(rng, face.size, patches) * light(face, rng), alpha)


def hat(face: Face, rng: Rng, patches: list[np.ndarray]) -> None:
    """A hat or headband down to somewhere above the brows."""
    p, e = face.points, face.extent
    y = p[10][1] + (p[[105, 334]].mean(0)[1] - p[10][1]) * rng.uniform(-0.2, 0.75)
    w = e * rng.uniform(0.42, 0.6)
    x = p[10][0]
    top = y - e * rng.uniform(0.12, 0.5)
    outline = [
        [x - w, y + e * rng.uniform(0, 0.1)],
        [x, y],
        [x + w, y + e * rng.uniform(0, 0.1)],
        [x + w * 0.8, top],
        [x - w * 0.8, top],
    ]
    face.lay(texture(rng, face.size, patches) * light(face, rng), face.area(outline))


def headset(face: Face, rng: Rng) -> None:
    """A thin boom with a small microphone near the mouth's corner."""
    p, e = face.points, face.extent
    side = rng.choice([-1, 1])
    ear, mouth = (p[234], p[61]) if side < 0 else (p[454], p[291])
    tip = mouth + np.array([side * rng.uniform(0.02, 0.15), rng.uniform(0.0, 0.12)]) * e
    path = [ear, (ear + tip) / 2 + [side * e * 0.04, e * 0.06], tip]
    t = np.linspace(0, 6.3, 12)
    alpha = np.maximum(
        stroke(face.size, [path], e * 0.012),
        blot(face.size, [tip + np.stack([np.cos(t), np.sin(t)], 1) * e * rng.uniform(0.015, 0.035)], 0.4),
    )
    face.lay(np.full(3, rng.uniform(5, 60)), alpha)


def shadow(face: Face, rng: Rng) -> None:
    """Eyes in the shade of brows, a brim or light from above: dark, but not behind glasses."""
    p, e = face.points, face.extent
    eyes = p[[33, 133, 263, 362]].mean(0)
    y, x = np.mgrid[: face.size, : face.size].astype(np.float32)
    if rng.random() < 0.5:
        spots = [p[[33, 133]].mean(0), p[[263, 362]].mean(0)]
        r = e * rng.uniform(0.08, 0.14)
        depth = sum(np.exp(-(((x - c[0]) / (r * 1.4)) ** 2) - ((y - c[1]) / r) ** 2) for c in spots)
    else:
        depth = 0.5 - 0.5 * np.tanh((y - eyes[1] - e * rng.uniform(0.0, 0.2)) / (e * rng.uniform(0.02, 0.12)))
    face.pixels *= (1 - np.clip(depth, 0, 1) * rng.uniform(0.2, 0.7))[..., None]
