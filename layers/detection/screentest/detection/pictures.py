"""Bytes to upright RGB pixels, or a clear error.

A decoder sees of a file what makes pixels, in bounded numbers (`structure`), and nothing is decoded before the header
has said format and size. JPEG is decoded at the smallest of libjpeg's scales that
leaves what the measurements need; other formats are reduced by a whole factor afterwards.
"""

from __future__ import annotations

import ctypes
import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image, _webp

from screentest.detection import structure
from screentest.detection.errors import PictureTooLarge, UnreadablePicture

Pixels = npt.NDArray[np.uint8]

MAX_FILE_BYTES = 20 * 1024 * 1024
"""Of one picture: twice the largest documented limit (Emoji, 10 MB). More is `InvalidFile.Size`."""

MAX_SIDE = 16_383
"""A side that no legal picture has (7000 at most): longer ones are refused before a decoder sees them."""

MAX_PIXELS = 7_000 * 7_000
"""The most pixels that a legal picture has: EMO's and Emoji's limit on both sides."""

WORKING_SIDE = 1_400
"""The decoded picture keeps a longer side of at least this many pixels. A face of the smallest accepted share (0.08 of
the shorter side at 3:4) still has over 70 pixels in a 3:2 picture; the mesh grows unreliable below 60."""

STRIP_PIXELS = 2_000_000
"""Of a large picture are converted and reduced at a time: a few megabytes each."""

Image.MAX_IMAGE_PIXELS = None  # ours is checked on the header, with our own error

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPING = {_UPRIGHT[value] for value in (5, 6, 7, 8)}


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's header says. Sizes are as stored: orientation may swap them, limits do not care."""

    format: str
    width: int
    height: int


def sniff(data: bytes) -> str:
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:2] == b"BM":
        return "BMP"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise UnreadablePicture("not a JPEG, PNG, BMP or WebP picture" if data else "the file is empty")


def probe(data: bytes) -> Header:
    """Format by magic bytes and size by header; nothing is decoded.

    Raises:
        UnreadablePicture: no such picture.
        PictureTooLarge: more than any detector takes.
    """
    kind = sniff(data)
    try:
        seen = structure.essence(data, kind).data
        if kind == "WEBP":
            # Pillow's reader allocates the whole canvas when it opens a file.
            width, height = structure.size(seen, kind)
        else:
            with Image.open(io.BytesIO(seen), formats=(kind,)) as image:
                width, height = image.size
    except UnreadablePicture:
        raise
    except Exception as error:
        raise UnreadablePicture(f"the {kind} header is broken: {error}") from error
    if width < 1 or height < 1:
        raise UnreadablePicture(f"the {kind} header names an empty picture")
    if max(width, height) > MAX_SIDE:
        raise PictureTooLarge(f"{width} x {height} pixels: no side may be longer than {MAX_SIDE}")
    return Header(kind, width, height)


class Picture:
    """An upright RGB picture, possibly decoded at a reduced scale.

    Attributes:
        image: the decoded pixels, mode RGB; its frame is the *working frame*.
        width, height: the upright picture's own size in pixels.
    """

    def __init__(self, image: Image.Image, width: int, height: int) -> None:
        self.image = image
        self.width = width
        self.height = height

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the working frame."""
        return self.image.size

    @property
    def scale(self) -> tuple[float, float]:
        """Factors from the working frame to the upright picture, x and y."""
        return self.width / self.image.width, self.height / self.image.height

    @cached_property
    def small(self) -> Image.Image:
        """The working picture reduced by a whole factor to a longer side of 512 to 1023: source of all thumbnails."""
        factor = max(self.image.size) // 512
        return self.image.reduce(factor) if factor > 1 else self.image


_REDUCIBLE = {"L", "RGB", "RGBX", "RGBA", "CMYK"}


def _flatten(image: Image.Image, transparency: bool) -> Image.Image:
    """Any mode to RGB; transparency on white, sixteen bits scaled to eight."""
    if image.mode == "RGB" and not transparency:
        return image
    if image.mode.startswith("I"):
        # Pillow's own conversion from sixteen bits would clip instead of scaling.
        values = np.clip(np.asarray(image), 0, 65_535) >> 8
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or transparency:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _reduced(image: Image.Image, factor: int, transparency: bool) -> Image.Image:
    """`image` in RGB, each `factor` x `factor` pixels made one, strip by strip: whole copies of the largest pictures,
    of which other modes need up to three, would take a gigabyte."""
    width, height = image.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, STRIP_PIXELS // (width * factor))
    for y in range(0, height, rows):
        strip = image.crop((0, y, width, min(y + rows, height)))
        if strip.mode in _REDUCIBLE and not transparency:
            strip = _flatten(strip.reduce(factor), transparency)
        else:
            strip = _flatten(strip, transparency).reduce(factor)
        small.paste(strip, (0, y // factor))
    return small


def decode(data: bytes, header: Header) -> Picture:
    """Decode `data`, whose header was probed, upright and in RGB.

    Raises:
        PictureTooLarge: more pixels than any legal picture has.
        UnreadablePicture: truncated or broken.
    """
    if header.width * header.height > MAX_PIXELS:
        raise PictureTooLarge(f"{header.width} x {header.height} pixels are more than {MAX_PIXELS:,}")
    try:
        return _decode(data, header)
    except MemoryError:
        raise
    except Exception as error:
        raise UnreadablePicture(f"the {header.format} picture is broken: {error}") from error


def _decode(data: bytes, header: Header) -> Picture:
    seen = structure.essence(data, header.format)
    stored = header.width, header.height
    factor = max(1, max(stored) // WORKING_SIDE)
    image = _still_webp(seen.data, stored, factor) if header.format == "WEBP" else None
    image = _opened(seen.data, header) if image is None else image
    transparency = "transparency" in image.info
    if factor > 1 and image.size == stored:
        image = _reduced(image, factor, transparency)
    else:
        image = _flatten(image, transparency)
    turn = _UPRIGHT.get(seen.orientation or 1)
    if turn is None:
        return Picture(image, *stored)
    return Picture(image.transpose(turn), *(stored[::-1] if turn in _SWAPPING else stored))


def _opened(data: bytes, header: Header) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=(header.format,)) as opened:
        if opened.size != (header.width, header.height):
            raise UnreadablePicture("the size in the header is not the size of the picture")
        if header.format == "WEBP":
            return _first_frame(opened)
        factor = max(opened.size) // WORKING_SIDE
        if header.format == "JPEG" and factor > 1:
            opened.draft(None, (-(-opened.width // factor), -(-opened.height // factor)))
        opened.load()
        return opened


def _first_frame(opened: Image.Image) -> Image.Image:
    """The pixels of a WebP picture, without libwebp's two canvases behind them, and without a copy: Pillow's own way
    holds four of them at a time, 784 MB for the largest legal picture."""
    decoder, opened._decoder = opened._decoder, None  # type: ignore[attr-defined]
    frame = decoder.get_next()
    if frame is None:
        raise UnreadablePicture("the WebP picture has no whole frame")
    mode = opened.rawmode  # type: ignore[attr-defined]
    return Image.frombuffer(mode, opened.size, frame[0], "raw", mode, 0, 1)


class _WebpOutput(ctypes.Structure):
    """libwebp's `WebPDecBuffer`, with the member of its union that is for RGBA."""

    _fields_ = (
        ("colours", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("is_ours", ctypes.c_int),
        ("pixels", ctypes.c_void_p),
        ("stride", ctypes.c_int),
        ("size", ctypes.c_size_t),
        ("rest", ctypes.c_uint64 * 10),
    )


class _WebpConfig(ctypes.Structure):
    """libwebp's `WebPDecoderConfig`."""

    _fields_ = (
        ("input", ctypes.c_uint32 * 10),
        ("output", _WebpOutput),
        ("cropping", ctypes.c_int * 7),
        ("scales", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("rest", ctypes.c_uint32 * 9),
    )


_WEBP_ABI, _WEBP_RGBA = 0x0209, 1  # of webp/decode.h


def _still_webp(data: bytes, size: tuple[int, int], factor: int) -> Image.Image | None:
    """The pixels of a WebP picture that is no animation, by libwebp itself, reduced while it decodes, into one canvas:
    Pillow has it decode all of them as animations, in three canvases of full size. `None` for animations, and where
    Pillow's library cannot be asked."""
    extended = data[12:16] == b"VP8X"
    if extended and data[20] & 0x02:
        return None
    library, config = ctypes.CDLL(_webp.__file__), _WebpConfig()
    try:
        known = library.WebPInitDecoderConfigInternal(ctypes.byref(config), _WEBP_ABI)
        decode = library.WebPDecode
    except AttributeError:
        return None
    if not known:
        return None
    sides = ctypes.c_int(), ctypes.c_int()
    if (
        not library.WebPGetInfo(
            data, ctypes.c_size_t(len(data)), ctypes.byref(sides[0]), ctypes.byref(sides[1])
        )
        or (sides[0].value, sides[1].value) != size
    ):
        raise UnreadablePicture("the size in the header is not the size of the picture")
    width, height = -(-size[0] // factor), -(-size[1] // factor)
    canvas = np.empty((height, width, 4), np.uint8)
    config.scales, config.width, config.height = factor > 1, width, height
    output = config.output
    output.colours, output.is_ours = _WEBP_RGBA, 1
    output.pixels, output.stride, output.size = canvas.ctypes.data, 4 * width, canvas.nbytes
    if decode(data, ctypes.c_size_t(len(data)), ctypes.byref(config)) != 0:
        raise UnreadablePicture("the WebP picture has no whole frame")
    alpha = data[20] & 0x10 if extended else data[12:16] == b"VP8L" and data[24] & 0x10
    mode = "RGBA" if alpha else "RGBX"
    return Image.frombuffer(mode, (width, height), canvas, "raw", mode, 0, 1)
