"""Decoding in a process of its own, under limits of the operating system.

Pillow's decoders are native code that reads what strangers made. A `ConfinedDecoder` hands every file to a child
process that does nothing else, whose address space is limited and which is ended when it takes too long. A file that
ends the child, fills its memory or holds it up is `UndecodablePicture`, and the next one meets a new child; a child
that does not even start is `DecoderUnavailable`: our trouble, and no verdict.

The child is confined in what it can use up, not in what it may do: it runs as the same user. What it says is checked
against what was asked; nothing of it is executed.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import math
import os
import pickle
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, Self

import ai_edge_litert
import numpy
import PIL
from PIL import Image

from screentest.detection import answer
from screentest.detection import confined_child as child
from screentest.detection.answer import Answer
from screentest.detection.codes import Code
from screentest.detection.errors import (
    DecoderUnavailable,
    PictureTooLarge,
    UndecodablePicture,
    UnreadablePicture,
    WeightsMissing,
)
from screentest.detection.models import ModelSpec
from screentest.detection.pictures import MAX_PIXELS, MAX_SIDE, Header, Picture, sniff

logger = logging.getLogger(__name__)

MEGABYTES = 768
"""Enough for every legal picture: of 7000 x 7000 pixels, WebP with transparency needs 660, grey PNG with transparency
610, progressive CMYK JPEG 390."""

MIN_MEGABYTES = 64
"""The largest file that the API takes (20 MB) and the largest working frame of a JPEG (31 MB) have room."""

SECONDS = 20.0
"""For one picture, by the clock. The slowest legal one that fuzzing saw took 7.6 s on two busy cores, all networks
included; the pipeline waits 25 s for its answer."""

START_SECONDS = 30.0
"""For a new process to be ready. On a quiet machine 0.1 s, with all networks 0.6."""

TAKE_SECONDS = 3.0
"""For one that is ready to take a file. On a quiet machine 0.02 s for the largest."""

KEPT_BYTES = 32 * 1024 * 1024
"""Of memory for received pixels that is kept between pictures, enough for the largest working frame of a JPEG. Fresh
memory costs 1.5 ms for a picture of one megapixel."""

_TRIES = 2
"""To hand a file over: an idle process may have been ended from outside, a new one hardly."""

_KEPT_VARIABLES = ("LD_LIBRARY_PATH",)
"""Without which some installations' Python does not start. Keys and settings of ours are not the child's business."""


class _Ended(Exception):
    """The process is gone, or talks nonsense."""


class _OutOfMemory(Exception):
    """The process says that its memory does not suffice."""


class _Defect(Exception):
    """The detector in the process broke; the process goes on."""


class _Reply(NamedTuple):
    kind: bytes
    width: int
    height: int
    frame_width: int
    frame_height: int
    length: int


class _Process:
    """A child process and the pipes to and from it. Each wait has a deadline, seconds of `time.monotonic`."""

    def __init__(self, command: list[str]) -> None:
        environ = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._popen = subprocess.Popen(  # noqa: S603 - this Python, our own program
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries may repeat there what a stranger wrote
            cwd="/",
            # One thread of numpy's and one heap: each further one takes address space that a picture may need.
            env={**environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
            start_new_session=True,  # Ctrl-C is for the parent, which finishes what was begun
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._in, self._out = self._popen.stdin, self._popen.stdout
        for pipe in (self._in, self._out):
            os.set_blocking(pipe.fileno(), False)
        self.pid = self._popen.pid

    def end(self) -> int:
        """End it, whatever it does, and leave nothing behind; its exit status, negative for a signal."""
        self._popen.kill()
        self._in.close()
        self._out.close()
        return self._popen.wait()

    def write(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._in.fileno(), view) :]
            except BlockingIOError:
                _wait(self._in.fileno(), select.POLLOUT, deadline)
            except BrokenPipeError:
                raise _Ended from None

    def fill(self, view: memoryview, deadline: float) -> None:
        while view:
            count = self._out.readinto(view)  # type: ignore[attr-defined]
            if count is None:
                _wait(self._out.fileno(), select.POLLIN, deadline)
            elif count == 0:
                raise _Ended
            else:
                view = view[count:]

    def read(self, size: int, deadline: float) -> bytearray:
        data = bytearray(size)
        self.fill(memoryview(data), deadline)
        return data

    def reply(self, deadline: float) -> _Reply:
        return _Reply(*child.REPLY.unpack(self.read(child.REPLY.size, deadline)))

    def text(self, reply: _Reply, deadline: float) -> str:
        """The sentence that comes with a reply. It may repeat a stranger's words: no line of a log is forged by it."""
        if reply.length > child.TEXT_BYTES:
            raise _Ended
        said = self.read(reply.length, deadline).decode("utf-8", "replace")
        return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in said)


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise TimeoutError


def check_platform() -> None:
    """Refuse where the system cannot keep a process within limits.

    Raises:
        DecoderUnavailable: it is such a system.
    """
    if importlib.util.find_spec("resource") is None or not Path("/proc/self/statm").exists():
        raise DecoderUnavailable(
            f"decoding under a memory limit needs Linux: {sys.platform} does not limit the memory of one process"
        )


class ConfinedDecoder:
    """Decodes in a child process, which is started when first needed and again when it has ended.

    For one thread at a time, like the `Detector` that it is given to. Use as a context manager or call `close`; the
    child also ends with this object and with this process.

    Args:
        megabytes: memory that decoding one picture may take, its file included: MiB of address space above what the
            child has before it sees a picture.
        seconds: that one picture may take, by the clock.

    Raises:
        DecoderUnavailable: not on this system.
        ValueError: limits under which no ordinary picture could be decoded.
    """

    _task = ""

    def __init__(self, megabytes: int = MEGABYTES, seconds: float = SECONDS) -> None:
        check_platform()
        if megabytes < MIN_MEGABYTES:
            raise ValueError(f"a limit of {megabytes} MB is too low: {MIN_MEGABYTES} or more")
        if seconds <= 0:
            raise ValueError(f"a limit of {seconds} seconds is too short")
        self._megabytes = megabytes
        self._seconds = seconds
        self._process: _Process | None = None
        self._finalizer: weakref.finalize[[], ConfinedDecoder] | None = None
        self._deadline = 0.0
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._process is None else self._process.pid

    def open(self) -> None:
        """Start the child now instead of with the first picture.

        Raises:
            DecoderUnavailable: it does not start.
        """
        if self._process is None:
            self._start()

    def close(self) -> None:
        """End the child. The next picture starts another."""
        self._end()

    def probe(self, data: bytes) -> Header:
        """As `pictures.probe`.

        Raises:
            UnreadablePicture: no such picture.
            PictureTooLarge: more than any detector takes.
            UndecodablePicture: its header alone took more than is allowed, or ended the child.
            DecoderUnavailable: the child does not start.
        """
        kind = sniff(data)
        with self._handed_over(child.PROBE, data, Header(kind, 0, 0)) as process:
            reply = self._answer(process, child.HEADER)
            if reply.length or not (1 <= reply.width <= MAX_SIDE and 1 <= reply.height <= MAX_SIDE):
                raise _Ended
            return Header(kind, reply.width, reply.height)

    def decode(self, data: bytes, header: Header) -> Picture:
        """As `pictures.decode`.

        Raises:
            PictureTooLarge: more pixels than any legal picture has.
            UnreadablePicture: truncated or broken.
            UndecodablePicture: it took more memory or time than is allowed, or ended the child.
            DecoderUnavailable: the child does not start.
        """
        if header.width * header.height > MAX_PIXELS:
            raise PictureTooLarge(f"{header.width} x {header.height} pixels are more than {MAX_PIXELS:,}")
        with self._handed_over(child.DECODE, data, header) as process:
            reply = self._answer(process, child.PICTURE)
            upright, frame = (reply.width, reply.height), (reply.frame_width, reply.frame_height)
            stored = (header.width, header.height)
            if (
                upright not in {stored, stored[::-1]}
                or not (1 <= frame[0] <= upright[0] and 1 <= frame[1] <= upright[1])
                or reply.length != child.PIXEL_BYTES * frame[0] * frame[1]
            ):
                raise _Ended
            if len(self._buffer) < reply.length:
                self._buffer = bytearray(reply.length)
            pixels = memoryview(self._buffer)[: reply.length]
            if reply.length > KEPT_BYTES:
                self._buffer = bytearray()
            process.fill(pixels, self._deadline)
            return Picture(Image.frombytes("RGB", frame, pixels, "raw", child.PIXELS), *upright)

    def _answer(self, process: _Process, expected: bytes) -> _Reply:
        reply = process.reply(self._deadline)
        if reply.kind == expected:
            return reply
        text = process.text(reply, self._deadline)
        if reply.kind == child.TOO_LARGE:
            raise PictureTooLarge(text)
        if reply.kind == child.UNREADABLE:
            raise UnreadablePicture(text)
        if reply.kind == child.DEFECT:
            raise _Defect(text)
        raise _OutOfMemory if reply.kind == child.MEMORY else _Ended

    @contextmanager
    def _handed_over(
        self, kind: bytes, data: bytes, header: Header | None, words: bytes = b""
    ) -> Iterator[_Process]:
        """The child with the file in its hands; what goes wrong from then on is the file's doing."""
        try:
            process = self._hand_over(kind, data, header, words)
            self._deadline = time.monotonic() + self._seconds
            yield process
        except _Defect:
            raise
        except UnreadablePicture:
            raise  # an answer
        except _OutOfMemory:
            self._end()
            raise self._undecodable(f"decoding takes more than {self._megabytes} MB") from None
        except TimeoutError:
            self._end()
            raise self._undecodable(f"decoding takes longer than {self._seconds:g} s") from None
        except _Ended:
            status = self._end()
            if status == -signal.SIGXCPU:
                raise self._undecodable(f"decoding takes longer than {self._seconds:g} s") from None
            raise self._undecodable(f"decoding ended its process, {_how(status)}") from None
        except BaseException:
            self._end()  # what it still has to say would be taken for the answer about another picture
            raise

    def _hand_over(self, kind: bytes, data: bytes, header: Header | None, words: bytes) -> _Process:
        """Bring the file into the child's memory, unread: whatever goes wrong is not its doing.

        Raises:
            DecoderUnavailable: no child takes it.
            _OutOfMemory: it alone is too much.
        """
        number = 0 if header is None else child.FORMATS.index(header.format)
        width, height = (0, 0) if header is None else (header.width, header.height)
        head = child.REQUEST.pack(kind, number, width, height, len(words), len(data)) + words
        for _ in range(_TRIES):
            process = self._process or self._start()
            deadline = time.monotonic() + TAKE_SECONDS
            try:
                with suppress(_Ended):  # a child without room for it says so before it has read it
                    process.write(head, deadline)
                    process.write(data, deadline)
                word = process.read(1, deadline)
            except (_Ended, TimeoutError):
                word = bytearray()
            if word == child.TAKEN:
                return process
            if word == child.MEMORY:
                raise _OutOfMemory
            logger.warning("the decoding process is replaced: it took no picture, %s", _how(self._end()))
        raise DecoderUnavailable("the decoding process takes no pictures")

    def _command(self) -> list[str]:
        # Isolated, and with the very packages that this process has, wherever they are.
        folders = {str(Path(module.__file__ or "").parents[1]) for module in self._packages()}
        limits = str(self._megabytes), str(math.ceil(self._seconds))
        return [
            *(sys.executable, "-I", "-S", "-Wignore", child.__file__),
            *(*limits, self._task, *sorted(folders)),
        ]

    def _packages(self) -> tuple[ModuleType, ...]:
        return PIL, numpy

    def _start(self) -> _Process:
        deadline = time.monotonic() + START_SECONDS
        try:
            process = _Process(self._command())
        except OSError as error:
            raise DecoderUnavailable(f"the decoding process cannot be started: {error}") from error
        self._process = process
        self._finalizer = weakref.finalize(self, process.end)
        try:
            reply = process.reply(deadline)
            text = process.text(reply, deadline)
        except _Ended:
            raise DecoderUnavailable(f"the decoding process does not start, {_how(self._end())}") from None
        except TimeoutError:
            self._end()
            raise DecoderUnavailable(f"the decoding process is not ready after {START_SECONDS:g} s") from None
        except BaseException:
            self._end()
            raise
        if reply.kind != child.READY:
            self._end()
            kind, _, why = text.partition(": ")
            said = why if kind == WeightsMissing.__name__ else f"the decoding process does not start: {text}"
            raise DecoderUnavailable(said)
        return process

    def _end(self) -> int:
        """End the child, if there is one; its exit status."""
        process, self._process = self._process, None
        if self._finalizer is not None:
            self._finalizer.detach()
            self._finalizer = None
        return 0 if process is None else process.end()

    def _undecodable(self, sentence: str) -> UndecodablePicture:
        logger.warning("a picture was given up: %s", sentence)
        return UndecodablePicture(sentence)


class ConfinedDetector(ConfinedDecoder):
    """A whole detector in a child process: its decoder can be stopped like any other, and its work takes no time from
    the threads of this process.

    Args:
        profiles: as `models.offered` takes them; files by their absolute path.
        megabytes, seconds: as for `ConfinedDecoder`; the seconds include judging.
    """

    def __init__(
        self, profiles: Sequence[str] = (), megabytes: int = MEGABYTES, seconds: float = SECONDS
    ) -> None:
        super().__init__(megabytes, seconds)
        self._task = "\n".join(("judge:", *profiles))

    def detect(self, data: bytes, model: ModelSpec, ratio: str) -> Answer:
        """As `Detector.detect`.

        Raises:
            UnreadablePicture: no picture, or a broken one.
            UndecodablePicture: it took more memory or time than is allowed, or ended the child.
            DecoderUnavailable: the child does not start.
        """
        words = b"\0".join((model.name.encode(), ratio.encode()))
        with self._handed_over(child.JUDGE, data, None, words) as process:
            reply = self._answer(process, child.ANSWER)
            if reply.length > child.ANSWER_BYTES:
                raise _Ended
            return _answer_of(bytes(process.read(reply.length, self._deadline)), model)

    def _packages(self) -> tuple[ModuleType, ...]:
        return *super()._packages(), ai_edge_litert


class _Values(pickle.Unpickler):
    """Reads the values that an answer is made of. Nothing else can be named, so nothing can be executed."""

    def find_class(self, module: str, name: str) -> Any:
        if module == answer.__name__ and name in {"Explanation", "Check"}:
            return getattr(answer, name)
        if (module, name) == (Code.__module__, Code.__name__):
            return Code
        raise _Ended


def _answer_of(said: bytes, model: ModelSpec) -> Answer:
    try:
        return Answer(model=model, **_Values(io.BytesIO(said)).load())
    except (pickle.UnpicklingError, TypeError, ValueError, AttributeError, LookupError, EOFError):
        raise _Ended from None


def _how(status: int) -> str:
    """An exit status in words."""
    return f"by signal {-status}" if status < 0 else f"with status {status}"
