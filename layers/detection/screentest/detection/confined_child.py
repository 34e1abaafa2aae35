"""The process that decodes or judges for `confined`: picture files in, pixels or verdicts out, under limits of the
system.

It is run by its path, isolated and without the start-up files of site-packages, and finds Pillow and numpy where its
parent has them. Limits are set after the imports and before the first picture. What it says is bytes of a fixed form
(`REQUEST`, `REPLY`): nothing in it can execute anything.

It ends when its input does, that is with its parent, or when a limit ends it; signals that ask for an end are for the
parent, which finishes what was begun.
"""

from __future__ import annotations

import ctypes
import importlib
import io
import os
import pickle
import signal
import struct
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from screentest.detection.answer import Answer
    from screentest.detection.pictures import Picture

HERE = Path(__file__).parent

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")

REQUEST = struct.Struct("!cBIIIQ")
"""What to do, the picture's format, width and height (for `DECODE`), bytes of the words that follow (for `JUDGE`: model
and ratio) and of the file behind them."""

REPLY = struct.Struct("!cIIIIQ")
"""What came of it, upright width and height, those of the decoded frame, bytes that follow: pixels or a sentence."""

PROBE, DECODE, JUDGE = b"p", b"d", b"j"
READY, FAILED = b"r", b"f"
TAKEN = b"t"
"""Sent when the whole file is here, before any of it is read: what happens from now on is the picture's doing."""
HEADER, PICTURE, UNREADABLE, TOO_LARGE, MEMORY = b"h", b"i", b"u", b"l", b"m"
ANSWER, DEFECT = b"a", b"x"
"""To `JUDGE`: the detector's answer, or what went wrong in it."""

ANSWER_BYTES = 1024 * 1024
"""Of a pickled answer at most; with all its landmarks it has some 20,000."""

TEXT_BYTES = 200
"""Of a sentence at most."""

PIXELS, PIXEL_BYTES = "RGBX", 4
"""Pillow's own form of RGB pixels in memory: neither side has to repack them."""

STRIP_BYTES = 256 * 1024
"""Pixels are sent in strips of about so many bytes: the child does not hold the picture twice."""

SPARE_BYTES = 32 * 1024 * 1024
"""That a process keeps between pictures, above what it began with."""

OPEN_FILES = 16
"""Three pipes and a spare, and what an import that was not foreseen needs for a moment."""

_EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


def _limit(megabytes: int) -> None:
    """Limit address space to what there is and `megabytes` more; no core dumps, no bytes written to files, few files.
    Hard limits are set too, so that nothing can raise them again."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + megabytes * 1024 * 1024
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_AS, room),
    ):
        resource.setrlimit(kind, (value, value))


def _allow_processor_time(seconds: int) -> None:
    """Processor time for one picture, of two threads, as libwebp has them. The parent ends what takes too long by the
    clock; this holds where the parent has gone meanwhile."""
    import resource

    soft = int(time.process_time()) + 2 * seconds + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def _rehearse() -> None:
    """Decode a picture of every format: loads what Pillow loads late, and shows that the limits leave room to work."""
    from PIL import Image

    from screentest.detection.pictures import decode, probe

    for kind in FORMATS:
        out = io.BytesIO()
        exif = {} if kind == "BMP" else {"exif": _EXIF}
        Image.new("RGB", (16, 8)).save(out, kind, **exif)
        decode(out.getvalue(), probe(out.getvalue()))


def _send(out: int, *parts: bytes) -> None:
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(out, view) :]


def _say(out: int, kind: bytes, text: object = "") -> None:
    said = str(text).encode("utf-8", "replace")[:TEXT_BYTES]
    _send(out, REPLY.pack(kind, 0, 0, 0, 0, len(said)), said)


def _send_picture(out: int, picture: Picture) -> None:
    width, height = picture.size
    _send(
        out, REPLY.pack(PICTURE, picture.width, picture.height, width, height, PIXEL_BYTES * width * height)
    )
    rows = max(1, STRIP_BYTES // (PIXEL_BYTES * width))
    for y in range(0, height, rows):
        _send(out, picture.image.crop((0, y, width, min(y + rows, height))).tobytes("raw", PIXELS))


Judge = Callable[[str, str, bytes], "Answer"]
"""Model, ratio and file to an answer."""


def _send_answer(out: int, answer: Answer) -> None:
    # The detector itself is a value that the parent has; its name is enough.
    fields = {name: getattr(answer, name) for name in answer.__dataclass_fields__ if name != "model"}
    said = pickle.dumps(fields, protocol=pickle.HIGHEST_PROTOCOL)
    _send(out, REPLY.pack(ANSWER, 0, 0, 0, 0, len(said)), said)


def _look(source: BinaryIO, out: int, head: bytes, seconds: int, judge: Judge | None) -> Picture | None:
    """Take a file, say so, and answer with its header or a verdict, or return its pixels."""
    from screentest.detection.pictures import Header, decode, probe

    kind, number, width, height, length_of_words, length = REQUEST.unpack(head)
    words, data = source.read(length_of_words), source.read(length)
    if len(data) < length:
        raise EOFError
    _send(out, TAKEN)
    _allow_processor_time(seconds)
    if kind == JUDGE and judge is not None:
        model, ratio = words.decode().split("\0")
        _send_answer(out, judge(model, ratio, data))
        return None
    if kind == DECODE:
        return decode(data, Header(FORMATS[number], width, height))
    header = probe(data)
    _send(out, REPLY.pack(HEADER, header.width, header.height, 0, 0, 0))
    return None


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def _trimmer() -> Callable[[], None]:
    """What gives memory back after a picture that took much: the allocator keeps it, and fresh memory for each picture
    costs an ordinary one 1.5 ms."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    most = _resident() + SPARE_BYTES

    def give_back() -> None:
        if trim is not None and _resident() > most:
            trim(0)

    return give_back


def serve(source: BinaryIO, out: int, seconds: int, judge: Judge | None = None) -> None:
    """Answer requests until there are no more, or memory has run out: then a new process is worth more."""
    from screentest.detection.errors import PictureTooLarge, UnreadablePicture

    give_back = _trimmer()
    while len(head := source.read(REQUEST.size)) == REQUEST.size:
        try:
            picture = _look(source, out, head, seconds, judge)
        except EOFError:
            return
        except MemoryError:
            _say(out, MEMORY)
            return
        except PictureTooLarge as error:
            _say(out, TOO_LARGE, error)
        except UnreadablePicture as error:
            _say(out, UNREADABLE, error)
        except Exception as error:
            if judge is None:
                raise
            _say(out, DEFECT, f"{type(error).__name__}: {error}")
        else:
            if picture is not None:
                _send_picture(out, picture)
            del picture  # the next one needs its memory
        give_back()


def _judging(profiles: list[str]) -> Judge:
    """A detector that has judged once: whatever memory its networks take, they have."""
    from PIL import Image

    from screentest.detection import models
    from screentest.detection.detector import Detector

    offered = {model.name: model for model in models.offered(profiles)}
    detector = Detector()
    detector.open()
    out = io.BytesIO()
    Image.new("RGB", (640, 640)).save(out, "JPEG")
    detector.detect(out.getvalue(), models.BUILT_IN[0])
    return lambda model, ratio, file: detector.detect(file, offered[model], ratio)


def main(megabytes: str, seconds: str, profiles: str, *folders: str) -> None:
    """The process.

    Args:
        megabytes: to decode in.
        seconds: of processor time a picture.
        profiles: of detectors, with line feeds between them, after `judge:`; empty where pictures are only decoded.
        folders: of packages.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a library may print must not be taken for an answer
    try:
        sys.path.extend(folders)
        # The package without its own start, which would bring the networks and their hundreds of megabytes along.
        names = (
            {"screentest": HERE.parent}
            if profiles
            else {"screentest": HERE.parent, "screentest.detection": HERE}
        )
        for name, folder in names.items():
            package = types.ModuleType(name)
            package.__path__ = [str(folder)]
            sys.modules[name] = package
        for name in ("Bmp", "Jpeg", "Mpo", "Png", "Tiff", "WebP"):
            importlib.import_module(f"PIL.{name}ImagePlugin")
        _rehearse()
        judge = _judging(profiles.splitlines()[1:]) if profiles else None
        _limit(int(megabytes))
        _rehearse()
    except Exception as error:
        _say(out, FAILED, f"{type(error).__name__}: {error}")
        raise SystemExit(1) from error
    _say(out, READY)
    with open(0, "rb") as source:
        serve(source, out, int(seconds), judge)


if __name__ == "__main__":
    main(*sys.argv[1:])
