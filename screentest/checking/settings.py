"""What `screentest check` was asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from screentest.checking.sources import is_url
from screentest.detection import ModelSpec, models
from screentest.detection.errors import ProfileError
from screentest.screening.reasons import Language

KEY_VARIABLES = ("SCREENTEST_API_KEY", "DASHSCOPE_API_KEY")
"""Where the key of a remote detector is looked for, first one first."""


class CheckError(Exception):
    """Nothing can be checked; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """The command line's options, checked.

    Attributes:
        ratio: as given; `None` leaves it to the model.
        detector: base URL of a remote server; `None` judges in this process.
        api_key: for the remote server.
        lang: of reasons and advice; `None` is English here and the browser's in a report.
        decode_limit: MB in which a process of its own decodes each picture; `None` decodes in this process.
        models: the detectors that judge in this process.
    """

    paths: tuple[str, ...]
    model: str
    ratio: str | None
    json_lines: bool
    explain: bool
    report: Path | None
    detector: str | None
    api_key: str | None = field(repr=False)
    allow_private_urls: bool
    workers: int
    lang: Language | None
    decode_limit: int | None = None
    models: tuple[ModelSpec, ...] = models.BUILT_IN

    @classmethod
    def parse(
        cls,
        *,
        paths: Sequence[str],
        model: str | None,
        ratio: str | None,
        json_lines: bool,
        explain: bool,
        report: str | None,
        detector: str | None,
        allow_private_urls: bool,
        workers: int,
        lang: Language | None = None,
        decode_limit: int | None = None,
        profiles: Sequence[str] = (),
        environ: Mapping[str, str] = os.environ,
    ) -> CheckSettings:
        """Settings from the command line.

        Raises:
            CheckError: they contradict each other.
        """
        if detector is not None:
            _check_detector(detector, paths)
            if profiles:
                raise CheckError("a profile judges on this machine: leave out --detector or --profile")
        try:
            offered = models.offered(profiles)
        except ProfileError as error:
            raise CheckError(str(error)) from error
        if model is None:
            if len(profiles) != 1:
                raise CheckError("which detector? Give --model, or one --profile")
            model = offered[-1].name
        if decode_limit is not None and detector is not None:
            raise CheckError(
                f"--decode-limit is for this machine, and {detector} decodes the pictures: leave one out"
            )
        if decode_limit is not None and report is not None:
            raise CheckError(
                "a report decodes pictures without a limit: leave out --decode-limit or --report"
            )
        folder = None if report is None else Path(report)
        if folder is not None and folder.exists() and not folder.is_dir():
            raise CheckError(f"--report {report} is a file: name a folder")
        model = models.full_name(model)
        if detector is None or model in {each.name for each in offered}:
            _check_choice(model, ratio, offered)
        key = next((environ[name] for name in KEY_VARIABLES if environ.get(name)), None)
        return cls(
            tuple(paths),
            model,
            ratio,
            json_lines,
            explain,
            folder,
            detector,
            key,
            allow_private_urls,
            workers,
            lang,
            decode_limit,
            offered,
        )

    @property
    def shown_ratio(self) -> str | None:
        """`ratio` of the output: `None` for detectors that take none, `1:1` for others where it is not given."""
        takes_none = any(model.name == self.model and not model.takes_ratio for model in self.models)
        return None if takes_none else self.ratio or "1:1"


def _check_choice(model: str, ratio: str | None, offered: Sequence[ModelSpec]) -> None:
    spec = next((each for each in offered if each.name == model), None)
    if spec is None:
        names = ", ".join(each.short or each.name for each in offered)
        raise CheckError(f"there is no model {model}: --model is one of {names} (or its full name)")
    if ratio is not None and spec.takes_ratio and ratio not in spec.ratios:
        raise CheckError(f"{spec.name} has no ratio {ratio}: --ratio is {' or '.join(spec.ratios)}")


def _check_detector(detector: str, paths: Sequence[str]) -> None:
    parts = urlsplit(detector)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise CheckError(f"--detector {detector}: give an http or https address without a key in it")
    for path in paths:
        if not is_url(path):
            raise CheckError(
                f"{path} is a local file or folder, which the server at {detector} cannot fetch: give URLs that it "
                "can reach, or leave --detector out to judge on this machine"
            )
