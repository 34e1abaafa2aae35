"""For each rule a picture that it alone rejects, made in code from the pictures that pinned packages carry."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from screentest.demo import pictures
from screentest.detection.models import ANIMATE_ANYONE, EMO, EMOJI, LIVEPORTRAIT, WAN_S2V, ModelSpec
from screentest.detection.vision.mesh import FaceMesh
from screentest.detection.vision.networks import Networks

SUIT, SHOE = (18, 19, 27), (60, 40, 30)


def bust() -> Image.Image:
    """Head and shoulders, facing the camera, face about 225 pixels wide, its middle at (320, 315); 700 x 700."""
    return pictures.shoulders_up()


def _paint(
    picture: Image.Image, colour: tuple[int, int, int], *shapes: Sequence[tuple[float, float]]
) -> Image.Image:
    mask = Image.new("L", picture.size)
    for shape in shapes:
        ImageDraw.Draw(mask).polygon(shape, fill=255)
    return Image.composite(
        Image.new("RGB", picture.size, colour), picture, mask.filter(ImageFilter.GaussianBlur(2))
    )


def _ellipse(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    steps = np.linspace(0, 2 * math.pi, 40)
    return [(x + width / 2 * math.cos(a), y + height / 2 * math.sin(a)) for a in steps]


def _turned(picture: Image.Image, *, yaw: float = 0.0, pitch: float = 0.0) -> Image.Image:
    """The head turned by so many degrees: each pixel gets the depth of the face mesh about it and is moved in space."""
    networks = Networks()
    face = networks.faces(picture, 0.5)[0]
    points = networks.mesh(picture, FaceMesh.region(face)).points[:468].astype(np.float64)
    middle = points.mean(0)
    pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    step = 8
    ys, xs = np.mgrid[0:height:step, 0:width:step].astype(np.float64)
    distance = (xs[..., None] - points[:, 0]) ** 2 + (ys[..., None] - points[:, 1]) ** 2
    spread = (0.07 * face.width) ** 2
    nearest = distance.min(-1)
    weights = np.exp(-(distance - nearest[..., None]) / (2 * spread))
    depth = (weights * points[:, 2]).sum(-1) / weights.sum(-1) + 0.9 * np.sqrt(
        np.maximum(nearest - spread, 0)
    )
    depth = np.minimum(depth, points[:, 2].max() + 0.5 * face.width) - middle[2]
    fine = Image.fromarray(depth.astype(np.float32)).resize((2 * width, 2 * height), Image.Resampling.BICUBIC)
    z = np.asarray(fine, np.float64)
    source = np.asarray(picture.resize((2 * width, 2 * height), Image.Resampling.BICUBIC))
    ys, xs = np.mgrid[0 : 2 * height, 0 : 2 * width].astype(np.float64) / 2
    head = (np.abs(xs - middle[0]) < 0.95 * face.width) & (ys < points[:, 1].max() + 0.1 * face.width)
    x, y, turn, nod = xs - middle[0], ys - middle[1], math.radians(yaw), math.radians(pitch)
    x, z = x * math.cos(turn) - z * math.sin(turn), x * math.sin(turn) + z * math.cos(turn)
    y, z = y * math.cos(nod) - z * math.sin(nod), y * math.sin(nod) + z * math.cos(nod)
    tx = np.clip((x + middle[0]).round().astype(int), 0, width - 1)[head]
    ty = np.clip((y + middle[1]).round().astype(int), 0, height - 1)[head]
    order = np.argsort(-z[head])
    result = np.empty_like(pixels)
    result[:] = np.median(pixels[: height // 3, -width // 5 :].reshape(-1, 3), axis=0)
    body = slice(int(points[:, 1].max() + 0.1 * face.width), None)
    result[body] = pixels[body]
    result[ty[order], tx[order]] = source[head][order]
    return Image.fromarray(result).filter(ImageFilter.MedianFilter(3))


def _hand() -> tuple[Image.Image, Image.Image]:
    """The hand of the man with folded arms, and where it is."""
    part = pictures.waist_up().crop((540, 750, 760, 930))
    red, _, blue = (np.asarray(band, np.int16) for band in part.split())
    mask = Image.fromarray(((red - blue > 25) & (red > 90)).astype(np.uint8) * 255)
    return part, mask.filter(ImageFilter.MedianFilter(5))


def _with_hand(at: tuple[int, int], turn: float, scale: float = 1.25) -> Image.Image:
    picture = bust()
    part, mask = _hand()
    size = (round(part.width * scale), round(part.height * scale))
    part, mask = part.resize(size).rotate(turn, expand=True), mask.resize(size).rotate(turn, expand=True)
    picture.paste(part, at, mask)
    return picture


def _upper_body(height: int) -> Image.Image:
    """The man who stands with folded arms, from the head down to `height` pixels of the source."""
    with Image.open(pictures.fetch() / pictures.PACKAGES[0].sha256[:16] / "obama3.jpg") as opened:
        part = opened.convert("RGB").crop((180, 120, 1310, height))
    return part.resize((565, round(part.height / 2)), Image.Resampling.BOX)


def standing(cut: float = 1.0) -> Image.Image:
    """A whole man: the one from the thighs up, given legs and shoes; `cut` parts of the height are kept."""
    upper = _upper_body(2333)
    picture = Image.new("RGB", (800, 1900), (120, 150, 190))
    picture.paste(
        upper.crop((0, 0, 40, 900)).resize((800, 1300)).filter(ImageFilter.GaussianBlur(30)), (0, 0)
    )
    picture.paste(upper, (110, 40))
    draw = ImageDraw.Draw(picture)
    top, knee, ankle = 1140, 1310, 1730
    for left, right, foot in ((190, 382, 255), (376, 566, 480)):
        middle = (left + right) / 2
        draw.polygon([(left, top), (right, top), (middle + 72, knee), (middle - 72, knee)], SUIT)
        shin = [(middle - 72, knee), (middle + 72, knee), (foot + 52, ankle), (foot - 52, ankle)]
        draw.polygon(shin, (24, 25, 34))
        draw.ellipse((middle - 60, knee - 40, middle + 60, knee + 40), (30, 31, 42))
        shoe = [(foot - 40, ankle), (foot + 40, ankle), (foot + 62, ankle + 75), (foot - 62, ankle + 75)]
        draw.polygon(shoe, SHOE)
    return picture.crop((0, 0, 800, round(1900 * cut)))


def seated() -> Image.Image:
    """The same man on a bench, knees towards the camera."""
    picture = Image.new("RGB", (1300, 1700), (150, 160, 175))
    picture.paste(_upper_body(2050).crop((40, 0, 525, 965)), (140, 40))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((120, 900, 700, 1000), (110, 70, 40))
    for hip, knee in ((300, 150), (470, 620)):
        draw.polygon([(hip - 100, 880), (hip + 100, 880), (knee + 85, 1030), (knee - 85, 1030)], (24, 25, 34))
        draw.ellipse((knee - 88, 960, knee + 88, 1110), (44, 45, 58))
        draw.polygon(
            [(knee - 80, 1040), (knee + 80, 1040), (knee + 48, 1480), (knee - 48, 1480)], (30, 31, 40)
        )
        draw.ellipse((knee - 60, 1450, knee + 60, 1560), SHOE)
    return picture


def side_on() -> Image.Image:
    """A man whose body is as narrow as from the side, under a head that still looks at the camera."""
    source, neck = pictures.source("biden.jpg").crop((0, 0, 970, 1500)), 560
    picture = Image.new("RGB", source.size, (180, 160, 120))
    picture.paste(source.crop((250, 0, 820, neck)), (250, 0))
    picture = _turned(picture, yaw=32)
    picture.paste(source.crop((0, neck, 970, 1500)).resize((260, 940)), (370, neck))
    return picture


def back() -> Image.Image:
    """A man from behind: his face is made the back of a head."""
    picture = pictures.waist_up()
    hair = picture.crop((400, 30, 580, 110)).resize((330, 440))
    shape = Image.new("L", picture.size)
    ImageDraw.Draw(shape).ellipse((350, 20, 630, 470), fill=255)
    over = picture.copy()
    over.paste(hair, (325, 25))
    return _paint(
        Image.composite(over, picture, shape), SUIT, [(300, 480), (620, 480), (640, 1137), (280, 1137)]
    )


def sunglasses() -> Image.Image:
    """Large opaque glasses."""
    frame = [(300, 272), (350, 272), (350, 290), (300, 290)]
    temple = [(120, 262), (200, 270), (200, 284), (120, 274)]
    return _paint(
        bust(), (12, 12, 14), _ellipse(262, 292, 150, 112), _ellipse(392, 292, 150, 112), frame, temple
    )


def shouting() -> Image.Image:
    """The mouth drawn out downwards, chin and all."""
    picture = bust()
    result = picture.copy()
    result.paste(picture.crop((0, 418, 700, 455)).resize((700, 90)), (0, 418))
    result.paste(picture.crop((0, 455, 700, 647)), (0, 508))
    return result


PICTURES: dict[str, tuple[Callable[[], Image.Image], ModelSpec, str]] = {
    "nobody": (pictures.cat, EMO, "1:1"),
    "another person": (pictures.two_people, EMO, "1:1"),
    "several people": (pictures.two_people, WAN_S2V, "1:1"),
    "face too small": (pictures.far_away, EMO, "1:1"),
    "face too large": (lambda: bust().crop((150, 90, 520, 560)).resize((600, 762)), EMO, "1:1"),
    "too dark": (pictures.too_dark, EMO, "1:1"),
    "too soft": (lambda: bust().filter(ImageFilter.GaussianBlur(14)), EMO, "1:1"),
    "facing away": (back, EMO, "1:1"),
    "face hidden": (
        lambda: _paint(pictures.waist_up(), (120, 90, 60), [(370, 150), (610, 150), (610, 420), (370, 420)]),
        EMO,
        "1:1",
    ),
    "mask": (pictures.masked, EMO, "1:1"),
    "sunglasses": (sunglasses, EMO, "1:1"),
    "object over face": (
        lambda: _paint(bust(), (52, 58, 70), [(330, 240), (470, 225), (490, 480), (350, 495)]),
        EMO,
        "1:1",
    ),
    "face covered": (lambda: _with_hand((215, 330), 90, 1.7), EMO, "1:1"),
    "head turned": (lambda: _turned(pictures.calm_face(), yaw=55), EMO, "1:1"),
    "head not frontal": (lambda: _turned(pictures.calm_face(), yaw=30), EMOJI, "1:1"),
    "head tilted": (pictures.tilted, EMO, "1:1"),
    "head lying": (
        lambda: bust().rotate(60, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)),
        LIVEPORTRAIT,
        "1:1",
    ),
    "head nodding": (lambda: _turned(bust(), pitch=52), EMO, "1:1"),
    "head cut": (lambda: pictures.waist_up().crop((410, 0, 910, 1137)), EMO, "1:1"),
    "chest crop": (bust, EMO, "3:4"),
    "hips outside": (lambda: pictures.waist_up().crop((0, 0, 910, 1000)), EMO, "3:4"),
    "hand near face": (lambda: _with_hand((400, 250), 60), EMOJI, "1:1"),
    "exaggerated expression": (shouting, EMOJI, "1:1"),
    "nobody or several": (pictures.two_people, ANIMATE_ANYONE, "1:1"),
    "body side-on": (side_on, ANIMATE_ANYONE, "1:1"),
    "seated": (seated, ANIMATE_ANYONE, "1:1"),
    "legs cut": (lambda: standing(0.82), ANIMATE_ANYONE, "1:1"),
    "body cut": (bust, ANIMATE_ANYONE, "1:1"),
    "large thing held": (
        lambda: _paint(pictures.waist_up(), (225, 110, 40), _ellipse(560, 860, 420, 420)),
        ANIMATE_ANYONE,
        "1:1",
    ),
}
"""By rule: what makes the picture, and the detector and ratio that see it."""

IMPLIED = {
    "another person": {"several people"},
    "chest crop": {"hips outside"},
    "mask": {"face covered"},
    "sunglasses": {"face covered"},
    "object over face": {"face covered"},
}
"""Rules that fail wherever another does, after it."""
