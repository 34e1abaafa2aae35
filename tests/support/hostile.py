"""Pictures that cost more than they look: legal or nearly so, small enough for the API, and made to hold a decoder up.

Every kind that was ever found has its maker here. None may take longer than seconds, nor more memory than the largest
honest picture. What is `refused` must be so by its structure, before a decoder works on it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from PIL import Image

from screentest.detection import structure

LARGEST = 20 * 1024 * 1024
"""Bytes of a file that the API still takes."""

SIDE = 7_000
"""Pixels of the longest side that a detector takes."""


@dataclass(frozen=True)
class Hostile:
    """A kind of file. `refused`: by its structure; else a decoder may work on it, and it may turn out to be whole."""

    name: str
    make: Callable[[], bytes]
    refused: bool


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _fill(piece: bytes, size: int = LARGEST - 200_000) -> bytes:
    return piece * (size // len(piece))


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


@cache
def small_jpeg() -> bytes:
    return _save(Image.new("L", (448, 448), 128), "JPEG")


def jpeg_with(*parts: bytes) -> bytes:
    """`parts` in front of everything else in a valid picture."""
    return b"".join((b"\xff\xd8", *parts, small_jpeg()[2:]))


@cache
def _progressive(mode: str, side: int = SIDE) -> tuple[bytes, bytes]:
    """Head and first scan, its table with it, of a progressive picture."""
    data = _save(Image.new(mode, (side, side)), "JPEG", progressive=True, subsampling=0)
    head = data.index(b"\xff\xc2")
    head += 2 + int.from_bytes(data[head + 2 : head + 4], "big")
    start = data.index(b"\xff\xda")
    following = structure._MARKER_IN_SCAN.search(data, start + 2)
    assert following
    tables = data[head:start]
    scan = data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")]
    return data[:head] + tables, scan


def scans(count: int, mode: str = "L", payload: bytes = b"") -> bytes:
    """`count` scans over the largest picture, each a few bytes long."""
    head, scan = _progressive(mode)
    return head + (scan + payload) * count + b"\xff\xd9"


def directory(entries: int, reach: int, *, following: int = 0) -> bytes:
    """A TIFF directory whose entries all name the same `reach` bytes."""
    body = b"".join(struct.pack("<HHII", 0x9000 + n % 0x1000, 7, reach, 8) for n in range(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", entries) + body + struct.pack("<I", following)


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def zeros(size: int) -> bytes:
    """So many zeros, deflated."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(min(1 << 20, size - done))) for done in range(0, size, 1 << 20)]
    return b"".join([*parts, packer.flush()])


def png(
    *chunks: bytes,
    side: int = 448,
    depth: int = 8,
    colour: int = 0,
    interlace: int = 0,
    pixels: bytes | None = None,
) -> bytes:
    """A PNG with further chunks in front of its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, interlace))
    body = zeros(side * (side + 1)) if pixels is None else pixels
    return b"".join((b"\x89PNG\r\n\x1a\n", head, *chunks, chunk(b"IDAT", body), chunk(b"IEND")))


def interlaced() -> bytes:
    size = sum(
        -(-(SIDE - x) // dx) * 8 * -(-(SIDE - y) // dy) + -(-(SIDE - y) // dy)
        for x, y, dx, dy in (
            (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
        )
    )  # fmt: skip
    return png(side=SIDE, depth=16, colour=6, interlace=1, pixels=zeros(size))


def split_pixels(count: int) -> bytes:
    """The pixels of a small picture in `count` chunks, most of them empty."""
    whole = png()
    at = whole.index(b"IDAT") - 4
    return whole[:at] + chunk(b"IDAT") * count + whole[at:]


def bmp(width: int, height: int, bits: int, compression: int, body: bytes) -> bytes:
    """A BMP with a palette of one colour and grey."""
    palette = b"\x10\x20\x30\0" * 2
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, 2, 0)
    offset = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + head + palette + body


def riff(*chunks: bytes) -> bytes:
    """A WebP file."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def part(kind: bytes, body: bytes) -> bytes:
    """A chunk of a WebP file."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def vp8x(width: int, height: int, flags: int) -> bytes:
    return part(b"VP8X", struct.pack("<B3x", flags) + _three(width - 1) + _three(height - 1))


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


@cache
def _webp_pixels(side: int = 16) -> bytes:
    return _save(Image.new("RGB", (side, side)), "WEBP", lossless=True)[12:]


def frame(side: int = 16) -> bytes:
    """A frame of an animation."""
    return part(b"ANMF", bytes(6) + _three(side - 1) * 2 + _three(40) + b"\0" + _webp_pixels(side))


def animation(frames: int, side: int) -> bytes:
    return riff(vp8x(side, side, 0x02), part(b"ANIM", bytes(6)), frame() * frames)


def webp_exif(exif: bytes) -> bytes:
    return riff(vp8x(448, 448, 0x08), _webp_pixels(448), part(b"EXIF", exif))


def _largest_webp() -> bytes:
    return _save(Image.new("RGBA", (SIDE, SIDE)), "WEBP", lossless=True, quality=0, method=0)


def _cut_progressive() -> bytes:
    whole = _save(Image.effect_noise((3_000, 3_000), 90), "JPEG", progressive=True, quality=95)
    return whole[: len(whole) * 3 // 4]


_EXIF = b"Exif\0\0"

KINDS = (
    # JPEG
    Hostile("jpeg of 13,000 scans", lambda: scans(13_000), True),
    Hostile("jpeg of one scan too many", lambda: scans(structure.MAX_SCANS + 1), True),
    Hostile("jpeg grey of all the scans there may be", lambda: scans(structure.MAX_SCANS), False),
    Hostile("jpeg CMYK of all the scans there may be", lambda: scans(structure.MAX_SCANS, "CMYK"), False),
    Hostile(
        "jpeg of scans that begin and break off",
        lambda: scans(structure.MAX_SCANS, "RGB", b"\xa5" * 400_000),
        False,
    ),
    Hostile("jpeg behind 20 MB of empty segments", lambda: jpeg_with(_fill(b"\xff\xe5\0\x02")), True),
    Hostile(
        "jpeg behind 4 MB of small Exif segments",
        lambda: jpeg_with(_fill(segment(0xE1, _EXIF + bytes(10)), 4 << 20)),
        True,
    ),
    Hostile(
        "jpeg behind 20 MB of Exif", lambda: jpeg_with(_fill(segment(0xE1, _EXIF + bytes(65_000)))), False
    ),
    Hostile("jpeg behind 20 MB of fill bytes", lambda: jpeg_with(_fill(b"\xff")), False),
    Hostile("jpeg behind 20 MB of anything", lambda: jpeg_with(b"\xff\xfe\0\2", _fill(b"\0")), False),
    Hostile("jpeg behind 20 MB of stuffed bytes", lambda: jpeg_with(_fill(b"\xff\0")), False),
    Hostile("jpeg behind 20 MB of restarts", lambda: jpeg_with(_fill(b"\xff\xd0")), True),
    Hostile("jpeg whose scan is 20 MB of fill bytes", lambda: scans(1, payload=_fill(b"\xff")), False),
    Hostile("jpeg whose scan is 20 MB of stuffed bytes", lambda: scans(1, payload=_fill(b"\xff\0")), False),
    Hostile("jpeg whose scan is 20 MB of restarts", lambda: scans(1, payload=_fill(b"\xff\xd0")), False),
    Hostile(
        "jpeg with 20 MB of comments between scans",
        lambda: scans(2, payload=_fill(segment(0xFE, b""), 9 << 20)),
        True,
    ),
    Hostile(
        "jpeg with 20 MB of quantisation tables",
        lambda: jpeg_with(_fill(segment(0xDB, bytes(65 * 1_000)))),
        True,
    ),
    Hostile(
        "jpeg with 2 MB of quantisation tables",
        lambda: jpeg_with(segment(0xDB, bytes(65 * 4)) * 3_900),
        False,
    ),
    Hostile(
        "jpeg with 20 MB of Huffman tables", lambda: jpeg_with(_fill(segment(0xC4, bytes(17 * 3_800)))), True
    ),
    Hostile(
        "jpeg whose Exif names the same 64 KB 5,000 times",
        lambda: jpeg_with(segment(0xE1, _EXIF + directory(5_000, 60_000))),
        False,
    ),
    Hostile(
        "jpeg whose Exif follows itself",
        lambda: jpeg_with(segment(0xE1, _EXIF + directory(9, 9, following=8))),
        False,
    ),
    Hostile(
        "jpeg whose list of pictures names the same 64 KB 5,000 times",
        lambda: jpeg_with(segment(0xE2, b"MPF\0" + directory(5_000, 60_000))),
        False,
    ),
    Hostile(
        "jpeg with a profile in 255 parts",
        lambda: jpeg_with(
            *(segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 255]) + bytes(65_000)) for n in range(1, 256))
        ),
        False,
    ),
    Hostile(
        "jpeg whose Photoshop block has 7,000 entries",
        lambda: jpeg_with(*[segment(0xED, b"Photoshop 3.0\0" + (b"8BIM" + bytes(8)) * 5_000)] * 300),
        False,
    ),
    Hostile("jpeg of arithmetic coding", lambda: scans(3).replace(b"\xff\xc2", b"\xff\xca", 1), True),
    Hostile("jpeg progressive, cut off", _cut_progressive, False),
    # PNG
    Hostile("png with 20 MB of empty chunks", lambda: split_pixels((LARGEST - 99_999) // 12), True),
    Hostile("png with 20 MB of empty text", lambda: png(_fill(chunk(b"tEXt", b"a\0"))), True),
    Hostile(
        "png with all the chunks there may be", lambda: split_pixels(structure.MAX_PNG_CHUNKS - 9), False
    ),
    Hostile(
        "png with a profile that unpacks to 2 GB",
        lambda: png(chunk(b"iCCP", b"a\0\0" + zeros(200 << 20))),
        False,
    ),
    Hostile(
        "png with 19 texts that unpack to 200 MB each",
        lambda: png(*[chunk(b"zTXt", b"a\0\0" + zeros(200 << 20))] * 19),
        False,
    ),
    Hostile(
        "png with an Exif text that unpacks to 200 MB",
        lambda: png(*[chunk(b"zTXt", b"Raw profile type exif\0\0" + zeros(200 << 20))] * 9),
        False,
    ),
    Hostile(
        "png with an XMP text that unpacks to 200 MB",
        lambda: png(*[chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros(200 << 20))] * 9),
        False,
    ),
    Hostile(
        "png whose Exif names the same 700 KB 60,000 times",
        lambda: png(chunk(b"eXIf", directory(60_000, 700_000))),
        False,
    ),
    Hostile("png of the largest size, sixteen bits, interlaced", interlaced, False),
    Hostile(
        "png whose pixels are missing",
        lambda: png(side=SIDE, depth=16, colour=6, pixels=zlib.compress(b"")),
        False,
    ),
    Hostile("png whose pixels go on", lambda: png(pixels=zeros(2_000 << 20)), False),
    # BMP
    Hostile(
        "bmp of the largest size, run-length encoded",
        lambda: bmp(SIDE, SIDE, 8, 1, b"\xff\x01" * (SIDE * SIDE // 255)),
        True,
    ),
    Hostile(
        "bmp whose 20 MB of instructions make nothing", lambda: bmp(448, 448, 8, 1, _fill(b"\0\0")), True
    ),
    Hostile(
        "bmp whose 4 MB of instructions make nothing",
        lambda: bmp(448, 448, 8, 1, _fill(b"\0\0", (4 << 20) - 200)),
        False,
    ),
    Hostile("bmp of ends of lines", lambda: bmp(2_048, 2_048, 4, 2, b"\1\0\0\0" * 2_048), False),
    Hostile(
        "bmp with a palette of 65,536 colours",
        lambda: bmp(448, 448, 8, 0, bytes(448 * 448 + 65_536 * 4)).replace(
            b"\x02\0\0\0\0\0\0\0\x10", b"\0\0\1\0\0\0\0\0\x10", 1
        ),
        False,
    ),
    # WebP
    Hostile("webp of 400,000 frames", lambda: animation(400_000 // 3, 448), True),
    Hostile(
        "webp of all the frames there may be", lambda: animation(structure.MAX_WEBP_CHUNKS - 9, 448), False
    ),
    Hostile("webp of the largest animation there may be", lambda: animation(2, 4_096), False),
    Hostile("webp of the largest canvas and a small frame", lambda: animation(1, SIDE), True),
    Hostile("webp of a canvas beyond every limit", lambda: animation(1, 16_383), True),
    Hostile(
        "webp of 2 million empty chunks",
        lambda: riff(vp8x(448, 448, 0), _fill(part(b"JUNK", b"")), _webp_pixels(448)),
        True,
    ),
    Hostile(
        "webp whose Exif names the same 700 KB 60,000 times",
        lambda: webp_exif(directory(60_000, 700_000)),
        False,
    ),
    Hostile("webp of the largest size with transparency", _largest_webp, False),
)
