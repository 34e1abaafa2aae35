"""`docs/detection-api.md` is run: every command of its transcripts, against a real server with real detectors."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api.api_doubles import ImageHost
from api.serve_process import serve_process

from screentest import http_server
from screentest.demo import pictures
from screentest.detection.api import Limits, fetch
from screentest.detection.api.service import MAX_BODY_BYTES
from screentest.detection.api.throttle import WAITING_PER_WORKER
from screentest.detection.pictures import MAX_FILE_BYTES, MAX_SIDE

DOCUMENT = Path(__file__).parents[2] / "docs" / "detection-api.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [
    chunk.rstrip().rpartition("\n")[::2]  # the last line is what the command prints
    for kind, text in BLOCKS
    if kind == "console"
    for chunk in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
]


@pytest.fixture
def addresses(image_host: ImageHost) -> Iterator[dict[str, str]]:
    """The addresses of the document and what stands for them here."""
    image_host.serve("/portrait.jpg", pictures.data("astronaut"))
    image_host.serve("/cat.jpg", pictures.data("cat"))
    image_host.serve("/standing.jpg", pictures.data("standing"))
    with serve_process("--allow-private-urls") as server:
        yield {"http://127.0.0.1:8000": server.url, "http://127.0.0.1:9000": image_host.base}


def localised(text: str, addresses: dict[str, str]) -> str:
    for written, real in addresses.items():
        text = text.replace(written, real)
    return text


def assert_alike(given: Any, written: Any) -> None:
    """Equal, but for ids and for boxes, which may move by a few pixels when a network or the picture's decoder does."""
    if isinstance(written, dict):
        assert isinstance(given, dict)
        assert list(given) == list(written)
        for key in written:
            if key not in {"request_id", "version", "rules"}:
                assert_alike(given[key], written[key])
    elif isinstance(written, list):
        assert given == pytest.approx(written, abs=16)
    else:
        assert given == written


def test_the_transcripts_were_found() -> None:
    assert (
        sum(command.startswith("curl") for command, _ in COMMANDS)
        == DOCUMENT.read_text().count("$ curl")
        == 15
    )


def test_curl(addresses: dict[str, str], tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    (tmp_path / "portrait.jpg").write_bytes(pictures.data("astronaut"))
    for command, expected in COMMANDS:
        if not command.startswith("curl"):
            continue
        done = subprocess.run(
            ["bash", "-c", localised(command, addresses)],
            cwd=tmp_path,
            capture_output=True,
            check=True,
            timeout=60,
            env={**os.environ, "DASHSCOPE_API_KEY": "sk-any", "no_proxy": "*"},
        )
        assert_alike(json.loads(done.stdout), json.loads(expected))


def test_sdk(addresses: dict[str, str]) -> None:
    program = next(text for kind, text in BLOCKS if kind == "python")
    expected = next(text for kind, text in BLOCKS if kind == "text")
    done = subprocess.run(
        [sys.executable, "-c", localised(program, addresses)],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
        env={**os.environ, "no_proxy": "*"},
    )
    lines = list(zip(done.stdout.splitlines(), expected.splitlines(), strict=True))
    assert len(lines) == 3
    for given, written in lines:
        status, _, rest = written.partition(" ")
        assert given.startswith(status + " ")
        if rest.startswith("{"):
            assert_alike(ast.literal_eval(given.partition(" ")[2]), ast.literal_eval(rest))
        else:
            assert given == written


def test_the_numbers_are_those_of_the_code() -> None:
    limits, text = Limits(), " ".join(DOCUMENT.read_text().split())
    for sentence in (
        f"Up to {limits.fetching} pictures are downloaded at a time, {limits.fetching_from_one_host} of them from one "
        "host, whatever its names and ports; "
        f"up to {WAITING_PER_WORKER} for each of the `--workers` wait for a detector",
        f"together they hold {limits.held_bytes >> 20} MiB at most",
        f"it has {http_server.REQUEST_SECONDS:.0f} seconds for a request",
        f"body over {MAX_BODY_BYTES >> 10} KiB",
        f"picture over {MAX_FILE_BYTES >> 20} MB",
        f"* {MAX_FILE_BYTES >> 20} MB, counted while they come",
        f"side over {MAX_SIDE:,} pixels",
    ):
        assert sentence in text
    assert (fetch.FETCH_SECONDS, fetch.MAX_REDIRECTS) == (10, 3)
