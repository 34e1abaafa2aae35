"""What a detector is: a value. Nothing else in this package knows one detector from another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from screentest.detection import errors
from screentest.detection.codes import IMAGE_URL_MISSING, Code

if TYPE_CHECKING:
    from screentest.detection.answer import Answer
    from screentest.detection.boxes import ExtendedBox
    from screentest.detection.rules.rule import Rule

Json = dict[str, Any]

FACE_DETECT = "/api/v1/services/aigc/image2video/face-detect"
AA_DETECT = "/api/v1/services/aigc/image2video/aa-detect"

BOX: Json = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0},
    "minItems": 4,
    "maxItems": 4,
    "description": "x1, y1, x2, y2 in pixels of the upright picture.",
}
"""JSON schema of a box."""


class Part(NamedTuple):
    """One property of `output`: its JSON schema, and its value in an answer."""

    schema: Json
    value: Callable[[Answer], Any]


def const(value: bool | str) -> Part:
    """A property that is always the same."""
    return Part({"const": value}, lambda _: value)


FACE: Final = Part(BOX, lambda answer: list(answer.face_bbox or ()))
EXTENDED: Final = Part(BOX, lambda answer: list(answer.ext_bbox or ()))
STYLE: Final = Part({"enum": ["full", "half"]}, lambda answer: answer.body_style)
HUMANOID: Final = Part({"type": "boolean"}, lambda answer: answer.humanoid)
CODE: Final = Part({"type": "string"}, lambda answer: str(answer.code))
MESSAGE: Final = Part({"type": "string"}, lambda answer: answer.message)


@dataclass(frozen=True, slots=True, eq=False)
class Wire:
    """The form of `output` in answers.

    Attributes:
        name: of the form; its schemas are called after it.
        passed, rejected: the properties of each, in order; all of them are required.
        codes: whether a rejection can be answered as HTTP 400 with its code.
    """

    name: str
    passed: Mapping[str, Part]
    rejected: Mapping[str, Part]
    codes: bool = True

    @property
    def boxes(self) -> bool:
        """Whether a pass shows the face box and the extended box."""
        return FACE in self.passed.values()

    @property
    def body_style(self) -> bool:
        """Whether a pass shows how much of the body is seen."""
        return STYLE in self.passed.values()


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Sizes that are judged, by the header alone.

    Attributes:
        min_side: shortest side, pixels, inclusive.
        max_side: longest side, pixels, inclusive.
        max_aspect: longer side in shorter ones, inclusive; `None` for any.
    """

    min_side: int
    max_side: int
    max_aspect: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Framing:
    """One `ratio` that requests may name.

    Attributes:
        ratio: the name.
        rules: in the order in which they are applied; the first that fails is the answer.
        extended_box: of a pass, where the wire form has boxes.
    """

    ratio: str
    rules: tuple[Rule, ...]
    extended_box: ExtendedBox | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ModelSpec:
    """A detector.

    Attributes:
        name: as requests carry it.
        short: the name for people.
        paths: of the API on which it is offered.
        framings: by ratio, the default first.
        size: limits on the sides.
        messages: the literal text for each code that it may answer.
        wire: form of its answers.
        takes_ratio: whether requests have a parameter `ratio`; if not, it is ignored like any unknown field.
        max_megabytes: largest picture file, inclusive; `None` leaves it to the fetcher's limit.
        judged: sides in pixels, inclusive: a picture of the wrong size whose sides are all within is judged first, and
            rejected for its size only if nothing else is wrong.
        image_url_missing: the text for requests without `input.image_url`.

    Raises:
        ValueError: a code without a message, a rule listed twice, or boxes that the wire form does not have, or lacks.
    """

    name: str
    short: str
    paths: tuple[str, ...]
    framings: tuple[Framing, ...]
    size: SizeLimits
    messages: Mapping[str, str]
    wire: Wire
    takes_ratio: bool = True
    max_megabytes: int | None = None
    judged: tuple[int, int] | None = None
    image_url_missing: str = IMAGE_URL_MISSING

    def __post_init__(self) -> None:
        for framing in self.framings:
            names = [rule.name for rule in framing.rules]
            if len(names) != len(set(names)):
                raise ValueError(f"{self.name} {framing.ratio} lists a rule twice")
            codes = {Code.RESOLUTION, *(rule.code for rule in framing.rules)}
            if self.size.max_aspect is not None:
                codes.add(Code.ASPECT_RATIO)
            silent = {str(code) for code in codes} - set(self.messages)
            if silent:
                raise ValueError(
                    f"{self.name} {framing.ratio} has no message for {', '.join(sorted(silent))}"
                )
            if (framing.extended_box is not None) is not self.wire.boxes:
                raise ValueError(f"{self.name} {framing.ratio}: boxes and wire form do not fit")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<ModelSpec {self.name}>"

    @property
    def ratios(self) -> tuple[str, ...]:
        """What requests may name, the default first."""
        return tuple(framing.ratio for framing in self.framings)

    def framing(self, ratio: str) -> Framing:
        """The framing of that name.

        Raises:
            InvalidRatio: the detector does not offer it.
        """
        for framing in self.framings:
            if framing.ratio == ratio:
                return framing
        raise errors.InvalidRatio(
            f"{self.name} does not offer the ratio {ratio!r}: it is {' or '.join(self.ratios)}"
        )
