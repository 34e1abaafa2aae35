"""Boxes, landmarks and the deciding rule, drawn on a picture with Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

from screentest.reports.entry import ReportEntry
from screentest.reports.marks import Mark, marks
from screentest.screening.reasons import explain
from screentest.screening.reasons.deciding import deciding

MAX_PIXELS = 100_000_000
"""Larger pictures are not decoded for a report: twice the largest that a model accepts (7000 × 7000)."""

ANNOTATED_SIDE = 1600
"""Longer side of an annotated picture: enough to see landmarks on a face, small enough to send around."""

SMALLEST_SIDE = 480
"""Smaller pictures are enlarged to this, so that labels can be read on them."""

VERDICT_COLOURS = {"pass": "#15803d", "reject": "#b91c1c", "error": "#7e22ce"}
FACE_COLOUR = "#22d3ee"
EXTENDED_COLOUR = "#facc15"
PERSON_COLOUR = "#f472b6"
LANDMARK_COLOUR = "#a3e635"
MARK_COLOURS = {
    "face": FACE_COLOUR,
    "person": PERSON_COLOUR,
    "hand": LANDMARK_COLOUR,
    "skeleton": LANDMARK_COLOUR,
    "axis": "#fb923c",
    "upright": "#f8fafc",
    "reason": "#fb923c",
    "covered": "#fb923c",
    "failed": "#fb923c",
}
"""Orange is what decided."""
CAPTION_BACKGROUND = "#111827"
CAPTION_TEXT = "#f9fafb"
CAPTION_FAINT = "#cbd5e1"

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small upright copy: WebP bytes, and the size in pixels of the upright original."""

    data: bytes
    width: int
    height: int


def opened(picture: bytes, side: int) -> tuple[Image.Image, tuple[int, int]] | None:
    """An upright RGB copy, its longer side at most `side`, and the upright original's size; None if unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(picture), formats=_FORMATS)
            width, height = image.size
            if width * height > MAX_PIXELS:
                return None
            # JPEG decoders can skip work for a smaller copy, by a power of two, never below `side`.
            image.draft("RGB", (side, side))
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
            if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                layer = upright.convert("RGBA")
                upright = Image.new("RGB", layer.size, "white")
                upright.paste(layer, mask=layer.getchannel("A"))
            if upright.mode.startswith("I;16") or upright.mode == "I":
                upright = upright.point(lambda value: value / 256).convert("L")
            return upright.convert("RGB"), (height, width) if turned else (width, height)
    except (OSError, ValueError, SyntaxError, ArithmeticError, MemoryError, Image.DecompressionBombError):
        # Pillow's decoders raise all of these for damaged files; to a report each means: nothing to show.
        return None


def thumbnail(picture: bytes, side: int) -> Thumbnail | None:
    """A copy without drawings, its longer side at most `side` pixels; None if the picture cannot be read."""
    found = opened(picture, side)
    if found is None:
        return None
    image, (width, height) = found
    out = io.BytesIO()
    image.save(out, "WEBP", quality=72, method=3)
    return Thumbnail(out.getvalue(), width, height)


def annotate(entry: ReportEntry, *, side: int = ANNOTATED_SIDE) -> bytes | None:
    """The picture of an entry with its boxes, landmarks and verdict drawn on it.

    Args:
        entry: a screening whose `picture` is at hand.
        side: longer side of the drawn picture at most, in pixels; the caption is added below it.

    Returns:
        A JPEG, or None if the picture cannot be read.
    """
    found = opened(entry.picture, side) if entry.picture is not None else None
    if found is None:
        return None
    image, (width, height) = found
    if max(image.size) < SMALLEST_SIDE:
        factor = SMALLEST_SIDE / max(image.size)
        image = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))
    draw_evidence(image, entry, (width, height))
    captioned = _with_caption(image, entry)
    out = io.BytesIO()
    captioned.save(out, "JPEG", quality=88)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Pen:
    """Draws in coordinates of the original on a scaled copy."""

    image: Image.Image
    scale: tuple[float, float]

    @property
    def unit(self) -> float:
        """A hundredth of the longer side: what line widths and letters are measured in."""
        return max(self.image.size) / 100

    def points(self, points: Sequence[Sequence[float]]) -> None:
        """Dots, smaller where there are many."""
        draw = ImageDraw.Draw(self.image)
        radius = max(1.0, self.unit / (10 if len(points) > 100 else 4))
        for x, y in points:
            cx, cy = x * self.scale[0], y * self.scale[1]
            draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=LANDMARK_COLOUR)

    def _at(self, point: Sequence[float]) -> tuple[float, float]:
        return point[0] * self.scale[0], point[1] * self.scale[1]

    def mark(self, mark: Mark) -> None:
        """One of `screentest.reports.marks`."""
        style = mark["style"]
        colour = MARK_COLOURS[style]
        if mark["kind"] == "box":
            self.box(mark["points"], colour, "", thin=style == "person")
        elif mark["kind"] == "label":
            self.label(self._at(mark["at"]), mark["text"], colour)
        elif mark["kind"] == "hatch":
            self.hatch([self._at(point) for point in mark["points"]], colour)
        else:
            thick = {"axis": 1.7, "failed": 2.5, "upright": 0.8}.get(style, 1.0)
            self.line([self._at(point) for point in mark["points"]], colour, thick)

    def line(self, points: Sequence[tuple[float, float]], colour: str, thick: float) -> None:
        """A line with a dark edge."""
        draw = ImageDraw.Draw(self.image)
        width = max(2, round(self.unit / 2.6 * thick))
        draw.line(points, fill="#000000", width=width + 2, joint="curve")
        draw.line(points, fill=colour, width=width, joint="curve")

    def hatch(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """A polygon filled with slanting lines."""
        if len(points) < 3:
            return
        inside = Image.new("L", self.image.size)
        ImageDraw.Draw(inside).polygon(points, fill=255)
        lines = Image.new("L", self.image.size)
        draw, step = ImageDraw.Draw(lines), max(6, round(self.unit * 1.6))
        height = self.image.height
        for start in range(-height, self.image.width, step):
            draw.line((start, height, start + height, 0), fill=230, width=max(2, step // 3))
        self.image.paste(colour, mask=ImageChops.multiply(inside, lines))
        self.line([*points, points[0]], colour, 0.6)

    def dim_outside(self, box: Sequence[float]) -> None:
        """Darken everything outside a box: what the video does not show."""
        shade = Image.new("L", self.image.size, 130)
        (x1, y1), (x2, y2) = self._at(box[:2]), self._at(box[2:])
        ImageDraw.Draw(shade).rectangle((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), fill=0)
        self.image.paste("#000000", mask=shade)

    def label(self, at: tuple[float, float], text: str, colour: str) -> None:
        """Words on a plate, kept inside the picture."""
        font = ImageFont.load_default(max(14, round(self.unit * 3)))
        draw = ImageDraw.Draw(self.image)
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        pad = max(3, round(self.unit / 2))
        w, h = right - left + 2 * pad, bottom - top + 2 * pad
        x = min(max(0.0, at[0] - w / 2), max(0.0, self.image.width - w))
        y = min(max(0.0, at[1] - h / 2), max(0.0, self.image.height - h))
        draw.rectangle((x, y, x + w, y + h), fill=colour, outline="#000000")
        draw.text((x + pad - left, y + pad - top), text, font=font, fill="#000000")

    def box(self, box: Sequence[float], colour: str, label: str, *, thin: bool = False) -> None:
        """A box with a dark edge, readable on any picture, and its label inside the frame."""
        draw = ImageDraw.Draw(self.image)
        line = max(1 if thin else 2, round(self.unit / (8 if thin else 4)))
        x1, x2 = sorted((box[0] * self.scale[0], box[2] * self.scale[0]))
        y1, y2 = sorted((box[1] * self.scale[1], box[3] * self.scale[1]))
        draw.rectangle((x1, y1, x2, y2), outline="#000000", width=line + 2)
        draw.rectangle((x1 + 1, y1 + 1, max(x1 + 1, x2 - 1), max(y1 + 1, y2 - 1)), outline=colour, width=line)
        if not label:
            return
        font = ImageFont.load_default(max(12, round(self.unit * 1.8)))
        left, top, right, bottom = draw.textbbox((0, 0), label, font=font)
        pad = line + 2
        w, h = right - left + 2 * pad, bottom - top + 2 * pad
        lx = min(max(0.0, x1), max(0.0, self.image.width - w))
        ly = min(max(0.0, y1), max(0.0, self.image.height - h))
        draw.rectangle((lx, ly, lx + w, ly + h), fill=colour)
        draw.text((lx + pad - left, ly + pad - top), label, font=font, fill="#000000")


def draw_evidence(image: Image.Image, entry: ReportEntry, size: tuple[int, int]) -> None:
    """Draw what was found and what decided, in place.

    Args:
        image: an upright copy of the picture, of any scale.
        entry: the screening.
        size: of the upright original, pixels: what coordinates refer to.
    """
    pen = _Pen(image, (image.width / size[0], image.height / size[1]))
    if entry.ext_bbox:
        pen.dim_outside(entry.ext_bbox)
    evidence: Mapping[str, Any] = entry.explanation or {}
    if entry.verdict == "pass":
        for points in evidence.get("landmarks", {}).values():
            pen.points(points)
    for mark in marks(evidence, size, with_face=entry.face_bbox is None):
        pen.mark(mark)
    if entry.ext_bbox:
        pen.box(entry.ext_bbox, EXTENDED_COLOUR, "the video shows this")
    if entry.face_bbox:
        pen.box(entry.face_bbox, FACE_COLOUR, "face")


def _with_caption(image: Image.Image, entry: ReportEntry) -> Image.Image:
    """The picture above a caption: verdict, code, reason and the rule that failed.

    The font that Pillow carries is Latin, so the words on a picture are English in every language.
    """
    width = max(image.width, SMALLEST_SIDE)
    size = max(14, round(max(image.size) / 50))
    large, small = ImageFont.load_default(size * 1.25), ImageFont.load_default(size)
    words = explain(entry.code, entry.model, "en", ratio=entry.ratio)
    what = " ".join(part for part in (entry.model, entry.ratio, entry.body_style) if part)
    verdict = f"{entry.verdict.upper()}  {entry.code}" if entry.code else entry.verdict.upper()
    measured = deciding(entry.explanation)
    lines = [(verdict, large, CAPTION_TEXT)]
    lines += [(measured[0].upper() + measured[1:], large, CAPTION_TEXT)] if measured else []
    lines += [(words.title, small, CAPTION_TEXT), (what, small, CAPTION_FAINT)]
    measure = ImageDraw.Draw(image)
    wrapped = [
        (piece, font, colour)
        for text, font, colour in lines
        for piece in _wrap(measure, text, font, width - 3 * size)
    ]
    step = round(size * 1.7)
    canvas = Image.new("RGB", (width, image.height + step * len(wrapped) + size), CAPTION_BACKGROUND)
    canvas.paste(image, ((width - image.width) // 2, 0))
    draw = ImageDraw.Draw(canvas)
    colour = VERDICT_COLOURS[entry.verdict]
    draw.rectangle((0, image.height, size // 2, canvas.height), fill=colour)
    for index, (piece, font, ink) in enumerate(wrapped):
        draw.text((size * 1.5, image.height + size // 2 + index * step), piece, font=font, fill=ink)
    return canvas


def _wrap(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: float
) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and draw.textlength(longer, font=font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
