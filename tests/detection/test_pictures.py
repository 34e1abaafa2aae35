"""Bytes to upright RGB pixels: formats, modes, orientation, limits, garbage."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from screentest.detection.errors import PictureTooLarge, UnreadablePicture
from screentest.detection.pictures import Picture, decode, probe


def gradient(width: int = 600, height: int = 450) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Picture:
    return decode(data, probe(data))


def difference(picture: Picture, expected: Image.Image) -> float:
    a = np.asarray(picture.image.resize(expected.size), np.int16)
    return float(np.abs(a - np.asarray(expected, np.int16)).mean())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("BMP", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_formats(kind: str, options: dict[str, Any]) -> None:
    picture = opened(encoded(gradient(), kind, **options))
    assert (picture.width, picture.height) == (600, 450)
    assert difference(picture, gradient()) < 3


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1"])
def test_modes(mode: str) -> None:
    image = gradient().convert("RGBA" if mode == "LA" else mode)
    image = image.convert("LA") if mode == "LA" else image
    data = encoded(image, "JPEG" if mode == "CMYK" else "PNG")
    expected = image.convert("RGB")
    assert difference(opened(data), expected) < 4


def test_transparency_is_laid_on_white() -> None:
    image = gradient().convert("RGBA")
    image.putalpha(0)
    assert np.asarray(opened(encoded(image, "PNG")).image).min() == 255


def test_sixteen_bits_are_scaled() -> None:
    values = (np.linspace(0, 65_535, 600)[None].repeat(450, 0)).astype(np.uint16)
    picture = opened(encoded(Image.fromarray(values), "PNG"))
    assert abs(int(np.asarray(picture.image)[0, 300, 0]) - 127) <= 1


def test_the_first_frame_of_an_animation() -> None:
    second = Image.new("RGB", (600, 450))
    for kind in ("WEBP", "PNG"):
        data = encoded(gradient(), kind, save_all=True, append_images=[second], lossless=True)
        assert difference(opened(data), gradient()) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_applied(orientation: int, kind: str) -> None:
    upright = gradient()
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's operations, undone by the orientation
    stored = upright.transpose(Image.Transpose(inverse[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = opened(encoded(stored, kind, exif=exif))
    assert (picture.width, picture.height) == (600, 450)
    assert difference(picture, upright) < 4


@pytest.mark.parametrize("lossless", [False, True])
def test_large_webp_pictures_are_reduced_while_they_are_decoded_and_look_alike(lossless: bool) -> None:
    image = gradient(4000, 3001).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    picture = opened(encoded(image, "WEBP", lossless=lossless, quality=50, method=0))
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image.getchannel("A"))
    assert picture.size == (2000, 1501)
    assert difference(picture, canvas) < 4


def test_large_pictures_are_reduced_and_know_their_size() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        picture = opened(encoded(gradient(4000, 3001), kind))
        assert (picture.width, picture.height) == (4000, 3001)
        assert max(picture.size) < 2100
        assert picture.scale[0] == pytest.approx(4000 / picture.size[0])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
@pytest.mark.parametrize("keep", [0.02, 0.3, 0.9])
def test_truncated(kind: str, keep: float) -> None:
    data = encoded(gradient(), kind)
    with pytest.raises(UnreadablePicture):
        opened(data[: int(len(data) * keep)])


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    for start in (
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"BM",
        b"RIFF\0\0\0\0WEBPVP8X",
        b"RIFF\0\0\0\0WEBPVP8 ",
    ):
        with pytest.raises(UnreadablePicture):
            opened(start + data)


@pytest.mark.parametrize(
    ("side", "error"), [(6_000, UnreadablePicture), (16_000, PictureTooLarge), (100_000, PictureTooLarge)]
)
def test_a_lying_header(side: int, error: type[Exception]) -> None:
    data = bytearray(encoded(gradient(), "PNG"))
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(error):
        opened(bytes(data))


def test_other_formats_are_refused() -> None:
    for kind in ("GIF", "TIFF"):
        with pytest.raises(UnreadablePicture):
            probe(encoded(gradient(), kind))
