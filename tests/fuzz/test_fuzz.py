"""A seeded tenth of the fuzzing of pictures, and the API fuzzed from its own OpenAPI document."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fuzz.mutations import cases
from hypothesis import settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from screentest.detection import Answer, Code, Explanation, ModelSpec, UnreadablePicture, confined
from screentest.detection import pictures as in_process
from screentest.detection.api import DetectionApi
from screentest.detection.api.fetch import HttpFetcher
from screentest.detection.api.openapi import document
from screentest.detection.api.wsgi import application

HERE = Path(__file__).parent


def full_size(test: Any) -> Any:
    """Marks what `make fuzz` runs."""
    skip = pytest.mark.skipif("SCREENTEST_FULL" not in os.environ, reason="`make fuzz` runs it")
    return pytest.mark.slow(skip(test))


def fuzz_pictures(*options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HERE / "fuzz_pictures.py"), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=3_000,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )
    assert done.stdout, done.stderr[-4_000:]
    figures: dict[str, Any] = json.loads(done.stdout)
    assert figures["failures"] == []
    assert done.returncode == 0
    return figures


def test_pictures() -> None:
    figures = fuzz_pictures("--count", "520")
    assert figures["pictures"] == 520
    assert len(figures["outcomes"]) >= 6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has limits to decode under")
def test_broken_pictures_are_the_same_wherever_they_are_decoded() -> None:
    def outcome(decoder: Any, data: bytes) -> tuple[Any, ...]:
        try:
            picture = decoder.decode(data, decoder.probe(data))
        except UnreadablePicture as error:
            return type(error), re.sub("0x[0-9a-f]+", "", str(error))[:100]  # addresses of objects
        return picture.width, picture.height, picture.size, picture.image.tobytes()

    with confined.ConfinedDecoder() as decoder:
        outcomes = []
        for case in cases(300, seed=20_261_121):
            here = outcome(in_process, case.data)
            assert outcome(decoder, case.data) == here, case.name
            outcomes.append(here[0])
    assert len({kind for kind in outcomes if isinstance(kind, type)}) == 2
    assert any(isinstance(kind, int) for kind in outcomes)


@full_size
def test_ten_times_as_many_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    figures = fuzz_pictures("--count", "5200", "--seed", os.environ.get("SEED", "1"))
    with capsys.disabled():
        print(json.dumps(figures, indent=2))


def unresolvable(host: str, port: int) -> list[str]:
    """No name leads anywhere: what is fuzzed must not reach out."""
    raise OSError("Name or service not known")


class Pictures(HttpFetcher):
    """Serves a picture for every URL that would be fetched, and the real checks before it."""

    def fetch(self, url: Any, take: Any = None) -> bytes:
        return bytes(url.target.encode())


def by_target(data: bytes, model: ModelSpec, ratio: str) -> Answer:
    """Every kind of answer, by the length of the URL's path."""
    kind = len(data) % 4
    if kind == 0:
        raise UnreadablePicture("broken")
    if kind == 1:
        code, text = Code.RESOLUTION, model.messages[Code.RESOLUTION]
        return Answer(model, ratio, False, code, text, None, None, "", False, 9, 9, Explanation())
    portrait = model.wire.boxes
    box = (1, 2, 3, 4) if portrait else None
    return Answer(
        model, ratio, True, None, "", box, box, "" if portrait else "half", True, 9, 9, Explanation()
    )


def schema_of(**options: Any) -> Any:
    api = DetectionApi(by_target, Pictures(resolver=unresolvable), **options)
    return schemathesis.openapi.from_wsgi("/openapi.json", application(api))


with_answers = schema_of()
with_everything = schema_of(api_key="sk-1", verdict_status=400)
CHECKS: list[Callable[..., Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@with_answers.parametrize()
@settings(max_examples=100, deadline=None)
def test_api_from_its_own_document(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)


@with_everything.parametrize()
@settings(max_examples=50, deadline=None)
def test_api_with_a_key_and_rejections_as_400(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)
    case.call_and_validate(checks=CHECKS, headers={"Authorization": "Bearer sk-1"})


@full_size
@with_answers.parametrize()
@settings(max_examples=5_000, deadline=None)
def test_api_from_its_own_document_at_length(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)


def test_the_document_names_every_path_that_judges() -> None:
    assert sum("post" in operations for operations in document()["paths"].values()) == 3
