"""How long the first upload waits for a fresh function: from process start to the verdict, beside a bare hello-world.

    .venv/bin/python benchmarks/cold_start.py [--rounds N] [--without-bytecode]

The built artefacts (`make build HOST=1`) run under the runtime interface emulator, each time in a fresh process, with
a local AWS beside it. Everything that the first verdict needs is in the figure: imports, clients, claim, signing,
detector, item, tags. The HTTP detector is a server on loopback that answers at once, so its own time is not in the
figure; the self-hosted one opens its networks and judges a real picture.

The hello-world that ratios are taken of is the powertools example of `sam init`: resolver, Logger, Metrics and Tracer
(installed into `build/hello` on first use), compiled as ours is. Two smaller ones stand beside it: without the tracer,
and with Logger and Metrics alone. None of them talks to AWS.

The sides take turns in every round. Figures are medians of wall time, and of the processor time that the function's
process used: on a busy machine the latter, and its ratio, are what repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from screentest.artefact import Emulator, Store, read_event, with_objects
from screentest.stack import ARTEFACTS, REPOSITORY, LocalStack

MUST = {"HTTP": 2.0, "self-hosted": 3.0}
GOAL = {"HTTP": 1.5, "self-hosted": 2.2}

HELLO = """
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="hello")
metrics = Metrics(namespace="Hello", service="hello")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event, context):
    metrics.add_metric(name="Greetings", unit=MetricUnit.Count, value=1)
    logger.info("hello world")
    return {"message": "hello world"}
"""

HELLO_SAM = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit

app = APIGatewayRestResolver()
tracer = Tracer(service="hello")
logger = Logger(service="hello")
metrics = Metrics(namespace="Hello", service="hello")


@app.get("/hello")
@tracer.capture_method
def hello():
    metrics.add_metric(name="Greetings", unit=MetricUnit.Count, value=1)
    logger.info("hello world")
    return {"message": "hello world"}


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)
"""
HELLO_UNTRACED = "\n".join(
    line.replace(", Tracer", "") for line in HELLO_SAM.splitlines() if "tracer" not in line
)
BASE = "hello-world of sam init"
SAM_EVENT = {
    "httpMethod": "GET",
    "path": "/hello",
    "headers": {},
    "requestContext": {"requestId": "1"},
    "body": None,
}
SAM_PACKAGES = ["aws-lambda-powertools[tracer]==3.37.0"]

PASS = {
    "output": {
        "check_pass": True,
        "humanoid": True,
        "face_bbox": [302, 286, 610, 593],
        "ext_bbox": [71, 9, 840, 778],
    },
    "usage": {"image_count": 1},
    "request_id": "0c5b0a4e-0f3c-4b7e-9d0c-1f2e3d4c5b6a",
}


class _AtOnce(BaseHTTPRequestHandler):
    """A pass for whatever is asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(PASS).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _AtOnce) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def compiled(folder: Path, code: str) -> Path:
    """A handler, compiled as `make build` compiles ours."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(code)
    python = REPOSITORY / ".lambda" / "bin" / "python"
    subprocess.run(  # noqa: S603 - our own interpreter
        [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", folder], check=True
    )
    return folder


def sam_hello() -> Path:
    """The powertools example of `sam init`, with the packages that it asks for."""
    folder = REPOSITORY / "build" / "hello"
    if not (folder / "aws_xray_sdk").exists():
        uv = REPOSITORY / ".venv" / "bin" / "uv"
        subprocess.run([uv, "pip", "install", "--quiet", "--target", folder, *SAM_PACKAGES], check=True)  # noqa: S603
    return compiled(folder, HELLO_SAM)


def without_bytecode(folder: Path) -> Path:
    """A copy of the artefacts as they would be without their `.pyc` files."""
    shutil.copytree(ARTEFACTS, folder, ignore=shutil.ignore_patterns("__pycache__", "*.zip"))
    return folder


@dataclass(frozen=True)
class Took:
    """Milliseconds from the start of the function's process to its answer: of the clock, and of the processor."""

    wall: float
    processor: float


def first_reply(emulator: Emulator, event: Any) -> Took:
    """One cold start."""
    with emulator:
        start = time.perf_counter()
        reply = emulator.invoke(event)
        wall = (time.perf_counter() - start) * 1000
        processor = processor_time()
    if reply.error_type or (
        "screenings" in reply.payload and reply.payload["screenings"][0]["verdict"] != "pass"
    ):
        sys.exit(f"unexpected answer: {reply.payload}\n{emulator.log()[-3000:]}")
    return Took(wall, processor)


def processor_time() -> float:
    """Milliseconds that the one function process below this one has used so far (proc(5): ppid, utime, stime)."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(entry.name)] = int(fields[1])
        if b"\0-m\0awslambdaric\0" in command and b"aws-lambda-rie" not in command:
            used[int(entry.name)] = (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def is_ours(process: int) -> bool:
        while process > 1:
            if process == os.getpid():
                return True
            process = parents.get(process, 0)
        return False

    (time_used,) = (value for process, value in used.items() if is_ours(process))
    return time_used


def upload(store: Store) -> Any:
    """The event of an upload that nobody has screened."""
    event = read_event(REPOSITORY / "events" / "s3-put.json")
    event["Records"][0]["s3"]["object"]["key"] = f"emo/1x1/{uuid.uuid4().hex}.jpg"
    return with_objects(event, store)


def main() -> None:
    """Print the table and, as one line of JSON, its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--without-bytecode", action="store_true", help="also measure artefacts without .pyc files"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, server() as url, LocalStack() as stack:
        folder = Path(scratch)
        small, untraced = compiled(folder / "small", HELLO), compiled(folder / "untraced", HELLO_UNTRACED)
        traced = sam_hello()
        store = Store(stack.client("s3"))

        def ours(artefacts: Path, detector: str, layers: tuple[str, ...]) -> Emulator:
            deployed = stack.client("lambda").get_function_configuration(
                FunctionName=stack.outputs["ScreenFunctionName"]
            )
            variables = deployed["Environment"]["Variables"] | {
                "AWS_ENDPOINT_URL": stack.endpoint_url,
                "DETECTOR": detector,
            }
            return Emulator(environment=variables, layers=layers, artefacts=artefacts)

        both, one = ("ScreeningLayer", "DetectionLayer"), ("ScreeningLayer",)
        sides: dict[str, Callable[[], Took]] = {
            "Logger and Metrics alone": lambda: first_reply(
                Emulator(environment={}, layers=one, code=small, handler="app.handler"), {}
            ),
            "sam init, no tracer": lambda: first_reply(
                Emulator(environment={}, layers=one, code=untraced, handler="app.handler"), SAM_EVENT
            ),
            BASE: lambda: first_reply(
                Emulator(environment={}, layers=(), code=traced, handler="app.handler"), SAM_EVENT
            ),
            "HTTP": lambda: first_reply(ours(ARTEFACTS, url, one), upload(store)),
            "self-hosted": lambda: first_reply(ours(ARTEFACTS, "self-hosted", both), upload(store)),
        }
        if options.without_bytecode:
            bare = without_bytecode(folder / "bare")
            sides["HTTP, no bytecode"] = lambda: first_reply(ours(bare, url, one), upload(store))
            sides["self-hosted, no bytecode"] = lambda: first_reply(
                ours(bare, "self-hosted", both), upload(store)
            )
        times: dict[str, list[Took]] = {name: [] for name in sides}
        for number in range(options.rounds + 1):
            for name, measure in sides.items():
                took = measure()
                if number:  # the first round warms the disk
                    times[name].append(took)
            print(f"\rround {number}/{options.rounds}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    report(times)


def report(times: dict[str, list[Took]]) -> None:
    """Print medians, and ratios round by round: both sides of a ratio are then of the same moment."""
    base = times[BASE]
    print(
        f"{'to the first answer':<26}{'wall ms':>9}{'ratio':>7}{'cpu ms':>9}{'ratio':>7}{'must':>7}{'goal':>7}"
    )
    figures = {}
    for name, values in times.items():
        shown: list[float] = []
        for kind in ("wall", "processor"):
            mine, its = [getattr(v, kind) for v in values], [getattr(v, kind) for v in base]
            shown += [
                statistics.median(mine),
                statistics.median(m / i for m, i in zip(mine, its, strict=True)),
            ]
        must = f"{MUST[name]:.1f}" if name in MUST else ""
        goal = f"{GOAL[name]:.1f}" if name in GOAL else ""
        print(f"{name:<26}{shown[0]:9.0f}{shown[1]:7.2f}{shown[2]:9.0f}{shown[3]:7.2f}{must:>7}{goal:>7}")
        figures[name] = dict(
            zip(("wall_ms", "wall_ratio", "cpu_ms", "cpu_ratio"), (round(v, 2) for v in shown), strict=True)
        )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
