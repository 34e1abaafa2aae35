"""The detectors: picture in, answer out."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Protocol

from screentest.detection import boxes, models
from screentest.detection.answer import Answer, Box, Check, Explanation, Point
from screentest.detection.codes import Code
from screentest.detection.evidence import Evidence
from screentest.detection.models import Framing, ModelSpec
from screentest.detection.pictures import Header, Picture, decode, probe
from screentest.detection.vision.crops import Points
from screentest.detection.vision.networks import Networks
from screentest.detection.vision.runtime import Kernels


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
        self._networks.open()

    @property
    def kernels(self) -> Kernels:
        """What runs the networks here. Opens the one for faces, which every picture needs."""
        return self._networks.faces.kernels

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

    def detect(self, data: bytes, model: ModelSpec | str, ratio: str = "1:1") -> Answer:
        """Judge the picture in `data`.

        Args:
            data: a JPEG, PNG, BMP or WebP file.
            model: which detector, or the name of one that is built in.
            ratio: one that it offers.

        Raises:
            UnreadablePicture: no picture, or a broken one.
            UnknownModel, InvalidRatio: no such detector or ratio.
            WeightsMissing: the installation is incomplete.
            DecoderUnavailable: the decoder does not start.
        """
        spec = models.find(model) if isinstance(model, str) else model
        spec.framing(ratio)  # what is asked wrongly is said before the picture is looked at
        header = self.probe(data)

        def evidence() -> Evidence:
            picture = decode(data, header) if self._decoder is None else self._decoder.decode(data, header)
            return Evidence(picture, self._networks)

        return judge(header, evidence, spec, ratio)


def judge(
    header: Header, evidence: Callable[[], Evidence], model: ModelSpec | str, ratio: str = "1:1"
) -> Answer:
    """Judge a picture by its header and, unless that decides, by what `evidence` says of it.

    Raises:
        UnknownModel, InvalidRatio: no such detector or ratio.
    """
    spec = models.find(model) if isinstance(model, str) else model
    framing = spec.framing(ratio)
    size = _size(spec, header)
    wrong = next((check for check in size if check.failed), None)
    if wrong is not None and not _judged_all_the_same(spec, header):
        explanation = Explanation(size, wrong.rule)
        return _rejected(spec, ratio, wrong.code, False, header.width, header.height, explanation)
    return _judge(spec, framing, evidence(), size)


def too_large(model: ModelSpec, ratio: str) -> Answer:
    """The rejection of a picture whose header alone is beyond every limit (`PictureTooLarge`)."""
    return _rejected(model, ratio, Code.RESOLUTION, False, 0, 0, Explanation())


def _judged_all_the_same(model: ModelSpec, header: Header) -> bool:
    """Whether a picture of the wrong size is judged first, and rejected for its size only if nothing else is wrong."""
    if model.judged is None:
        return False
    low, high = model.judged
    return all(low <= side <= high for side in (header.width, header.height))


def _size(model: ModelSpec, header: Header) -> tuple[Check, ...]:
    """What the header alone decides."""
    low, high = model.size.min_side, model.size.max_side
    short, long = sorted((header.width, header.height))
    failed = short < low or long > high
    value = float(long if long > high else short)
    resolution = Check("resolution", value, f"{low} to {high}", "pixels", Code.RESOLUTION, failed)
    widest = model.size.max_aspect
    if widest is None:
        return (resolution,)
    aspect = long / short
    return resolution, Check(
        "aspect ratio", aspect, f"at most {widest:g}", "", Code.ASPECT_RATIO, aspect > widest
    )


def _rejected(
    model: ModelSpec, ratio: str, code: str, humanoid: bool, width: int, height: int, explanation: Explanation
) -> Answer:
    text = model.messages[code]
    return Answer(model, ratio, False, code, text, None, None, "", humanoid, width, height, explanation)


def _judge(model: ModelSpec, framing: Framing, evidence: Evidence, size: tuple[Check, ...]) -> Answer:
    width, height = evidence.picture.width, evidence.picture.height
    checks, failure = [], None
    for rule in framing.rules:
        value = rule.value(evidence)
        failed = rule.fails(value)
        check = Check(rule.name, value, rule.limit, rule.unit, rule.code, failed)
        checks.append(check)
        if failed:
            failure = check
            break
    wrong_size = next((check for check in size if check.failed), None)
    if failure is None and wrong_size is not None:
        failure = wrong_size
        checks = [*checks, *size]
    else:
        checks = [*size, *checks]
    humanoid = evidence.people.has_person
    if failure is not None:
        explanation = _explain(evidence, tuple(checks), failure.rule)
        return _rejected(model, framing.ratio, failure.code, humanoid, width, height, explanation)
    face, ext = _boxes(framing, evidence)
    style = ("full" if evidence.figure.whole else "half") if model.wire.body_style else ""
    explanation = _explain(evidence, tuple(checks), None)
    return Answer(
        model, framing.ratio, True, None, "", face, ext, style, humanoid, width, height, explanation
    )


def _boxes(framing: Framing, evidence: Evidence) -> tuple[Box | None, Box | None]:
    """Face box and extended box, where the framing has one."""
    face, picture = evidence.subject.face, evidence.picture
    if framing.extended_box is None or face is None:
        return None, None
    (sx, sy), (x1, y1, x2, y2) = picture.scale, face.box
    box = (x1 * sx, y1 * sy, x2 * sx, y2 * sy)
    hips = evidence.figure.hips_line
    extended = framing.extended_box.place(
        box, None if hips is None else hips * sy, picture.width, picture.height
    )
    return boxes.face_square(box, picture.width, picture.height), extended


def _explain(evidence: Evidence, checks: tuple[Check, ...], decided: str | None) -> Explanation:
    """What was found and measured so far: explaining costs no network."""
    sx, sy = evidence.picture.scale
    subject = evidence.subject

    def box(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float, float]:
        return x1 * sx, y1 * sy, x2 * sx, y2 * sy

    def points(values: Points) -> tuple[Point, ...]:
        return tuple((x * sx, y * sy) for x, y in values[:, :2].tolist())

    named, landmarks = {}, {}
    if subject.face is not None:
        named["face"] = box(*subject.face.box)
    for number, person in enumerate(subject.persons, 1):
        named[f"person {number}"] = box(*person.box)
    if subject.mesh is not None:
        landmarks["face"] = points(subject.mesh.points[:468])
    pose = evidence.taken("figure", "pose") or subject.body
    if pose is not None:
        landmarks["body"] = points(pose.points)
    for number, hand in enumerate(evidence.taken("hands", "found") or (), 1):
        landmarks[f"hand {number}"] = points(hand.points)
    return Explanation(checks, decided, evidence.measurements_taken(), named, landmarks)


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

    def detect(self, data: bytes, model: ModelSpec | str, ratio: str = "1:1") -> Answer:
        """As `Detector.detect`, from any thread; waits for an idle detector."""
        with self.lend() as detector:
            return detector.detect(data, model, ratio)


_own = DetectorPool(1)


def detect(picture: bytes | str | PathLike[str], model: ModelSpec | str, ratio: str = "1:1") -> Answer:
    """Judge one picture with detectors that this module keeps.

    Args:
        picture: a picture file's bytes, or its path.
        model: which detector, or the name of one that is built in, such as `emo-detect-v1`.
        ratio: one that it offers: `1:1` (head) or, for EMO, `3:4` (half body).

    Raises:
        UnreadablePicture: no picture, or a broken one.
        UnknownModel, InvalidRatio: no such detector or ratio.
        WeightsMissing: the installation is incomplete.
        OSError: the path cannot be read.
    """
    data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    return _own.detect(data, model, ratio)
