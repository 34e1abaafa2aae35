"""Drawing on pictures: the right pixels, any size, any file."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from screentest.reports import ReportEntry, annotate, thumbnail
from screentest.reports.drawing import EXTENDED_COLOUR, FACE_COLOUR, SMALLEST_SIDE


def encoded(size: tuple[int, int], *, mode: str = "RGB", kind: str = "PNG", orientation: int = 1) -> bytes:
    image = Image.new(mode, size, 1 if mode == "1" else None)
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
    return out.getvalue()


def entry(picture: bytes, **more: object) -> ReportEntry:
    values = {
        "name": "a.jpg",
        "model": "emo-detect-v1",
        "verdict": "pass",
        "ratio": "1:1",
        "picture": picture,
    } | more
    return ReportEntry(**values)  # type: ignore[arg-type]


def drawn(one: ReportEntry) -> Image.Image:
    data = annotate(one)
    assert data is not None
    return Image.open(io.BytesIO(data)).convert("RGB")


def near(pixel: Any, colour: str) -> bool:
    wanted = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return bool(sum(abs(a - b) for a, b in zip(pixel, wanted, strict=True)) < 120)


def test_boxes_are_drawn_where_they_are() -> None:
    image = drawn(entry(encoded((1000, 800)), face_bbox=[400, 300, 600, 500], ext_bbox=[250, 70, 750, 570]))
    assert near(image.getpixel((598, 400)), FACE_COLOUR)
    assert near(image.getpixel((748, 400)), EXTENDED_COLOUR)
    pixel: Any = image.getpixel((500, 400))
    assert pixel < (20, 20, 20)
    assert image.height > 800


def test_boxes_are_scaled_with_a_large_picture() -> None:
    image = drawn(entry(encoded((4000, 3200), kind="JPEG"), face_bbox=[1600, 1200, 2400, 2000]))
    assert image.width == 1600
    assert near(image.getpixel((957, 640)), FACE_COLOUR)


def test_an_upright_copy_is_drawn_on() -> None:
    small = thumbnail(encoded((600, 300), kind="JPEG", orientation=6), 100)
    assert small is not None
    assert (small.width, small.height) == (300, 600)
    with Image.open(io.BytesIO(small.data)) as copy:
        assert copy.size == (50, 100)
    image = drawn(entry(encoded((1000, 500), kind="JPEG", orientation=6), face_bbox=[100, 600, 300, 800]))
    assert near(image.getpixel((298, 700)), FACE_COLOUR)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_is_drawn_on(mode: str) -> None:
    assert drawn(entry(encoded((500, 500), mode=mode), face_bbox=[1, 1, 9, 9])).width == 500


def test_cmyk_is_drawn_on() -> None:
    assert drawn(entry(encoded((500, 500), mode="CMYK", kind="JPEG"))).width == 500


@settings(deadline=None, max_examples=30)
@given(
    st.tuples(st.integers(1, 700), st.integers(1, 700)),
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
    st.sampled_from(["pass", "reject", "error"]),
)
def test_any_size_and_any_box_is_drawn(size: tuple[int, int], box: list[float], verdict: str) -> None:
    image = drawn(
        entry(
            encoded(size),
            face_bbox=box,
            ext_bbox=box,
            verdict=verdict,
            code="X",
            explanation={"boxes": {"p": box}},
        )
    )
    assert max(image.size) >= SMALLEST_SIDE


@pytest.mark.parametrize(
    "data", [b"", b"no picture", encoded((300, 300))[:60], encoded((9, 9), kind="BMP")[:30]]
)
def test_what_cannot_be_read_is_not_drawn(data: bytes) -> None:
    assert annotate(entry(data)) is None
    assert thumbnail(data, 100) is None


def test_a_huge_picture_is_not_decoded() -> None:
    assert thumbnail(encoded((20_000, 9_000), mode="1"), 100) is None
