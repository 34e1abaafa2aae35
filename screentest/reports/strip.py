"""A strip worth forwarding: a few screenings side by side, each with its reason drawn and in one line."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from screentest.reports.drawing import (
    CAPTION_BACKGROUND,
    CAPTION_TEXT,
    VERDICT_COLOURS,
    draw_evidence,
    opened,
)
from screentest.reports.entry import ReportEntry
from screentest.screening.reasons.deciding import deciding

SIDE = 400
"""Width and height of each picture, pixels."""
GAP = 8
CAPTION = 84
"""Height of the caption, pixels: two lines."""


def draw_strip(entries: Sequence[ReportEntry]) -> bytes | None:
    """The upper square of each picture with its marks, verdict and what decided, as one JPEG.

    Returns:
        None where no picture can be read.
    """
    panels = [panel for panel in map(_panel, entries) if panel is not None]
    if not panels:
        return None
    width = len(panels) * (SIDE + GAP) - GAP
    strip = Image.new("RGB", (width, SIDE + CAPTION), "white")
    for number, panel in enumerate(panels):
        strip.paste(panel, (number * (SIDE + GAP), 0))
    out = io.BytesIO()
    strip.save(out, "JPEG", quality=85, optimize=True)
    return out.getvalue()


def _panel(entry: ReportEntry) -> Image.Image | None:
    found = opened(entry.picture, 2 * SIDE) if entry.picture is not None else None
    if found is None:
        return None
    image, size = found
    draw_evidence(image, entry, size)
    side = min(image.size)
    left = (image.width - side) // 2
    image = image.crop((left, 0, left + side, side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    panel = Image.new("RGB", (SIDE, SIDE + CAPTION), CAPTION_BACKGROUND)
    panel.paste(image, (0, 0))
    draw = ImageDraw.Draw(panel)
    draw.rectangle((0, SIDE, 10, SIDE + CAPTION), fill=VERDICT_COLOURS[entry.verdict])
    measured = deciding(entry.explanation) or "can drive the video"
    draw.text((24, SIDE + 12), entry.verdict, font=ImageFont.load_default(26), fill=CAPTION_TEXT)
    said = measured[0].upper() + measured[1:]
    font = ImageFont.load_default(20)
    while draw.textlength(said, font=font) > SIDE - 34:
        font = ImageFont.load_default(font.size - 1)  # type: ignore[union-attr] # a FreeType font
    draw.text((24, SIDE + 48), said, font=font, fill=CAPTION_TEXT)
    return panel
