"""Detectors of one's own as data: a TOML or JSON file becomes a `ModelSpec`.

What a profile may say, with units and limits, is `Profile`; the documents are in `docs/profiles.md`. The only part of
this package that needs pydantic, so nothing imports it that does not load a profile.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from screentest.detection import models
from screentest.detection.boxes import ExtendedBox, Rectangle, Square
from screentest.detection.codes import PORTRAIT, Code
from screentest.detection.errors import ProfileError
from screentest.detection.models import AA_DETECT, FACE_DETECT, Framing, ModelSpec, SizeLimits, Wire
from screentest.detection.rules import catalogue
from screentest.detection.rules.catalogue import RULES
from screentest.detection.rules.rule import Rule

MAX_BYTES = 64 * 1024
READY_MADE = Path(__file__).parent

WIRES: dict[str, Wire] = {model.short: model.wire for model in models.BUILT_IN}
"""Forms to answer in."""

FRAMINGS: dict[str, tuple[Rule, ...]] = {
    "head": (catalogue.CUT,),
    "half body": (catalogue.CUT, catalogue.HIPS),
    "whole figure": (catalogue.CUT, catalogue.FEET),
    "any": (),
}
"""How much of the person must be in the frame: rules that are applied last, unless they are listed."""

RANGES: dict[str, tuple[float, float]] = {
    "": (0, 2),  # probabilities and truths up to 1, ratios hardly beyond: a percentage is caught
    "of the shorter side": (0, 2),  # a face box may reach over the frame
    "of the torso": (0, 2),
    "of 255": (0, 255),
    "degrees": (0, 180),
    "% of face width": (0, 100),
    "persons": (0, 100),
    "thigh lengths": (0, 10),
    "face widths": (-10, 100),
    "face heights": (-10, 100),
    "face sizes": (-10, 100),
}
"""What a limit may be by its unit: beyond it lies no value that a picture could have."""

MESSAGES: dict[str, str] = {
    **models.ANIMATE_ANYONE.messages,
    **PORTRAIT,
    Code.ASPECT_RATIO: "The aspect ratio of the image is invalid, please upload other image.",
    Code.FULL_BODY: (
        "The pose of the detected person is invalid, please upload other image with whole body."
    ),
}
"""What is answered where a profile gives no words of its own."""


_Key = tuple[str | int, ...]
_Lines = dict[_Key, int]
"""Where keys stand, so that errors can point to them: parsers do not tell."""


_Refuse = Callable[[_Key, str], ProfileError]

Text = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
CodeName = Annotated[str, Field(pattern=r"^InvalidFile\.[A-Za-z0-9]{1,50}$")]


def _known_form(name: str) -> str:
    if name not in WIRES:
        raise PydanticCustomError("form", "Input should be {forms}", {"forms": " or ".join(map(repr, WIRES))})
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Size(_Strict):
    """What the header alone decides."""

    min_side: int = Field(default=1, ge=1, le=7000, description="Shortest side, pixels, inclusive.")
    max_side: int = Field(default=7000, ge=1, le=7000, description="Longest side, pixels, inclusive.")
    max_aspect: float | None = Field(
        default=None, ge=1, le=100, description="Longer side in shorter ones, inclusive."
    )
    max_megabytes: int | None = Field(default=None, ge=1, le=20, description="Largest file, inclusive.")


class Extended(_Strict):
    """The part of the picture that the video model works on."""

    scale: float = Field(ge=1, le=20, description="Width in sides of the square face box.")
    lift: float = Field(
        default=0.0, ge=-5, le=5, description="Its centre above the face's, in the same sides."
    )
    aspect: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=2, max_length=2)] = Field(
        default=[1, 1], description="Width and height, such as [3, 4]."
    )


class Applied(_Strict):
    """A rule of `screentest rules`, as this detector applies it."""

    rule: str = Field(description="Its name.", json_schema_extra={"enum": list(RULES)})
    at_least: float | None = Field(
        default=None, description="Lowest value that passes, in the measurement's unit."
    )
    at_most: float | None = Field(default=None, description="Highest value that passes, likewise.")
    code: CodeName | None = Field(
        default=None, description="What a failure answers; begins with InvalidFile."
    )
    message: Text | None = Field(default=None, description="The words for that code.")
    reason: Text | None = Field(default=None, description="Why this limit.")


class Profile(_Strict):
    """A detector of one's own."""

    model_config = ConfigDict(title="Screentest profile")

    name: Name = Field(description="Of the model, as requests and routes name it.")
    follows: Text | None = Field(default=None, description="The public page whose requirements these are.")
    answers: Annotated[str, AfterValidator(_known_form)] = Field(
        description="The form of its answers: those of emo and emoji have boxes.",
        json_schema_extra={"enum": list(WIRES)},
    )
    framing: Literal["head", "half body", "whole figure", "any"] = Field(
        description="How much of the person must be in the frame."
    )
    not_measured: list[Text] = Field(
        default=[], max_length=32, description="Requirements of the page that nothing here can see."
    )
    size: Size = Size()
    extended_box: Extended | None = Field(default=None, description="Of a pass, where the answer has boxes.")
    rules: list[Applied] = Field(
        min_length=1, max_length=len(RULES), description="In order; the first that fails is the answer."
    )


def schema() -> dict[str, Any]:
    """The JSON schema of a profile, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Profile.model_json_schema()}


def load(given: str, known: Iterable[ModelSpec] = models.BUILT_IN) -> tuple[Profile, ModelSpec]:
    """The profile in a file, and the detector that it describes.

    Args:
        given: path of a TOML or (by its suffix) JSON file, or the name of a ready-made profile.
        known: detectors whose names are taken.

    Raises:
        ProfileError: it cannot be read, or says what cannot be meant.
    """
    path = Path(given)
    if not path.exists() and given in ready_made():
        path = READY_MADE / f"{given}.toml"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        names = ", ".join(ready_made())
        raise ProfileError(
            given, None, "", f"cannot be read: {error.strerror}. Ready-made ones are {names}"
        ) from None
    return parse(data, given, as_json=path.suffix.lower() == ".json", known=known)


def ready_made() -> tuple[str, ...]:
    """The names of the profiles that come with this package."""
    return tuple(sorted(path.stem for path in READY_MADE.glob("*.toml")))


def parse(
    data: bytes, file: str, *, as_json: bool = False, known: Iterable[ModelSpec] = models.BUILT_IN
) -> tuple[Profile, ModelSpec]:
    """As `load`, from the content of a file."""
    if len(data) > MAX_BYTES:
        raise ProfileError(file, None, "", f"is larger than {MAX_BYTES >> 10} KiB")
    try:
        text = data.decode()
        content = json.loads(text) if as_json else tomllib.loads(text)
    except UnicodeDecodeError:
        raise ProfileError(file, None, "", "is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ProfileError(file, error.lineno, "", f"is not JSON: {error.msg}") from None
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(file, None, "", f"is not TOML: {error}") from None
    except RecursionError:
        raise ProfileError(file, None, "", "is nested too deeply") from None
    except ValueError:  # what is left of them
        raise ProfileError(file, None, "", "has a number of more digits than can be meant") from None

    def refuse(key: _Key, problem: str) -> ProfileError:
        try:
            lines = _json_lines(text) if as_json else _toml_lines(text)
        except RecursionError:  # nested just not too deeply to be read
            lines = {}
        return ProfileError(file, _line(lines, key), _dotted(key), problem)

    try:
        profile = Profile.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise refuse(first["loc"], _problem(first)) from None
    return profile, _spec(profile, refuse, known)


def _problem(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "is no key of a profile"
    if error["type"] == "string_pattern_mismatch" and "InvalidFile" in error["ctx"]["pattern"]:
        return "a code is InvalidFile. with letters and digits after it: clients know a rejection by that"
    if error["type"] == "string_pattern_mismatch" and "x1f" in error["ctx"]["pattern"]:
        return "has a control character or a line break"
    sentence = str(error["msg"])
    return sentence[:1].lower() + sentence[1:]


def _check_shared_codes(profile: Profile, rules: Mapping[str, Rule], refuse: _Refuse) -> None:
    """Words belong to a code: those of one rule must not be put into another's mouth."""
    worded = {applied.rule for applied in profile.rules if applied.message is not None}
    for number, applied in enumerate(profile.rules):
        code = rules[applied.rule].code
        others = [rule.name for rule in rules.values() if rule.code == code and rule.name not in worded]
        if applied.message is not None and others:
            raise refuse(
                ("rules", number, "message"),
                f"{others[0]} answers {code} too, and would say the same: give this rule a code of its own",
            )


def _spec(profile: Profile, refuse: _Refuse, known: Iterable[ModelSpec]) -> ModelSpec:
    taken = {name for model in known for name in (model.name, model.short)}
    if profile.name in taken:
        raise refuse(("name",), f"{profile.name} is the name of another detector")
    family, detect, _ = profile.name.partition("-detect")
    if detect and family in {model.short for model in models.BUILT_IN} - {profile.answers}:
        raise refuse(("name",), f"clients take {family}-detect… for a model that answers like {family}")
    size = profile.size
    if size.min_side > size.max_side:
        raise refuse(("size", "min_side"), "is larger than max_side")
    wire = WIRES[profile.answers]
    if wire.boxes and profile.extended_box is None:
        raise refuse(("answers",), f"answers like {profile.answers} have boxes: say which by extended_box")
    if profile.extended_box is not None and not wire.boxes:
        raise refuse(("extended_box",), f"answers like {profile.answers} have no boxes")
    messages = dict(MESSAGES)
    messages[Code.RESOLUTION] = (
        f"The image resolution is invalid, please make sure that each side has {size.min_side} to "
        f"{size.max_side} pixels."
    )
    rules: dict[str, Rule] = {}
    said: dict[str, str] = {}
    for number, applied in enumerate(profile.rules):
        rule = _rule(applied, ("rules", number), refuse)
        if rule.name in rules:
            raise refuse(("rules", number, "rule"), f"{rule.name} is listed twice")
        rules[rule.name] = rule
        if applied.message is not None and said.setdefault(rule.code, applied.message) != applied.message:
            raise refuse(
                ("rules", number, "message"), f"{rule.code} has other words above: one code, one message"
            )
        if rule.code not in messages and rule.code not in said:
            raise refuse(
                ("rules", number, "code"), f"{rule.code} is a code of your own: give its message too"
            )
    if not {catalogue.NOBODY.name, catalogue.NOT_ONE.name} & set(rules):
        raise refuse(("rules",), f"a portrait is of a person: list {catalogue.NOBODY.name}")
    for rule in FRAMINGS[profile.framing]:
        rules.setdefault(rule.name, rule)
    _check_shared_codes(profile, rules, refuse)
    return ModelSpec(
        name=profile.name,
        short=profile.name,
        paths=(FACE_DETECT, AA_DETECT),
        framings=(Framing("1:1", tuple(rules.values()), _box(profile.extended_box)),),
        size=SizeLimits(size.min_side, size.max_side, size.max_aspect),
        messages={**messages, **said},
        wire=wire,
        takes_ratio=False,
        max_megabytes=size.max_megabytes,
    )


def _rule(applied: Applied, key: _Key, refuse: _Refuse) -> Rule:
    usual = RULES.get(applied.rule)
    if usual is None:
        near = difflib.get_close_matches(applied.rule, RULES, 1)
        hint = f"did you mean {near[0]}?" if near else "`screentest rules` lists them"
        raise refuse((*key, "rule"), f"there is no rule {applied.rule!r}; {hint}")
    for bound in ("at_least", "at_most"):
        if getattr(applied, bound) is not None and getattr(usual, bound) is None:
            other = "at_most" if bound == "at_least" else "at_least"
            raise refuse((*key, bound), f"{usual.name} has a limit in the other direction: {other}")
        low, high = RANGES[usual.unit]
        given = getattr(applied, bound)
        if given is not None and not low <= given <= high:
            unit = f" {usual.unit}" if usual.unit else ""
            raise refuse(
                (*key, bound), f"no {usual.measurement} is {given:g}{unit}: give {low:g} to {high:g}"
            )
    at_least = usual.at_least if applied.at_least is None else applied.at_least
    at_most = usual.at_most if applied.at_most is None else applied.at_most
    if at_least is not None and at_most is not None and at_least > at_most:
        raise refuse((*key, "at_least"), "is more than at_most: nothing would pass")
    rule = usual.limited(at_least=at_least, at_most=at_most, reason=applied.reason)
    return rule if applied.code is None else rule.answering(applied.code)


def _box(extended: Extended | None) -> ExtendedBox | None:
    if extended is None:
        return None
    across, down = extended.aspect
    if across == down:
        return Square(extended.scale, extended.lift)
    return Rectangle(across, down, extended.scale, extended.lift)


def _dotted(key: _Key) -> str:
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _line(lines: _Lines, key: _Key) -> int | None:
    """The line of a key, or of what holds it."""
    for end in range(len(key), 0, -1):
        if key[:end] in lines:
            return lines[key[:end]]
    return None


def _toml_lines(text: str) -> _Lines:
    lines: _Lines = {}
    table: _Key = ()
    items: Counter[_Key] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line)
        entry = re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line)
        if header:
            table = tuple(header[2].split("."))
            if header[1] == "[[":
                lines.setdefault(table, number)
                items[table] += 1
                table = (*table, items[table] - 1)
            lines.setdefault(table, number)
        elif entry:
            lines.setdefault((*table, *entry[1].replace('"', "").replace("'", "").split(".")), number)
    return lines


def _json_lines(text: str) -> _Lines:
    """Of a text that is JSON."""
    lines: _Lines = {}
    decoder = json.JSONDecoder()

    def skip(at: int) -> int:
        while text[at] in " \t\r\n,:":
            at += 1
        return at

    def walk(at: int, key: _Key) -> int:
        """Note what the value that begins at `at` holds; where it ends."""
        if text[at] not in "{[":
            return decoder.raw_decode(text, at)[1]
        end, number = ("}" if text[at] == "{" else "]"), 0
        at = skip(at + 1)
        while text[at] != end:
            name: str | int = number
            line = text.count("\n", 0, at) + 1
            if end == "}":
                name, at = decoder.raw_decode(text, at)
            lines[(*key, name)] = line
            at = skip(walk(skip(at), (*key, name)))
            number += 1
        return at + 1

    walk(skip(0), ())
    return lines
