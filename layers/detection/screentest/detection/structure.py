"""What of a picture file a decoder gets to see: the parts that make pixels, and no more of them than a real one has.

A file may be legal and still cost its decoder minutes or gigabytes: thousands of scans, millions of empty segments,
directories whose entries all name the same megabyte. So the file is taken apart here first, in one pass of linear time
that keeps no list of what it skips: metadata are left out, orientation is read from them before, and parts whose number
or size multiplies work are bounded. Each bound lies well above what encoders write.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from screentest.detection.errors import UnreadablePicture

MAX_SCANS = 24
"""Of a JPEG. libjpeg's progressive scripts have 6 (grey), 10 (colour) and up to 14 (CMYK) scans, those that mozjpeg
searches no more than 12. Each costs a pass over all coefficients, however few bytes it has: 30 ms for 7000 x 7000 grey
pixels."""

MAX_SEGMENTS = 4_000
"""Of a JPEG, in front of and between its scans. Metadata that fill all of the largest file (20 MB) take 320."""

MAX_DQT_BYTES = 2 + 4 * 129
"""One segment with the four quantisation tables that there are, sixteen bits a value."""

MAX_DHT_BYTES = 2 + 8 * (17 + 256)
"""One segment with the eight Huffman tables that there are, 256 symbols each."""

MAX_PNG_CHUNKS = 20_000
"""The largest file (20 MB) in pieces of a kilobyte; libpng writes eight. Each costs Pillow 13 microseconds."""

MAX_WEBP_CHUNKS = 10_000
"""Frames of an animation, mostly: ten minutes at sixteen a second."""

MAX_ANIMATION_PIXELS = 4_096 * 4_096
"""Of an animated WebP, of which libwebp keeps three canvases. Animations are for screens."""

MAX_RLE_PIXELS = 2_048 * 2_048
"""Of a run-length encoded BMP, which Pillow decodes in Python: 0.2 microseconds a pixel. The encoding is one for
drawings of 256 colours; no camera and no photo program of today writes it."""

MAX_RLE_BYTES = 4 * 1024 * 1024
"""Of such a file: an instruction of two bytes may make no pixel at all."""

MAX_METADATA_BYTES = 1024 * 1024
"""Of Exif or XMP, unpacked: what lies behind is not looked at. One Exif segment has 64 KB."""

ORIENTATION = 0x0112
"""Exif's tag, in the first directory."""

_SOF_HUFFMAN = {0xC0, 0xC1, 0xC2}
"""Baseline, extended and progressive. What else there is (arithmetic, lossless, hierarchical) no browser shows."""
_SOF_OTHER = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xDE}
_SOS, _EOI, _DHT, _DQT, _DNL, _DRI, _APP1, _COM = 0xDA, 0xD9, 0xC4, 0xDB, 0xDC, 0xDD, 0xE1, 0xFE
_ALONE = {0x01, *range(0xD0, 0xD9)}  # without a length: TEM, the restarts, another SOI
_METADATA = {*range(0xE0, 0xF0), _COM}
_TABLES = {_DHT: MAX_DHT_BYTES, _DQT: MAX_DQT_BYTES, _DNL: 4, _DRI: 4}
_WITH_LENGTH = _SOF_HUFFMAN | _SOF_OTHER | _METADATA | set(_TABLES) | {_SOS}
_MARKER = re.compile(rb"\xff[^\x00\xff]")  # what lies before one, fill bytes too, is skipped
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_EXIF, _XMP, _JFIF, _ADOBE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"JFIF", b"Adobe"
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_RAW_PROFILE = b"Raw profile type exif"  # ImageMagick's way before PNG had a chunk for it
_PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_BMP_RLE = {1, 2}


@dataclass(frozen=True, slots=True)
class Essence:
    """A picture file reduced to what makes pixels.

    Attributes:
        data: a file of the same format with the same pixels and without metadata.
        orientation: Exif's value, 1 to 8 where it is a legal one; `None` where nothing is said.
    """

    data: bytes
    orientation: int | None = None


def essence(data: bytes, kind: str) -> Essence:
    """`data`, a file of the format `kind` by its magic bytes, as a decoder may see it. What is cut off stays cut off.

    Raises:
        UnreadablePicture: it has no structure of that format, or one beyond every bound.
    """
    return {"JPEG": _jpeg, "PNG": _png, "BMP": _bmp, "WEBP": _webp}[kind](data)


def size(data: bytes, kind: str) -> tuple[int, int]:
    """Width and height as the header says them, read without a decoder: what decoding will cost is known before.

    Raises:
        UnreadablePicture: it does not say.
    """
    try:
        if kind == "PNG":
            return struct.unpack_from(">II", data, 16)
        if kind == "BMP":
            short = struct.unpack_from("<I", data, 14)[0] == 12
            width, height = struct.unpack_from("<HH" if short else "<Ii", data, 18)
            return width, abs(height)
        if kind == "WEBP":
            return _webp_size(data)
        for marker, start, _ in _segments(data):
            if marker in _SOF_HUFFMAN:
                height, width = struct.unpack_from(">HH", data, start + 5)
                return width, height
    except struct.error:
        pass
    raise UnreadablePicture(f"the {kind} picture does not say its size")


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8 ":
        if data[23:26] != b"\x9d\x01\x2a":
            raise UnreadablePicture("the WebP picture has no key frame")
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    raise UnreadablePicture("the WebP picture has no image chunk")


def _jpeg(data: bytes) -> Essence:
    view = memoryview(data)
    kept: list[bytes | memoryview] = [view[:2]]
    exif, xmp = bytearray(), b""
    scans = 0
    for marker, start, end in _segments(data):
        body = start + 4
        if marker in _SOF_OTHER:
            raise UnreadablePicture("the JPEG picture is arithmetic-coded, lossless or hierarchical")
        if end - start - 2 > _TABLES.get(marker, end):
            raise UnreadablePicture("the JPEG picture has a table of impossible size")
        if marker == _SOS:
            scans += 1
            if scans > MAX_SCANS:
                raise UnreadablePicture(f"the JPEG picture has more than {MAX_SCANS} scans")
        if marker == _APP1 and data.startswith(_EXIF, body):
            exif += view[body + len(_EXIF) : end][: MAX_METADATA_BYTES - len(exif)]
        elif marker == _APP1 and data.startswith(_XMP, body):
            xmp = data[body:end]
        elif marker not in _METADATA or data.startswith((_JFIF, _ADOBE), body):  # these decide about colours
            kept.append(view[start:end])
    return Essence(b"".join(kept), _orientation(bytes(exif), xmp))


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment, that of a scan with its data, up to the end of the picture or to what a
    decoder will stumble over: a segment that is cut off, or no marker of a picture."""
    position, count = 2, 0
    while found := _MARKER.search(data, position):
        start, position = found.span()
        marker = data[start + 1]
        if marker == _EOI:
            yield marker, start, position
            return
        count += 1
        if count > MAX_SEGMENTS:
            raise UnreadablePicture(f"the JPEG picture has more than {MAX_SEGMENTS:,} segments")
        if marker in _ALONE:
            continue
        if marker not in _WITH_LENGTH:
            yield marker, start, position
            return
        end = position + int.from_bytes(data[position : position + 2], "big")
        if end < position + 2 or end > len(data):
            yield 0, start, len(data)
            return
        if marker == _SOS:
            following = _MARKER_IN_SCAN.search(data, end)
            end = following.start() if following else len(data)
        yield marker, start, end
        position = end


def _png(data: bytes) -> Essence:
    kept: list[bytes | memoryview] = [data[:8]]
    view = memoryview(data)
    exif = profile = xmp = b""
    position = 8
    for number in range(MAX_PNG_CHUNKS + 1):
        if position + 8 > len(data):
            break
        if number == MAX_PNG_CHUNKS:
            raise UnreadablePicture(f"the PNG picture has more than {MAX_PNG_CHUNKS:,} chunks")
        length, kind = struct.unpack_from(">I4s", data, position)
        if not kind.isalpha():
            raise UnreadablePicture("the PNG picture has no chunk where one belongs")
        body, end = position + 8, position + 12 + length
        if kind in _PNG_KEPT:
            kept.append(view[position:end])
        elif kind == b"eXIf":
            exif = data[body : min(end - 4, body + MAX_METADATA_BYTES)]
        elif kind in {b"tEXt", b"zTXt"} and data.startswith(_RAW_PROFILE + b"\0", body):
            profile = _text(data[body + len(_RAW_PROFILE) + 1 : end - 4], kind == b"zTXt")
        elif kind == b"iTXt" and data.startswith(b"XML:com.adobe.xmp\0", body):
            xmp = _international(data[body + len(b"XML:com.adobe.xmp\0") : end - 4])
        if kind == b"IEND":
            break
        position = end
    return Essence(b"".join(kept), _orientation(exif or _from_hexadecimal(profile), xmp))


def _text(body: bytes, packed: bool) -> bytes:
    return _unpacked(body[1:]) if packed else body[: 2 * MAX_METADATA_BYTES]


def _international(body: bytes) -> bytes:
    flags, rest = body[:2], body[2:].split(b"\0", 2)
    if len(rest) < 3:
        return b""
    return _unpacked(rest[2]) if flags[:1] == b"\1" else rest[2][:MAX_METADATA_BYTES]


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, 2 * MAX_METADATA_BYTES)
    except zlib.error:
        return b""


def _from_hexadecimal(profile: bytes) -> bytes:
    try:
        return bytes.fromhex(b"".join(profile.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""


def _bmp(data: bytes) -> Essence:
    if len(data) >= 34 and struct.unpack_from("<I", data, 14)[0] >= 40:
        width, height, _, _, compression = struct.unpack_from("<IiHHI", data, 18)
        if compression in _BMP_RLE and (width * abs(height) > MAX_RLE_PIXELS or len(data) > MAX_RLE_BYTES):
            raise UnreadablePicture("the BMP picture is run-length encoded and too large for that")
    return Essence(data)


def _webp(data: bytes) -> Essence:
    (said,) = struct.unpack_from("<I", data, 4)
    end_of_file = 8 + said
    if end_of_file > len(data):
        raise UnreadablePicture("the WebP picture is cut off")
    kept: list[bytes | memoryview] = []
    exif = xmp = b""
    frames = 0
    for kind, start, end in _webp_chunks(data, end_of_file):
        if kind == b"VP8X":
            width, height = _webp_size(data)
            if data[start + 8] & 0x02 and width * height > MAX_ANIMATION_PIXELS:
                raise UnreadablePicture("the WebP animation is larger than any screen")
            # The flags of animation and alpha alone: nothing else is left that they could announce.
            kept.append(data[start : start + 8] + bytes([data[start + 8] & 0x12]) + data[start + 9 : end])
        elif kind in {b"VP8 ", b"VP8L", b"ALPH", b"ANIM"}:
            kept.append(data[start:end])
        elif kind == b"ANMF":
            frames += 1
            if frames == 1:
                kept.append(data[start:end])
        elif kind == b"EXIF":
            exif = data[start + 8 : min(end, start + 8 + MAX_METADATA_BYTES)].removeprefix(_EXIF)
        elif kind == b"XMP ":
            xmp = data[start + 8 : min(end, start + 8 + MAX_METADATA_BYTES)]
    body = b"".join((b"WEBP", *kept))
    return Essence(b"RIFF" + struct.pack("<I", len(body)) + body, _orientation(exif, xmp))


def _webp_chunks(data: bytes, end_of_file: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk, padding included."""
    position = 12
    for _ in range(MAX_WEBP_CHUNKS):
        if position + 8 > end_of_file:
            return
        kind, length = struct.unpack_from("<4sI", data, position)
        end = position + 8 + length + (length & 1)
        if end > end_of_file:
            raise UnreadablePicture("the WebP picture has a chunk that is cut off")
        yield kind, position, end
        position = end
    raise UnreadablePicture(f"the WebP picture has more than {MAX_WEBP_CHUNKS:,} chunks")


def _orientation(exif: bytes, xmp: bytes) -> int | None:
    """What Exif says, or else XMP."""
    value = _exif_orientation(exif)
    if value is None and (found := _XMP_ORIENTATION.search(xmp)):
        return int(found[1])
    return value


def _exif_orientation(exif: bytes) -> int | None:
    """The tag in the first directory of a TIFF header with what follows; nothing else is read, no offset but that of
    the directory followed."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if start + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    whole = min(count, (len(exif) - start - 2) // 12)
    value = None
    for tag, kind, number, field in struct.iter_unpack(
        f"{order}HHI4s", exif[start + 2 : start + 2 + 12 * whole]
    ):
        if tag == ORIENTATION and number == 1 and kind in {3, 4}:  # SHORT, as the standard says, or LONG
            (value,) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", field)
    return value
