"""What a decoder gets to see of a file: everything that makes pixels, nothing else, and no more than there can be."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from screentest.demo import pictures as carried
from screentest.detection import structure
from screentest.detection.errors import UnreadablePicture
from screentest.detection.pictures import decode, probe, sniff
from screentest.detection.structure import essence

STARTS = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "BMP": b"BM",
    "WEBP": b"RIFF\4\0\0\0WEBP",
}


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F] = "a camera"
    tags[structure.ORIENTATION] = orientation
    return tags


def picture() -> Image.Image:
    return carried.astronaut().resize((64, 48))


def segments(data: bytes, marker: int) -> int:
    return data.count(bytes([0xFF, marker]))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_read_and_metadata_are_left_out(kind: str, value: int) -> None:
    data = encoded(picture(), kind, exif=exif(value), icc_profile=b"p" * 900)
    seen = essence(data, kind)
    assert seen.orientation == value
    assert b"a camera" not in seen.data
    assert b"p" * 900 not in seen.data
    assert len(seen.data) < len(data)
    with Image.open(io.BytesIO(seen.data)) as there, Image.open(io.BytesIO(data)) as here:
        assert there.tobytes() == here.tobytes()
        assert not there.getexif()


@pytest.mark.parametrize(("order", "kind"), [("<", 3), (">", 3), ("<", 4), (">", 4)])
def test_both_byte_orders_and_both_integers(order: str, kind: int) -> None:
    field = struct.pack(f"{order}{'H2x' if kind == 3 else 'I'}", 6)
    entry = struct.pack(f"{order}HHI", structure.ORIENTATION, kind, 1) + field
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 1)
    data = encoded(picture(), "JPEG")
    tiff = b"Exif\0\0" + head + entry + bytes(4)
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(tiff) + 2) + tiff + data[2:]
    assert essence(data, "JPEG").orientation == 6


@pytest.mark.parametrize(
    ("tag", "kind", "count"), [(0x0113, 3, 1), (0x0112, 3, 2), (0x0112, 2, 1), (0x0112, 5, 1)]
)
def test_what_is_no_orientation(tag: int, kind: int, count: int) -> None:
    tiff = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", tag, kind, count, 6, 0)
    assert structure._exif_orientation(tiff) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_xmp_says_it_where_exif_does_not(kind: str) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    if kind == "PNG":
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
        data = encoded(picture(), "PNG")
        data = data[:33] + struct.pack(">I", len(text)) + b"iTXt" + text + bytes(4) + data[33:]
    else:
        data = encoded(picture(), kind, xmp=xmp)
    assert essence(data, kind).orientation == 8


@pytest.mark.parametrize("packed", [True, False])
def test_image_magick_s_text_in_png(packed: bool) -> None:
    tags = exif(3).tobytes()
    text = b"\nexif\n%8d\n%s\n" % (len(tags), tags.removeprefix(b"Exif\0\0").hex().encode())
    body = b"Raw profile type exif\0" + (b"\0" + zlib.compress(text) if packed else text)
    data = encoded(picture(), "PNG")
    data = (
        data[:33]
        + struct.pack(">I", len(body))
        + (b"zTXt" if packed else b"tEXt")
        + body
        + bytes(4)
        + data[33:]
    )
    assert essence(data, "PNG").orientation == 3


def test_scans_are_counted() -> None:
    data = encoded(picture(), "JPEG", progressive=True)
    scans = data.split(b"\xff\xda")[1:]
    assert essence(data, "JPEG").data.count(b"\xff\xda") == len(scans) <= structure.MAX_SCANS // 2
    many = data[:-2] + (b"\xff\xda" + scans[-1].removesuffix(b"\xff\xd9")) * structure.MAX_SCANS + b"\xff\xd9"
    with pytest.raises(UnreadablePicture, match="scans"):
        essence(many, "JPEG")


def test_what_lies_behind_the_end_is_not_seen() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        data = encoded(picture(), kind)
        assert essence(data + data, kind).data == essence(data, kind).data


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_is_cut_off_stays_cut_off(kind: str) -> None:
    data = encoded(picture(), kind, progressive=True)
    for size in range(len(STARTS[kind]), len(data) - 12, 97):
        with pytest.raises(UnreadablePicture):
            decode(data[:size], probe(data[:size]))


@pytest.mark.parametrize("kind", list(STARTS))
@given(data=st.data())
def test_any_bytes_have_a_bounded_essence_or_none(kind: str, data: st.DataObject) -> None:
    pieces = st.sampled_from(
        [
            b"\xff",
            b"\xff\xda\0\x08",
            b"\xff\xe1\0\x10Exif\0\0",
            b"\0\0\0\0IDAT",
            b"\0\0\0\x04eXIf",
            b"ANMF",
            b"VP8X",
        ]
    )
    body = STARTS[kind] + b"".join(data.draw(st.lists(pieces | st.binary(max_size=40), max_size=30)))
    if kind == "WEBP":
        body = body[:4] + struct.pack("<I", len(body) - 8) + body[8:]
    try:
        seen = essence(body, kind)
    except UnreadablePicture:
        return
    assert len(seen.data) <= len(body) + 12
    assert len(seen.data) < 12 or sniff(seen.data) == kind
    assert essence(seen.data, kind).data == seen.data  # nothing more is left out the second time


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@given(data=st.data())
def test_pictures_with_bytes_changed_are_read_or_refused(kind: str, data: st.DataObject) -> None:
    body = bytearray(encoded(picture(), kind, exif=exif(6)))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        seen = essence(bytes(body), kind)
    except UnreadablePicture:
        return
    assert len(seen.data) <= len(body) + 12


def test_metadata_without_end_are_not_unpacked() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    assert len(structure._unpacked(bomb)) == 2 * structure.MAX_METADATA_BYTES
