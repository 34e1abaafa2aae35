"""What `screentest check` was asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from screentest.checking.sources import is_object, is_url
from screentest.cli.options import DETECTOR_PROFILE, DecodeLimit
from screentest.detection import ModelSpec, models
from screentest.detection.errors import ProfileError
from screentest.screening.reasons import Language

KEY_VARIABLES = ("SCREENTEST_API_KEY", "DASHSCOPE_API_KEY")
"""Where the key of a remote detector is looked for, first one first."""


_RATIOS = tuple(dict.fromkeys(ratio for model in models.BUILT_IN for ratio in model.ratios))
"""What may be said to detectors that take no ratio, as on the wire, where they leave it unread."""


def _names() -> list[str]:
    return [*(model.short for model in models.BUILT_IN), *(model.name for model in models.BUILT_IN)]


def _ratios() -> list[str]:
    return list(_RATIOS)


class CheckError(Exception):
    """Nothing can be checked; the sentence says what to do."""


def detector_key(environ: Mapping[str, str] = os.environ) -> str | None:
    """The key for a remote detector."""
    return next((environ[name] for name in KEY_VARIABLES if environ.get(name)), None)


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """The command line's options, checked.

    Raises:
        CheckError: they contradict each other.
    """

    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Picture files, folders of them, URLs, s3://BUCKET/KEY, or - for standard input.",
        ),
    ]
    asked: Annotated[
        str | None,
        typer.Option(
            "--model",
            help=f"{', '.join(model.short for model in models.BUILT_IN)}, or a name as the API has it.",
            show_default="that of the profile",
            autocompletion=_names,
        ),
    ] = None
    profiles: Annotated[list[str], DETECTOR_PROFILE] = field(default_factory=list)
    ratio: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(_RATIOS),
            help="Head or half body (EMO).",
            show_default="1:1",
            autocompletion=_ratios,
        ),
    ] = None
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON line a picture on standard output, and nothing else.")
    ] = False
    explain: Annotated[
        bool, typer.Option("--explain", help="Show every measurement beside its threshold, and what decided.")
    ] = False
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write annotated pictures and a contact sheet here.")
    ] = None
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML too, for build servers.")
    ] = None
    sarif: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the rejections as SARIF 2.1.0 too, for code hosts."),
    ] = None
    detector: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"Ask this server instead; its key from {' or '.join(KEY_VARIABLES)}. URLs only.",
        ),
    ] = None
    allow_private_urls: Annotated[
        bool, typer.Option("--allow-private-urls", help="Fetch URLs from private and loopback addresses too.")
    ] = False
    lang: Annotated[
        Language | None,
        typer.Option(help="Language of reasons and advice.", show_default="en; the browser's in a report"),
    ] = None
    workers: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", show_default="one a core", help="Pictures at a time.")
    ] = os.cpu_count() or 1
    decode_limit: DecodeLimit = None
    api_key: str | None = field(default_factory=detector_key, repr=False)

    def __post_init__(self) -> None:
        """Check what belongs together, before any picture."""
        if self.detector is not None:
            _check_detector(self.detector, self.paths)
            if self.profiles:
                raise CheckError("a profile judges on this machine: leave out --detector or --profile")
            if self.decode_limit is not None:
                raise CheckError(
                    f"--decode-limit is for this machine, and {self.detector} decodes the pictures: leave one out"
                )
        if self.asked is None and len(self.profiles) != 1:
            raise CheckError("which detector? Give --model, or one --profile")
        if self.report is not None:
            if self.decode_limit is not None:
                raise CheckError(
                    "a report decodes pictures without a limit: leave out --decode-limit or --report"
                )
            if self.report.exists() and not self.report.is_dir():
                raise CheckError(f"--report {self.report} is a file: name a folder")
        if self.detector is None or self._spec:
            _check_choice(self.model, self._spec, self.ratio, self.models)

    @cached_property
    def models(self) -> tuple[ModelSpec, ...]:
        """The detectors that judge in this process.

        Raises:
            CheckError: a profile is malformed.
        """
        try:
            return models.offered(self.profiles)
        except ProfileError as error:
            raise CheckError(str(error)) from error

    @property
    def model(self) -> str:
        """The model by its full name."""
        return self.models[-1].name if self.asked is None else models.full_name(self.asked)

    @property
    def _spec(self) -> ModelSpec | None:
        return next((each for each in self.models if each.name == self.model), None)

    def own_message(self, code: str) -> str | None:
        """What a profile says for a code in words of its own."""
        if not self.profiles or self._spec is None or self._spec in models.BUILT_IN:
            return None
        from screentest.detection.profiles import MESSAGES

        said = self._spec.messages.get(code)
        return None if said == MESSAGES.get(code) else said

    @property
    def shown_ratio(self) -> str | None:
        """`ratio` of the output: `None` for detectors that take none, `1:1` for others where it is not given."""
        return None if self._spec and not self._spec.takes_ratio else self.ratio or "1:1"


def _check_choice(
    model: str, spec: ModelSpec | None, ratio: str | None, offered: Sequence[ModelSpec]
) -> None:
    if spec is None:
        names = ", ".join(each.short or each.name for each in offered)
        raise CheckError(f"there is no model {model}: --model is one of {names} (or its full name)")
    ratios = spec.ratios if spec.takes_ratio else _RATIOS
    if ratio is not None and ratio not in ratios:
        raise CheckError(f"{spec.name} has no ratio {ratio}: --ratio is {' or '.join(ratios)}")


def _check_detector(detector: str, paths: Sequence[str]) -> None:
    parts = urlsplit(detector)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise CheckError(f"--detector {detector}: give an http or https address without a key in it")
    for path in paths:
        if is_url(path):
            continue
        kind = "an object in S3" if is_object(path) else "a local file or folder"
        kind = "standard input" if path == "-" else kind
        raise CheckError(
            f"{path} is {kind}, which the server at {detector} cannot fetch: give URLs that it can reach, or leave "
            "--detector out to judge on this machine"
        )
