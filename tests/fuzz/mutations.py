"""Broken, cut, lying and oversized pictures of every format, from a seed.

A case is a name, the file's bytes, and whether a pass would be wrong: a file that was cut off, or that never showed
anybody, must not pass; a portrait with some bits turned over may still be one.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, PngImagePlugin
from support.hostile import KINDS

from screentest.demo import pictures

SIDE = 448


@dataclass(frozen=True)
class Case:
    name: str
    data: bytes
    may_pass: bool
    liar: bool = False


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _noise(random_: random.Random) -> Image.Image:
    pixels = np.frombuffer(random_.randbytes(SIDE * SIDE * 3), np.uint8)
    return Image.fromarray(pixels.reshape(SIDE, SIDE, 3))


def _gradient() -> Image.Image:
    return Image.merge(
        "RGB", [Image.linear_gradient("L").resize((SIDE, SIDE)), *[Image.new("L", (SIDE, SIDE), 99)] * 2]
    )


def seeds(random_: random.Random) -> dict[str, tuple[bytes, bool]]:
    """Whole pictures of every format and of the variants that decoders treat differently; True shows a portrait."""
    portrait = pictures.astronaut().resize((SIDE, SIDE))
    exif = Image.Exif()
    exif[0x0112] = 6
    icc = random_.randbytes(600)
    made: dict[str, tuple[bytes, bool]] = {}
    for name, image, shows in (
        ("portrait", portrait, True),
        ("noise", _noise(random_), False),
        ("gradient", _gradient(), False),
    ):
        for variant, data in {
            "jpeg": _save(image, "JPEG", quality=88),
            "jpeg-progressive": _save(image, "JPEG", progressive=True, exif=exif, icc_profile=icc),
            "jpeg-grey": _save(image.convert("L"), "JPEG"),
            "jpeg-cmyk": _save(image.convert("CMYK"), "JPEG"),
            "jpg-restarts": _save(image, "JPEG", restart_marker_rows=2, subsampling=0),
            "png": _save(image, "PNG"),
            "png-rgba": _save(image.convert("RGBA"), "PNG"),
            "png-palette": _save(image.convert("P"), "PNG", transparency=3),
            "png-16": _save(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), "PNG"),
            "png-1": _save(image.convert("1"), "PNG"),
            "png-animated": _save(image, "PNG", save_all=True, append_images=[image.rotate(90)]),
            "bmp": _save(image, "BMP"),
            "bmp-palette": _save(image.convert("P"), "BMP"),
            "bmp-1": _save(image.convert("1"), "BMP"),
            "webp": _save(image, "WEBP", quality=80),
            "webp-lossless": _save(image, "WEBP", lossless=True, quality=20),
            "webp-alpha": _save(image.convert("RGBA"), "WEBP", exif=exif, icc_profile=icc),
            "webp-animated": _save(image, "WEBP", save_all=True, append_images=[image.rotate(90)]),
        }.items():
            made[f"{variant} {name}"] = data, shows
    return made


def _flip_bits(data: bytearray, r: random.Random) -> None:
    for _ in range(r.choice((1, 4, 32, 512))):
        data[r.randrange(len(data))] ^= 1 << r.randrange(8)


def _flip_head(data: bytearray, r: random.Random) -> None:
    for _ in range(r.choice((1, 2, 8))):
        data[r.randrange(min(len(data), 256))] = r.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, r.randrange(256)))


def _zero_run(data: bytearray, r: random.Random) -> None:
    start, length = r.randrange(len(data)), r.choice((1, 16, 4096))
    data[start : start + length] = bytes([r.choice((0, 255))]) * len(data[start : start + length])


def _delete_run(data: bytearray, r: random.Random) -> None:
    start = r.randrange(len(data))
    del data[start : start + r.choice((1, 7, 1000))]


def _repeat_run(data: bytearray, r: random.Random) -> None:
    start = r.randrange(len(data))
    piece = bytes(data[start : start + r.choice((3, 64, 5000))])
    data[start:start] = piece * r.choice((1, 3, 50))


def _splice_noise(data: bytearray, r: random.Random) -> None:
    start = r.randrange(len(data))
    data[start:start] = r.randbytes(r.choice((1, 100, 10_000)))


def _lying_number(data: bytearray, r: random.Random) -> None:
    start = r.randrange(max(1, min(len(data) - 8, 200)))  # earlier mutations may have left a few bytes
    value = r.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, SIDE * 50))
    data[start : start + 4] = struct.pack(r.choice(("<I", ">I")), value)


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip_bits,
    _flip_head,
    _zero_run,
    _delete_run,
    _repeat_run,
    _splice_noise,
    _lying_number,
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_of(width: int, height: int, depth: int, colour: int, body: bytes, *before: bytes) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(min(1 << 20, size - done))) for done in range(0, size, 1 << 20)]
    return b"".join([*parts, packer.flush()])


def _bmp_of(width: int, height: int, bits: int, compression: int, body: bytes, colours: int = 0) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + head + body


def _riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _vp8x(width: int, height: int, flags: int = 0) -> bytes:
    return (
        b"VP8X"
        + struct.pack("<IB3x", 10, flags)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )


def liars(random_: random.Random) -> Iterator[Case]:
    """Small files that promise much or cost much, and pictures at the very limits."""
    for kind in KINDS:
        yield Case(kind.name, kind.make(), False)
    small = Image.new("RGB", (SIDE, SIDE), "grey")
    jpeg = _save(small, "JPEG")
    frame = jpeg.index(b"\xff\xc0")
    for width, height in (
        (0, 0),
        (1, 65_535),
        (65_535, 65_535),
        (16_383, 16_383),
        (7_000, 7_000),
        (8_000, 500),
    ):
        yield Case(
            f"jpeg says {width}x{height}",
            jpeg[: frame + 5] + struct.pack(">HH", height, width) + jpeg[frame + 9 :],
            False,
        )
        yield Case(f"png says {width}x{height}", _png_of(width, height, 8, 2, zlib.compress(b"x")), False)
        yield Case(f"bmp says {width}x{height}", _bmp_of(width, -height, 24, 0, b"x" * 99), False)
        if width and width <= 1 << 24:
            yield Case(f"webp says {width}x{height}", _riff(_vp8x(width, height)), False)
    yield Case("png of 2^31 pixels a side", _png_of(0x7FFFFFFF, 0x7FFFFFFF, 16, 6, b""), False)
    yield Case(
        "png with a text bomb",
        _png_of(500, 500, 8, 0, _zeros(500 * 501), _chunk(b"zTXt", b"a\0\0" + _zeros(200 << 20))),
        False,
    )
    yield Case(
        "png with a profile bomb",
        _png_of(500, 500, 8, 0, _zeros(500 * 501), _chunk(b"iCCP", b"a\0\0" + _zeros(200 << 20))),
        False,
    )
    yield Case("png whose pixels go on", _png_of(500, 500, 8, 0, _zeros(300 << 20)), False)
    yield Case(
        "png of 100,000 chunks",
        _png_of(500, 500, 8, 0, _zeros(500 * 501), _chunk(b"tEXt", b"a\0b") * 100_000),
        False,
    )
    for name, depth, colour, size in (
        ("RGBA 16", 16, 6, 8),
        ("grey 16", 16, 0, 2),
        ("RGB", 8, 2, 3),
        ("palette", 8, 3, 1),
    ):
        palette = [_chunk(b"PLTE", random_.randbytes(768))] if colour == 3 else []
        yield Case(
            f"png {name} 7000x7000",
            _png_of(7_000, 7_000, depth, colour, _zeros((7_000 * size + 1) * 7_000), *palette),
            False,
        )
    large = Image.new("CMYK", (7_000, 7_000))
    yield Case(
        "jpeg CMYK progressive 7000x7000", _save(large, "JPEG", progressive=True, subsampling=0), False
    )
    yield Case("jpeg 7001x400", _save(Image.new("RGB", (7_001, 400)), "JPEG"), False)
    yield Case(
        "webp 7000x7000",
        _save(Image.new("RGBA", (7_000, 7_000)), "WEBP", lossless=True, quality=0, method=0),
        False,
    )
    yield Case(
        "webp says animated 16000x16000",
        _riff(_vp8x(16_000, 16_000, 0x02), b"ANIM" + struct.pack("<IIH", 6, 0, 0)),
        False,
    )
    for bits, compression in ((0, 0), (8, 1), (4, 2), (32, 3), (24, 4), (64, 0), (24, 5)):
        yield Case(
            f"bmp {bits} bits, compression {compression}",
            _bmp_of(SIDE, SIDE, bits, compression, random_.randbytes(9_000), 2**31),
            False,
        )
    for one, other in (
        (b"\xff\xd8\xff\xe0", "PNG"),
        (b"\x89PNG\r\n\x1a\n", "JPEG"),
        (b"BM", "JPEG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "PNG"),
    ):
        yield Case(f"{other} behind other magic bytes", one + _save(small, other), False)
    info = PngImagePlugin.PngInfo()
    info.add_text("XML:com.adobe.xmp", "<x>" * 200_000)
    yield Case("png with nested metadata", _save(small, "PNG", pnginfo=info), False)
    for orientation in (0, 9, 2**31, -1):
        yield Case(f"jpeg with orientation {orientation}", _with_orientation(jpeg, orientation), False)
    for name, data in (
        ("gif", _save(small, "GIF")),
        ("tiff", _save(small, "TIFF")),
        ("pdf", _save(small, "PDF")),
        ("ico", _save(small, "ICO")),
    ):
        yield Case(name, data, False)
    yield Case(
        "svg", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", False
    )
    yield Case("nothing", b"", False)
    for size in (1, 2, 3, 12, 29, 30):
        for magic in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF\xff\xff\xff\xffWEBPVP8X"):
            yield Case(f"{size} bytes of {magic[:4]!r}", (magic + bytes(30))[:size], False)


def _with_orientation(jpeg: bytes, value: int) -> bytes:
    entry = struct.pack("<HHIi", 0x0112, 4, 1, value if value < 2**31 else -1)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def cases(count: int, seed: int) -> Iterator[Case]:
    """`count` cases: the liars first, then seeds cut off or mutated in turn."""
    random_ = random.Random(seed)
    whole = list(seeds(random_).items())
    made = 0
    for case in liars(random_):
        if made == count:
            return
        yield replace(case, liar=True)
        made += 1
    while made < count:
        name, (original, shows) = whole[made % len(whole)]
        if random_.random() < 0.25:
            size = random_.randrange(len(original) * 9 // 10)
            # Of an animated PNG the first picture may be whole, and it is what counts.
            yield Case(f"{name} cut at {size}", original[:size], shows and name.startswith("png-animated"))
        else:
            data = bytearray(original)
            used = random_.choices(MUTATIONS, k=random_.choice((1, 1, 2, 5)))
            for mutate in used:
                mutate(data, random_)
                data = data or bytearray(b"\0")
            yield Case(
                f"{name} {' '.join(mutate.__name__.strip('_') for mutate in used)}", bytes(data), shows
            )
        made += 1
