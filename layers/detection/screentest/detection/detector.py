"""The detectors: picture in, answer out."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Protocol

from screentest.detection import boxes, codes, errors
from screentest.detection import thresholds as t
from screentest.detection.answer import Answer, Check, Explanation, Point
from screentest.detection.codes import Code, Model
from screentest.detection.measurements import Measurements, Networks
from screentest.detection.pictures import Header, Picture, decode, probe
from screentest.detection.rules import animate_anyone, emo, emoji
from screentest.detection.rules.rule import Rule

RATIOS: dict[Model, tuple[str, ...]] = {
    Model.EMO: ("1:1", "3:4"),
    Model.EMOJI: ("1:1",),
    Model.ANIMATE_ANYONE: ("1:1",),
}
"""The ratios that a request may name; the first is the default."""


def rules(model: Model, ratio: str = "1:1") -> tuple[Rule, ...]:
    """The rules of a detector in the order in which they are applied, the header's apart."""
    if model is Model.EMO:
        return emo.HALF_BODY if ratio == "3:4" else emo.HEAD
    return emoji.HEAD if model is Model.EMOJI else animate_anyone.BODY


def side_limits(model: Model) -> tuple[int, int]:
    """Shortest and longest side that `model` takes, pixels, inclusive."""
    if model is Model.ANIMATE_ANYONE:
        return t.ANIMATE_SIDE_MIN, t.ANIMATE_SIDE_MAX
    return t.PORTRAIT_SIDE_MIN, t.PORTRAIT_SIDE_MAX


def parse(model: Model | str, ratio: str = "1:1") -> tuple[Model, str]:
    """Model and ratio as this package's own values.

    Raises:
        UnknownModel: none of the three.
        InvalidRatio: not one that the model offers.
    """
    try:
        known = Model(model)
    except ValueError:
        names = ", ".join(Model)
        raise errors.UnknownModel(f"unknown model {model!r}: it is one of {names}") from None
    if ratio not in RATIOS[known]:
        offered = " or ".join(RATIOS[known])
        raise errors.InvalidRatio(f"{known} does not offer the ratio {ratio!r}: it is {offered}")
    return known, ratio


class Decoder(Protocol):
    """How a detector gets from bytes to pixels: `screentest.detection.confined.ConfinedDecoder`, or one of your own."""

    def open(self) -> None:
        """Get ready now instead of with the first picture."""

    def probe(self, data: bytes) -> Header:
        """As `pictures.probe`."""

    def decode(self, data: bytes, header: Header) -> Picture:
        """As `pictures.decode`."""

    def close(self) -> None:
        """Give up what it holds; it may be used again."""


class Detector:
    """Owns one set of networks, opened as they are needed. For one thread at a time; see `DetectorPool`.

    Args:
        decoder: reads the pictures, for this detector alone; by default it does so itself, in this process.
    """

    def __init__(self, decoder: Decoder | None = None) -> None:
        self._networks = Networks()
        self._decoder = decoder

    def open(self) -> None:
        """Open every network now instead of when first used, so that a snapshot of the process holds them; and the
        decoder, if it has one.

        Raises:
            WeightsMissing: the installation is incomplete.
            DecoderUnavailable: the decoder does not start.
        """
        if self._decoder is not None:
            self._decoder.open()
        for name, attribute in vars(Networks).items():
            if isinstance(attribute, cached_property):
                getattr(self._networks, name)

    def close(self) -> None:
        """Close the decoder, if it has one; the next picture opens it again."""
        if self._decoder is not None:
            self._decoder.close()

    def probe(self, data: bytes) -> Header:
        """Format and size of a picture, by its header.

        Raises:
            UnreadablePicture: no such picture.
            DecoderUnavailable: the decoder does not start.
        """
        return probe(data) if self._decoder is None else self._decoder.probe(data)

    def detect(self, data: bytes, model: Model | str, ratio: str = "1:1") -> Answer:
        """Judge the picture in `data`.

        Args:
            data: a JPEG, PNG, BMP or WebP file.
            model: which detector.
            ratio: `1:1` (head) or, for EMO, `3:4` (half body).

        Raises:
            UnreadablePicture: no picture, or a broken one.
            UnknownModel, InvalidRatio: no such detector or ratio.
            WeightsMissing: the installation is incomplete.
            DecoderUnavailable: the decoder does not start.
        """
        known, ratio = parse(model, ratio)
        header = self.probe(data)
        size = _resolution(known, header)
        if size.failed and not _judged_all_the_same(known, header):
            explanation = Explanation((size,), size.rule)
            return _rejected(known, ratio, Code.RESOLUTION, False, header.width, header.height, explanation)
        picture = decode(data, header) if self._decoder is None else self._decoder.decode(data, header)
        return _judge(known, ratio, Measurements(picture, self._networks), size)


def _judged_all_the_same(model: Model, header: Header) -> bool:
    """Whether a picture of the wrong size is judged first, and rejected for its size only if nothing else is wrong.

    Emoji's own documents name no size, so that a smaller fault comes last: whoever enlarges the picture should not
    then learn that the face was covered all along. Large pictures cost too much for that.
    """
    return (
        model is Model.EMOJI
        and min(header.width, header.height) >= t.EMOJI_JUDGED_SIDE_MIN
        and (max(header.width, header.height) <= t.PORTRAIT_SIDE_MAX)
    )


def _resolution(model: Model, header: Header) -> Check:
    low, high = side_limits(model)
    short, long = sorted((header.width, header.height))
    failed = short < low or long > high
    value = float(long if long > high else short)
    return Check("resolution", value, f"{low} to {high}", "pixels", Code.RESOLUTION, failed)


def _rejected(
    model: Model, ratio: str, code: Code, humanoid: bool, width: int, height: int, explanation: Explanation
) -> Answer:
    text = codes.message(model, code)
    return Answer(model, ratio, False, code, text, None, None, "", humanoid, width, height, explanation)


def _judge(model: Model, ratio: str, m: Measurements, size: Check) -> Answer:
    width, height = m.picture.width, m.picture.height
    checks, failure = [], None
    for rule in rules(model, ratio):
        value = rule.value(m)
        failed = rule.fails(value)
        checks.append(Check(rule.name, value, rule.limit, rule.unit, rule.code, failed))
        if failed:
            failure = rule
            break
    last = size.failed and failure is None
    checks = [*checks, size] if last else [size, *checks]
    decided = size.rule if last else failure.name if failure else None
    explanation = _explain(m, tuple(checks), decided)
    if last or failure is not None:
        code = Code.RESOLUTION if failure is None else failure.code
        humanoid = code not in {Code.NO_HUMAN, Code.CONTENT}
        return _rejected(model, ratio, code, humanoid, width, height, explanation)
    face = ext = None
    if model is not Model.ANIMATE_ANYONE and m.face is not None:
        (sx, sy), (x1, y1, x2, y2) = m.picture.scale, m.face.box
        box = (x1 * sx, y1 * sy, x2 * sx, y2 * sy)
        face = boxes.face_square(box, width, height)
        if model is Model.EMOJI:
            ext = boxes.emoji_square(box, width, height)
        elif ratio == "1:1":
            ext = boxes.emo_square(box, width, height)
        else:
            hips = m.hips_line
            ext = boxes.emo_half_body(box, None if hips is None else hips * sy, width, height)
    style = m.body_style if model is Model.ANIMATE_ANYONE else ""
    return Answer(model, ratio, True, None, "", face, ext, style, True, width, height, explanation)


def _explain(m: Measurements, checks: tuple[Check, ...], decided: str | None) -> Explanation:
    sx, sy = m.picture.scale

    def points(values: object) -> tuple[Point, ...]:
        return tuple((float(x) * sx, float(y) * sy) for x, y, *_ in values)  # type: ignore[attr-defined]

    named, landmarks = {}, {}
    taken = vars(m)  # only what was measured: explaining costs no network
    if taken.get("face") is not None:
        x1, y1, x2, y2 = taken["face"].box
        named["face"] = (x1 * sx, y1 * sy, x2 * sx, y2 * sy)
    for number, person in enumerate(taken.get("persons", ()), 1):
        x1, y1, x2, y2 = person.box
        named[f"person {number}"] = (x1 * sx, y1 * sy, x2 * sx, y2 * sy)
    if taken.get("mesh") is not None:
        landmarks["face"] = points(taken["mesh"].points[:468])
    if taken.get("pose") is not None:
        landmarks["body"] = points(taken["pose"].points)
    elif taken.get("body") is not None:
        landmarks["body"] = points(taken["body"].points)
    for number, hand in enumerate(taken.get("hands", ()), 1):
        landmarks[f"hand {number}"] = points(hand.points)
    figures = {name: float(value) for name, value in taken.items() if isinstance(value, int | float)}
    return Explanation(checks, decided, figures, named, landmarks)


class DetectorPool:
    """`size` detectors, each made by `make`, for any number of threads."""

    def __init__(self, size: int, make: Callable[[], Detector] = Detector) -> None:
        self._idle: queue.LifoQueue[Detector] = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(make())

    @contextmanager
    def lend(self) -> Iterator[Detector]:
        """An idle detector, waited for and given back."""
        detector = self._idle.get()
        try:
            yield detector
        finally:
            self._idle.put(detector)

    def detect(self, data: bytes, model: Model | str, ratio: str = "1:1") -> Answer:
        """As `Detector.detect`, from any thread; waits for an idle detector."""
        with self.lend() as detector:
            return detector.detect(data, model, ratio)


_own = DetectorPool(1)


def detect(picture: bytes | str | PathLike[str], model: Model | str, ratio: str = "1:1") -> Answer:
    """Judge one picture with detectors that this module keeps.

    Args:
        picture: a picture file's bytes, or its path.
        model: `emo-detect-v1`, `emoji-detect-v1` or `animate-anyone-detect-gen2`.
        ratio: `1:1` (head) or, for EMO, `3:4` (half body).

    Raises:
        UnreadablePicture: no picture, or a broken one.
        UnknownModel, InvalidRatio: no such detector or ratio.
        WeightsMissing: the installation is incomplete.
        OSError: the path cannot be read.
    """
    data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    return _own.detect(data, model, ratio)
