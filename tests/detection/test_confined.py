"""Decoding in a process of its own: the same pictures, real limits, and whose fault it is when the process ends."""

from __future__ import annotations

import errno
import gc
import importlib.util
import io
import itertools
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image
from support.waiting import eventually, gone

from screentest.demo import pictures
from screentest.detection import Detector, DetectorPool, confined, confined_child
from screentest.detection.confined import MIN_MEGABYTES, ConfinedDecoder
from screentest.detection.errors import (
    DecoderUnavailable,
    PictureTooLarge,
    UndecodablePicture,
    UnreadablePicture,
)
from screentest.detection.models import BUILT_IN
from screentest.detection.pictures import MAX_SIDE, Header, Picture, decode, probe

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has these limits")

PATIENCE = 60.0
"""For what must happen soon; nothing is asserted about how soon."""


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def grey16(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def small(width: int = 48, height: int = 32) -> bytes:
    return encoded(pictures.astronaut().resize((width, height)), "PNG")


PORTRAITS = {
    "jpeg": lambda p: encoded(p, "JPEG", quality=90),
    "jpeg turned": lambda p: encoded(p.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif(6)),
    "jpeg at a scale": lambda p: encoded(p.resize((4001, 4003)), "JPEG"),
    "jpeg at a scale, turned": lambda p: encoded(p.resize((3000, 4000)), "JPEG", exif=exif(8)),
    "jpeg cmyk progressive": lambda p: encoded(p.convert("CMYK"), "JPEG", progressive=True),
    "jpeg grey": lambda p: encoded(p.convert("L"), "JPEG"),
    "png": lambda p: encoded(p, "PNG"),
    "png reduced": lambda p: encoded(p.resize((3001, 3003)), "PNG", compress_level=1),
    "png with alpha": lambda p: encoded(with_alpha(p), "PNG"),
    "png turned": lambda p: encoded(p, "PNG", exif=exif(5)),
    "png palette": lambda p: encoded(p.convert("P"), "PNG", transparency=3),
    "png sixteen bits": lambda p: encoded(grey16(p), "PNG"),
    "bmp": lambda p: encoded(p, "BMP"),
    "bmp palette": lambda p: encoded(p.convert("P"), "BMP"),
    "webp": lambda p: encoded(p, "WEBP", quality=80),
    "webp lossless with alpha": lambda p: encoded(with_alpha(p), "WEBP", lossless=True),
    "webp turned": lambda p: encoded(p, "WEBP", exif=exif(3)),
}

SABOTAGE = """
import importlib.util, os, signal, sys, time

spec = importlib.util.spec_from_file_location("child", sys.argv[1])
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
serve = child.serve


def spin():
    while True:
        pass


DEEDS = {
    501: lambda: os.kill(os.getpid(), signal.SIGKILL),
    502: lambda: os.kill(os.getpid(), signal.SIGSEGV),
    503: lambda: time.sleep(600),
    504: lambda: os._exit(7),
    505: spin,
}


def sabotaged(source, out, seconds, judge):
    from screentest.detection import pictures

    real = pictures.decode

    def decode(data, header):
        DEEDS.get(header.width, int)()
        return real(data, header)

    pictures.decode = decode
    serve(source, out, seconds, judge)


child.serve = sabotaged
child.main(*sys.argv[2:])
"""
"""The real child, but for pictures of certain widths."""

KILLS, CRASHES, HANGS, EXITS, SPINS = 501, 502, 503, 504, 505

PARROT = """
import os, sys
from pathlib import Path

sys.path.append(str(Path(sys.argv[1]).parent))
import confined_child as child

os.write(1, child.REPLY.pack(child.READY, 0, 0, 0, 0, 0))
while head := os.read(0, child.REQUEST.size):
    left = child.REQUEST.unpack(head)[-1]
    while left:
        left -= len(os.read(0, left))
    os.write(1, child.TAKEN + bytes.fromhex(sys.argv[2]))
"""
"""Takes every file and answers what it was told to."""


class Scripted(ConfinedDecoder):
    """Runs another program in the child's place; its first argument is the child's path."""

    def __init__(self, script: str | None, *arguments: str, **limits: Any) -> None:
        super().__init__(**limits)
        self.script, self.arguments = script, arguments

    def _command(self) -> list[str]:
        real = super()._command()
        if self.script is None:
            return real
        at = real.index(confined_child.__file__)
        return [*real[:at], "-c", self.script, real[at], *self.arguments, *real[at + 1 :]]


def opened_here(data: bytes) -> Picture:
    return decode(data, probe(data))


def opened(decoder: ConfinedDecoder, data: bytes) -> Picture:
    return decoder.decode(data, probe(data))


def pid_of(decoder: ConfinedDecoder) -> int:
    assert decoder.pid is not None
    return decoder.pid


def children() -> set[int]:
    """Processes, dead ones included, whose parent is this process."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(path.parent.name))
    return found


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def limits_of(pid: int) -> dict[str, tuple[str, str]]:
    found = {}
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]:
        soft, hard = line[26:].split()[:2]
        found[line[:26].strip()] = soft, hard
    return found


@pytest.fixture(scope="module")
def decoder() -> Iterator[ConfinedDecoder]:
    with ConfinedDecoder() as running:
        yield running


@pytest.fixture(scope="module")
def saboteur() -> Iterator[Scripted]:
    with Scripted(SABOTAGE, seconds=2) as running:
        yield running


class TestTheSame:
    @pytest.mark.parametrize(("name", "model"), list(zip(PORTRAITS, itertools.cycle(BUILT_IN), strict=False)))
    def test_pictures_and_answers_wherever_they_are_decoded(
        self, detector: Detector, decoder: ConfinedDecoder, name: str, model: str
    ) -> None:
        data = PORTRAITS[name](pictures.astronaut())
        header = decoder.probe(data)
        assert header == probe(data)
        there, here = decoder.decode(data, header), decode(data, header)
        assert (there.width, there.height, there.size) == (here.width, here.height, here.size)
        assert there.image.mode == here.image.mode == "RGB"
        assert there.image.tobytes() == here.image.tobytes()
        answer = Detector(decoder).detect(data, model)
        assert answer == detector.detect(data, model)
        assert answer.explanation.measurements

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
    @pytest.mark.parametrize("keep", [0.0, 0.01, 0.02, 0.3, 0.9])
    def test_errors(self, decoder: ConfinedDecoder, kind: str, keep: float) -> None:
        data = encoded(pictures.astronaut(), kind)
        data = data[: int(len(data) * keep)]
        with pytest.raises(UnreadablePicture) as here:
            opened_here(data)
        with pytest.raises(UnreadablePicture) as there:
            decoder.decode(data, decoder.probe(data))
        assert type(there.value) is type(here.value) is UnreadablePicture
        assert str(there.value) == str(here.value)

    def test_too_large(self, decoder: ConfinedDecoder) -> None:
        wide = encoded(Image.new("1", (MAX_SIDE + 1, 1)), "PNG")
        with pytest.raises(PictureTooLarge, match=f"{MAX_SIDE + 1} x 1"):
            decoder.probe(wide)
        with pytest.raises(PictureTooLarge, match="49,000,000"):
            decoder.decode(wide, Header("PNG", 7001, 7000))


class TestLimits:
    def test_the_system_holds_the_limits_of_the_child(self) -> None:
        with ConfinedDecoder(megabytes=200, seconds=20) as decoder:
            decoder.open()
            limits = limits_of(pid_of(decoder))
            size = int(Path(f"/proc/{decoder.pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            assert limits["Max core file size"] == ("0", "0")
            assert limits["Max file size"] == ("0", "0")
            assert limits["Max open files"] == ("16", "16")
            soft, hard = limits["Max address space"]
            assert soft == hard
            assert abs(int(soft) - size - 200 * 2**20) < 8 * 2**20
            assert limits["Max cpu time"][0] == "unlimited"
            opened(decoder, small())
            assert 40 < int(limits_of(pid_of(decoder))["Max cpu time"][0]) < 60

    def test_the_child_knows_nothing_and_holds_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SCREENTEST_API_KEY", "sk-1")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        with ConfinedDecoder() as decoder, Path(__file__).open() as held:
            decoder.open()
            place = Path(f"/proc/{decoder.pid}")
            names = {
                entry.partition(b"=")[0] for entry in place.joinpath("environ").read_bytes().split(b"\0")
            }
            assert names <= {b"", b"OPENBLAS_NUM_THREADS", b"MALLOC_ARENA_MAX", b"LD_LIBRARY_PATH"}
            # The child looks up its own size between pictures.
            own = str(place / "statm")
            files = {str(path.readlink()) for path in place.joinpath("fd").iterdir() if path.is_symlink()} - {
                own
            }
            assert held.name not in files
            assert {name.partition(":")[0] for name in files} == {"pipe", os.devnull}
            assert os.getpgid(pid_of(decoder)) == decoder.pid

    def test_a_picture_above_the_memory_limit(self, caplog: pytest.LogCaptureFixture) -> None:
        grey = Image.linear_gradient("L").resize((4000, 4000))
        hungry = encoded(Image.merge("LA", [grey, grey]), "PNG", compress_level=1)
        with ConfinedDecoder(megabytes=MIN_MEGABYTES) as decoder:
            before = opened(decoder, small()).image.tobytes()
            first = pid_of(decoder)
            with pytest.raises(UndecodablePicture, match=f"more than {MIN_MEGABYTES} MB"):
                opened(decoder, hungry)
            assert opened(decoder, small()).image.tobytes() == before
            assert decoder.pid != first
        assert [record.getMessage() for record in caplog.records] == [
            f"a picture was given up: decoding takes more than {MIN_MEGABYTES} MB"
        ]
        with ConfinedDecoder(megabytes=400) as roomy:
            assert opened(roomy, hungry).size == (2000, 2000)

    def test_a_file_above_the_memory_limit(self) -> None:
        file = small() + bytes((MIN_MEGABYTES + 8) * 2**20)
        with ConfinedDecoder(megabytes=MIN_MEGABYTES) as decoder:
            with pytest.raises(UndecodablePicture, match="more than"):
                decoder.probe(file)
            assert opened(decoder, small()).size == (48, 32)

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
    def test_libraries_that_call_it_a_broken_picture(self, kind: str) -> None:
        image = pictures.astronaut().resize((4000, 4000))
        if kind == "JPEG":
            data = encoded(image.convert("CMYK"), kind, progressive=True)
        else:
            data = encoded(image, kind, lossless=True, quality=0, method=0)
        assert opened_here(data).width == 4000
        with ConfinedDecoder(megabytes=MIN_MEGABYTES) as decoder:
            with pytest.raises(UnreadablePicture):
                opened(decoder, data)
            assert opened(decoder, small()).size == (48, 32)

    def test_the_largest_legal_pictures_have_room(self) -> None:
        """Of the formats that need most: see `confined.MEGABYTES`."""
        with ConfinedDecoder() as decoder:
            for data in (
                encoded(with_alpha(Image.new("RGB", (7000, 7000))), "WEBP", method=0),
                encoded(Image.new("LA", (7000, 7000)), "PNG", compress_level=1, exif=exif(6)),
            ):
                assert opened(decoder, data).width == 7000

    @pytest.mark.parametrize("limits", [{"megabytes": MIN_MEGABYTES - 1}, {"megabytes": -1}, {"seconds": 0}])
    def test_limits_that_make_no_sense(self, limits: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="limit of"):
            ConfinedDecoder(**limits)

    def test_a_system_without_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(DecoderUnavailable, match="needs Linux"):
            ConfinedDecoder()


class TestThePicturesDoing:
    @pytest.mark.parametrize(
        ("width", "sentence"),
        [
            (KILLS, "ended its process, by signal 9"),
            (CRASHES, "ended its process, by signal 11"),
            (EXITS, "ended its process, with status 7"),
            (HANGS, "takes longer than 2 s"),
            (SPINS, "takes longer than 2 s"),
        ],
    )
    def test_what_ends_the_child_is_unreadable_and_the_next_one_is_not(
        self, saboteur: Scripted, caplog: pytest.LogCaptureFixture, width: int, sentence: str
    ) -> None:
        expected = opened_here(small()).image.tobytes()
        assert opened(saboteur, small()).image.tobytes() == expected
        first = pid_of(saboteur)
        with pytest.raises(UndecodablePicture, match=sentence):
            opened(saboteur, small(width))
        assert gone(first)
        assert first not in children()
        assert opened(saboteur, small()).image.tobytes() == expected
        (record,) = caplog.records
        assert (record.levelno, record.name) == (logging.WARNING, "screentest.detection.confined")
        assert sentence in record.getMessage()

    def test_again_and_again(self, saboteur: Scripted) -> None:
        seen = set()
        for _ in range(6):
            with pytest.raises(UndecodablePicture):
                opened(saboteur, small(KILLS))
            assert opened(saboteur, small()).size == (48, 32)
            seen.add(saboteur.pid)
        assert len(seen) == 6

    def test_through_a_detector(self, saboteur: Scripted) -> None:
        detector = Detector(saboteur)
        for name in ("waist_up", "cat"):
            with pytest.raises(UnreadablePicture, match="ended its process"):
                detector.detect(small(KILLS, 600), "emo-detect-v1")
            assert detector.detect(pictures.data(name), "emo-detect-v1").passed is (name == "waist_up")

    @pytest.mark.parametrize(
        "reply",
        [
            (confined_child.PICTURE, 48, 33, 48, 32, 4 * 48 * 32),
            (confined_child.PICTURE, 48, 32, 49, 32, 4 * 49 * 32),
            (confined_child.PICTURE, 48, 32, 0, 32, 0),
            (confined_child.PICTURE, 48, 32, 48, 32, 4 * 48 * 32 + 1),
            (confined_child.PICTURE, 48, 32, 48, 32, 2**63),
            (confined_child.HEADER, 48, 32, 0, 0, 0),
            (confined_child.UNREADABLE, 0, 0, 0, 0, 2**40),
            (b"?", 0, 0, 0, 0, 0),
        ],
    )
    def test_nonsense_is_no_picture(self, reply: bytes) -> None:
        answer = confined_child.REPLY.pack(*reply) + bytes(16_000)
        with (
            Scripted(PARROT, answer.hex()) as parrot,
            pytest.raises(UndecodablePicture, match="ended its process"),
        ):
            opened(parrot, small())
        assert parrot.pid is None

    @pytest.mark.parametrize("sides", [(0, 5), (5, 0), (MAX_SIDE + 1, 5), (5, 2**32 - 1)])
    def test_nonsense_is_no_header(self, sides: bytes) -> None:
        answer = confined_child.REPLY.pack(confined_child.HEADER, *sides, 0, 0, 0)
        with Scripted(PARROT, answer.hex()) as parrot, pytest.raises(UndecodablePicture):
            parrot.probe(small())

    def test_what_is_said_forges_no_line(self) -> None:
        said = b"broken\n2026-01-01 INFO passed\x1b[2J"
        answer = confined_child.REPLY.pack(confined_child.UNREADABLE, 0, 0, 0, 0, len(said)) + said
        with Scripted(PARROT, answer.hex()) as parrot, pytest.raises(UnreadablePicture) as caught:
            parrot.probe(small())
        assert str(caught.value).isprintable()
        assert "broken" in str(caught.value)


class TestOurOwn:
    @pytest.mark.parametrize(
        ("script", "sentence"),
        [
            ("import os; os._exit(3)", "does not start, with status 3"),
            ("import os; os.kill(os.getpid(), 9)", "does not start, by signal 9"),
            ("raise SystemExit", "does not start, with status 0"),
            ("print('Traceback (most recent call last): and so on')", "does not start"),
            ("import time; time.sleep(600)", "not ready"),
        ],
    )
    def test_a_child_that_does_not_start_is_no_verdict(
        self, monkeypatch: pytest.MonkeyPatch, script: str, sentence: str
    ) -> None:
        if "sleep" in script:
            monkeypatch.setattr(confined, "START_SECONDS", 0.2)
        before = children()
        decoder = Scripted(script)
        for attempt in (decoder.open, lambda: decoder.probe(small()), lambda: opened(decoder, small())):
            with pytest.raises(DecoderUnavailable, match=sentence) as caught:
                attempt()
            assert not isinstance(caught.value, UnreadablePicture)
        assert children() == before
        monkeypatch.undo()
        decoder.script = None
        assert opened(decoder, small()).size == (48, 32)
        decoder.close()

    def test_what_is_missing_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(np, "__file__", "/nowhere/numpy/__init__.py")
        monkeypatch.setattr(PIL, "__file__", "/nowhere/PIL/__init__.py")
        with pytest.raises(DecoderUnavailable, match="ModuleNotFoundError: No module named 'PIL'"):
            ConfinedDecoder().open()

    @pytest.mark.parametrize("python", ["", "/nowhere/python", os.devnull])
    def test_no_python(self, monkeypatch: pytest.MonkeyPatch, python: str) -> None:
        monkeypatch.setattr(sys, "executable", python)
        with pytest.raises(DecoderUnavailable, match="cannot be started"):
            ConfinedDecoder().open()

    def test_no_process_to_be_had(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

        monkeypatch.setattr(subprocess, "Popen", refuse)
        with pytest.raises(DecoderUnavailable, match="cannot be started"):
            ConfinedDecoder().probe(small())

    def test_a_child_that_died_between_pictures_is_replaced(self, caplog: pytest.LogCaptureFixture) -> None:
        with ConfinedDecoder() as decoder:
            opened(decoder, small())
            first = pid_of(decoder)
            os.kill(first, signal.SIGKILL)
            eventually(lambda: gone(first))
            assert opened(decoder, small()).size == (48, 32)
            assert decoder.pid != first
        assert ["replaced" in record.getMessage() for record in caplog.records] == [True]

    @pytest.mark.parametrize("size", [1_000, 3_000_000])
    def test_children_that_die_before_they_took_the_picture(self, size: int) -> None:
        ready = confined_child.REPLY.pack(confined_child.READY, 0, 0, 0, 0, 0)
        script = f"import os; os.write(1, bytes.fromhex({ready.hex()!r})); os.read(0, 1)"
        with Scripted(script) as decoder, pytest.raises(DecoderUnavailable, match="takes no pictures"):
            decoder.probe(small() + bytes(size))

    def test_a_child_that_takes_no_picture(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ConfinedDecoder() as decoder:
            decoder.open()
            first = pid_of(decoder)
            os.kill(first, signal.SIGSTOP)
            start = decoder._start

            def patient() -> Any:
                monkeypatch.undo()
                return start()

            monkeypatch.setattr(confined, "START_SECONDS", 0.2)
            monkeypatch.setattr(decoder, "_start", patient)
            assert opened(decoder, small()).size == (48, 32)
            assert decoder.pid != first

    def test_signals_that_ask_for_an_end_are_the_parents(self) -> None:
        with ConfinedDecoder() as decoder:
            opened(decoder, small())
            first = pid_of(decoder)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(first, number)
            assert opened(decoder, small()).size == (48, 32)
            assert decoder.pid == first

    @pytest.mark.parametrize("started", [True, False])
    def test_an_interrupted_answer_is_not_taken_for_the_next_one(
        self, monkeypatch: pytest.MonkeyPatch, started: bool
    ) -> None:
        with ConfinedDecoder() as decoder:
            if started:
                decoder.open()
            with monkeypatch.context() as patch:
                patch.setattr(confined._Process, "reply", interrupt)
                with pytest.raises(KeyboardInterrupt):
                    decoder.probe(small(20, 10))
            assert decoder.pid is None
            assert decoder.probe(small()) == Header("PNG", 48, 32)


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


class TestNothingIsLeft:
    def test_after_fifty_children(self) -> None:
        gc.collect()  # what other tests left behind must not be counted
        before, files = children(), open_files()
        decoder = ConfinedDecoder()
        seen = set()
        for number in range(50):
            assert opened(decoder, small()).size == (48, 32)
            seen.add(decoder.pid)
            assert children() - before == {decoder.pid}
            if number % 2:
                decoder.close()
            else:
                os.kill(pid_of(decoder), signal.SIGKILL)
        assert len(seen) == 50
        decoder.close()
        assert children() == before
        assert open_files() <= files

    def test_after_a_decoder_that_nobody_closed(self) -> None:
        before = children()
        decoder = ConfinedDecoder()
        decoder.open()
        assert children() > before
        del decoder
        assert children() == before

    @pytest.mark.parametrize("end", ["pass", "raise SystemExit(1)", "os._exit(0)", "os.kill(os.getpid(), 9)"])
    def test_after_the_parent(self, end: str) -> None:
        program = (
            "import os; from screentest.detection.confined import ConfinedDecoder\n"
            f"decoder = ConfinedDecoder(); decoder.open(); print(decoder.pid, flush=True)\n{end}"
        )
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
        eventually(lambda: gone(int(done.stdout)))

    def test_a_child_at_work_ends_after_the_parent(self) -> None:
        """By the system's limit of processor time: nobody is there to end it."""
        decoder = Scripted(SABOTAGE, seconds=1)
        command = decoder._command()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            process.stdout.read(confined_child.REPLY.size)
            data = small(SPINS)
            head = confined_child.REQUEST.pack(confined_child.DECODE, 1, SPINS, 32, 0, len(data))
            process.stdin.write(head + data)
            process.stdin.close()
            assert process.wait(PATIENCE) == -signal.SIGXCPU


class TestDetectors:
    def test_each_detector_of_a_pool_has_a_child_of_its_own(self) -> None:
        made: list[ConfinedDecoder] = []

        def make() -> Detector:
            made.append(ConfinedDecoder())
            return Detector(made[-1])

        pool = DetectorPool(2, make)
        with ThreadPoolExecutor(6) as threads:
            names = ["waist_up", "cat", "two_people"] * 4
            codes = list(threads.map(lambda n: pool.detect(pictures.data(n), "emo-detect-v1").code, names))
        assert codes == [None, "InvalidFile.NoHuman", "InvalidFile.MultiHuman"] * 4
        assert len({decoder.pid for decoder in made} - {None}) == len(made) == 2
        for decoder in made:
            decoder.close()

    def test_open_and_close(self) -> None:
        decoder = ConfinedDecoder()
        detector = Detector(decoder)
        assert decoder.pid is None
        detector.open()
        pid = pid_of(decoder)
        assert detector.detect(pictures.data("cat"), "emo-detect-v1").code == "InvalidFile.NoHuman"
        assert decoder.pid == pid
        detector.close()
        assert decoder.pid is None
        assert gone(pid)

    def test_who_does_not_ask_for_it_does_not_pay_for_it(self) -> None:
        program = (
            "import sys; from screentest import detection; detection.Detector(); "
            "bad = {'subprocess', 'resource', 'screentest.detection.confined'} & set(sys.modules); "
            "sys.exit(str(bad) if bad else 0)"
        )
        subprocess.run([sys.executable, "-c", program], check=True)
