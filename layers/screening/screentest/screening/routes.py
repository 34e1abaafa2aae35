"""Which screenings an object gets: by its key, and, where allowed, by its own metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from screentest.screening.models import ObjectRef, Screening

OBJECT_SCREENINGS: Final = 8
"""Most screenings that an object may add by metadata, so that an uploader cannot order a hundred paid calls."""

REPORTS: Final = "screentest-backfill/"
"""Where the jobs of `screentest backfill` put their manifests and completion reports."""

METADATA_KEY: Final = "screentest"
"""`x-amz-meta-screentest`, as S3's clients name it."""


@dataclass(frozen=True, slots=True)
class Route:
    """Keys that begin with `prefix` and end with `suffix` (case ignored) get these screenings."""

    prefix: str
    screenings: tuple[Screening, ...]
    suffix: str = ""

    def matches(self, key: str) -> bool:
        """Prefixes are compared exactly, as S3 does; suffixes ignore case, as cameras do."""
        return key.startswith(self.prefix) and key.lower().endswith(self.suffix.lower())


@dataclass(frozen=True, slots=True)
class Routes:
    """An ordered list; the first match wins."""

    rules: tuple[Route, ...]

    DEFAULT: ClassVar[Routes]

    @classmethod
    def parse(cls, value: object) -> Routes:
        """Routes from JSON text: a list of `{"prefix", "suffix"?, "screenings": [{"model", "ratio"?}]}`.

        Empty text means the default routes.

        Raises:
            ValueError: says which rule is malformed, and how.
        """
        if isinstance(value, Routes):
            return value
        if not isinstance(value, str):
            raise ValueError("routes are given as JSON text")  # noqa: TRY004 - pydantic reports ValueErrors
        if not value.strip():
            return cls.DEFAULT
        try:
            rules = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"not JSON: {error}") from None
        if not isinstance(rules, list) or not rules:
            raise ValueError("a JSON list of at least one rule is expected")
        return cls(tuple(_rule(number, rule) for number, rule in enumerate(rules, start=1)))

    def screenings(self, key: str) -> tuple[Screening, ...]:
        """Those of the first rule that matches; none where no rule does."""
        for rule in self.rules:
            if rule.matches(key):
                return rule.screenings
        return ()


Routes.DEFAULT = Routes(
    (
        Route("emo/1x1/", (Screening.of("emo-detect-v1", "1:1"),)),
        Route("emo/3x4/", (Screening.of("emo-detect-v1", "3:4"),)),
        Route("emoji/", (Screening.of("emoji-detect-v1"),)),
        Route("animate-anyone/", (Screening.of("animate-anyone-detect-gen2"),)),
        Route("liveportrait/", (Screening.of("liveportrait-detect"),)),
        Route("wan2.2-s2v/", (Screening.of("wan2.2-s2v-detect"),)),
    )
)


def is_report(ref: ObjectRef) -> bool:
    """Whether the object is a list or report that S3 made for a backfill: no picture, whatever the routes say."""
    return ref.key.startswith(REPORTS)


def is_folder(ref: ObjectRef) -> bool:
    """Whether the key is the empty marker by which consoles show a folder."""
    return ref.key.endswith("/") and not ref.size


def from_metadata(value: str) -> tuple[Screening, ...]:
    """The screenings that `x-amz-meta-screentest: MODEL[:RATIO],…` asks for; the ratio as `3x4` or `3:4`.

    The uploader writes this, so what is malformed is passed over, not an error: it can only ever add.
    """
    asked: dict[Screening, None] = {}
    for part in value.split(","):
        model, _, ratio = part.strip().partition(":")
        try:
            asked[Screening.of(model, ratio.replace("x", ":") or None)] = None
        except ValueError:
            continue
        if len(asked) == OBJECT_SCREENINGS:
            break
    return tuple(asked)


def merged(routed: Iterable[Screening], added: Iterable[Screening]) -> tuple[Screening, ...]:
    """Both, in order, each once."""
    return tuple(dict.fromkeys((*routed, *added)))


def _rule(number: int, rule: Any) -> Route:
    def wrong(what: str) -> ValueError:
        return ValueError(f"rule {number}: {what}")

    if not isinstance(rule, dict) or not isinstance(rule.get("prefix"), str):
        raise wrong('an object with a "prefix" is expected')
    if unknown := rule.keys() - {"prefix", "suffix", "screenings"}:
        raise wrong(f"unknown {', '.join(sorted(unknown))}; known are prefix, suffix, screenings")
    suffix = rule.get("suffix", "")
    screenings = rule.get("screenings")
    if not isinstance(suffix, str):
        raise wrong('"suffix" is text')
    if not isinstance(screenings, list) or not screenings:
        raise wrong('"screenings" is a list of at least one {"model", "ratio"?}')
    found: dict[Screening, None] = {}
    for screening in screenings:
        if not isinstance(screening, dict) or not isinstance(screening.get("model"), str):
            raise wrong('a screening is {"model", "ratio"?}')
        if unknown := screening.keys() - {"model", "ratio"}:
            raise wrong(f"unknown {', '.join(sorted(unknown))} in a screening")
        try:
            found[Screening.of(screening["model"], screening.get("ratio"))] = None
        except (ValueError, TypeError) as error:
            raise wrong(str(error)) from None
    return Route(rule["prefix"], tuple(found), suffix)
