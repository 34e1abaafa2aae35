"""Judges thousands of broken pictures through the API with real detectors: `make fuzz`, and a tenth of it in the tests.

Fails on an answer that is neither a verdict nor a documented 400, on a pass that should not be, on a case that takes
longer than half a minute, and on more than 1 GB of memory.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import json
import logging
import resource
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from fuzz.mutations import Case, cases

from screentest.detection import DetectorPool
from screentest.detection.api import DetectionApi, Request
from screentest.detection.api.fetch import HttpFetcher, Take
from screentest.detection.api.urls import ImageUrl, parse
from screentest.detection.models import AA_DETECT, FACE_DETECT
from screentest.screening.families import ANIMATE_ANYONE

HANG_SECONDS = 30
MAX_MEGABYTES = 1000
SCREENINGS = (
    ("emo-detect-v1", "1:1", FACE_DETECT),
    ("emoji-detect-v1", "1:1", FACE_DETECT),
    ("animate-anyone-detect-gen2", "1:1", AA_DETECT),
    ("emo-detect-v1", "3:4", FACE_DETECT),
)
EXPECTED = {"InvalidURL", "InvalidFile.Size"}


class Handed:
    """A fetcher that serves the case at hand."""

    def __init__(self) -> None:
        self.data = b""
        self._web = HttpFetcher()

    def locate(self, url: str) -> ImageUrl:
        return parse(url)

    def fetch(self, url: ImageUrl, take: Take) -> bytes:
        self._web.check_size(len(self.data))
        take(len(self.data))
        return self.data


def wrong(case: Case, status: int, body: dict[str, object], *, emoji: bool) -> str | None:
    """What is wrong with an answer."""
    if status == 400:
        return None if body["code"] in EXPECTED else f"unexpected code {body['code']}"
    if status != 200:
        return f"status {status}"
    output = body["output"]
    assert isinstance(output, dict)
    passed = "bbox_face" in output if emoji else output["check_pass"]
    return "passed" if passed and not case.may_pass else None


def forget_peak() -> None:
    """Start measuring anew: making a case may need more memory than judging it."""
    with suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):  # not Linux: then the peak is that of the process so far
        Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes() -> int:
    """The most resident memory since `forget_peak`."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def _outcome(answer: dict[str, Any]) -> str:
    output = answer.get("output", {})
    code = answer.get("code") or output.get("code")
    return str(code or (ANIMATE_ANYONE.code_of(output["reason"]) if "reason" in output else "pass"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=20_261_121)
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    parser.add_argument("--verbose", action="store_true", help="a line a case")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    handed = Handed()
    api = DetectionApi(DetectorPool(1).detect, handed)
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest = (0.0, "")
    largest = (0, "")
    for number, case in enumerate(cases(options.count, options.seed)):
        # Of the three EMO has the widest limits: what it refuses by size, all refuse.
        model, ratio, path = SCREENINGS[0 if case.liar else number % len(SCREENINGS)]
        handed.data = case.data
        body = {
            "model": model,
            "input": {"image_url": "https://pictures.example/"},
            "parameters": {"ratio": ratio},
        }
        forget_peak()
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        start = time.perf_counter()
        response = api.handle(
            Request("POST", path, {"content-type": "application/json"}, json.dumps(body).encode())
        )
        if options.verbose:
            print(
                f"{peak_megabytes():5} MB {time.perf_counter() - start:6.2f} s {response.status} {case.name}",
                file=sys.stderr,
            )
        slowest = max(slowest, (time.perf_counter() - start, case.name))
        faulthandler.cancel_dump_traceback_later()
        megabytes = peak_megabytes()
        if megabytes > largest[0]:
            largest = megabytes, case.name
        answer = json.loads(response.body)
        problem = wrong(case, response.status, answer, emoji=model.startswith("emoji"))
        if problem or megabytes > MAX_MEGABYTES:
            failures.append(f"{case.name} ({model} {ratio}): {problem or f'{megabytes} MB'}")
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{number:05}").write_bytes(case.data)
            if megabytes > MAX_MEGABYTES:
                break
        outcomes[f"{response.status} {_outcome(answer)}"] += 1
    print(
        json.dumps(
            {
                "pictures": sum(outcomes.values()),
                "seed": options.seed,
                "failures": failures,
                "outcomes": dict(outcomes.most_common()),
                "slowest": [round(slowest[0], 2), slowest[1]],
                "peak_megabytes": list(largest),
            },
            indent=2,
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
