"""The artefacts that are deployed, for each processor, within Lambda's limits: see `support.lambda_like`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support import lambda_like
from support.ground import Ground, check
from support.lambda_like import ARTEFACTS, MemoryGroup, Unavailable

from screentest.artefact import Emulator
from screentest.stack import REPOSITORY, LocalStack

pytestmark = pytest.mark.artefact

MEGABYTES = 1769  # of the functions with the detectors, as in the template
SECONDS = {"x86_64": 60, "arm64": 900}
"""Of an invocation: the template's, and what an emulated processor may take."""

ATTEMPTS = {"x86_64": 1, "arm64": 3}
"""The first picture there may outlast the 25 seconds that the pipeline waits for a detector: it comes again."""

EVENTS: dict[str, tuple[str, dict[str, str]]] = {
    "x86_64": (
        "sqs-s3-batch",
        {
            "emo/1x1/portrait.jpg": "pass",
            "emo/1x1/tilted.jpg": "reject",
            "emo/3x4/shoulders_up.jpg": "InvalidFile.FullBody",
            "emoji/astronaut.jpg": "pass",
            "animate-anyone/two_people.jpg": "InvalidFile.Content",
        },
    ),
    "arm64": ("sqs-s3", {"emo/1x1/portrait.jpg": "pass"}),
}


KERNELS = """
from screentest.detection.detector import Detector

def handler(event, context):
    return Detector().kernels
"""


@pytest.fixture(scope="module", params=["x86_64", "arm64"])
def architecture(request: pytest.FixtureRequest) -> str:
    try:
        lambda_like.needs(request.param)
    except Unavailable as missing:
        pytest.skip(str(missing))
    return str(request.param)


@pytest.fixture(scope="module")
def stack(architecture: str) -> Iterator[LocalStack]:
    with ExitStack() as opened:
        try:
            opened.enter_context(lambda_like.loopback_only())
        except Unavailable as denied:
            pytest.skip(str(denied))
        yield opened.enter_context(LocalStack())


@contextmanager
def function(
    architecture: str,
    folder: Path,
    *,
    code: Path,
    layers: tuple[str, ...] = (),
    environment: Mapping[str, str],
    without: str = "nothing",
) -> Iterator[tuple[Emulator, MemoryGroup]]:
    artefacts = ARTEFACTS[architecture]
    with (
        lambda_like.memory_of(MEGABYTES) as group,
        lambda_like.lambda_like(
            architecture, code, [artefacts / layer for layer in layers], folder, group, without
        ) as machine,
        Emulator(
            artefacts=artefacts,
            code=code,
            environment=environment,
            timeout=SECONDS[architecture],
            machine=machine,
        ) as emulator,
    ):
        yield emulator, group


def test_the_cage_holds(architecture: str, stack: LocalStack, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "app.py").write_text(lambda_like.PROBE)
    (tmp_path / "mounts").mkdir()
    with function(architecture, tmp_path / "mounts", code=code, environment={}) as (emulator, _):
        assert emulator.invoke({"repository": str(REPOSITORY)}).payload == {
            "user": 993,
            "task": "EROFS",
            "layer": "EROFS",
            "root": "EROFS",
            "tmp": "done",
            "full": "ENOSPC",
            "shm": False,
            "elsewhere": "ENETUNREACH",
            "home": False,
            "possible": False,
            "machine": {"x86_64": "x86_64", "arm64": "aarch64"}[architecture],
        }
        assert emulator.invoke("memory").error_type == "Runtime.ExitError"


@pytest.mark.parametrize(("without", "kernels"), [("nothing", "xnnpack"), ("cpu", "plain")])
def test_on_arm64_the_layer_says_what_lambda_hides(
    architecture: str, stack: LocalStack, tmp_path: Path, without: str, kernels: str
) -> None:
    if architecture != "arm64":
        pytest.skip("x86-64 asks the processor itself")
    (tmp_path / "code").mkdir()
    (tmp_path / "mounts").mkdir()
    (tmp_path / "code" / "app.py").write_text(KERNELS)
    with function(
        architecture,
        tmp_path / "mounts",
        code=tmp_path / "code",
        layers=("ScreeningLayer", "DetectionLayer"),
        environment={},
        without=without,
    ) as (emulator, _):
        assert emulator.invoke({}).payload == kernels, emulator.log()


def test_the_deployed_artefact_screens_within_lambdas_limits(
    architecture: str, stack: LocalStack, tmp_path: Path
) -> None:
    deployed = stack.client("lambda").get_function_configuration(
        FunctionName=stack.outputs["ScreenFunctionName"]
    )
    variables = deployed["Environment"]["Variables"] | {"AWS_ENDPOINT_URL": stack.endpoint_url}
    ground = Ground(stack)
    with function(
        architecture,
        tmp_path,
        code=ARTEFACTS[architecture] / "ScreenFunction",
        layers=("ScreeningLayer", "DetectionLayer"),
        environment=variables,
    ) as (emulator, group):
        for _ in range(ATTEMPTS[architecture]):
            event, bucket = ground.event(EVENTS[architecture][0])
            reply = emulator.invoke(event)
            if reply.payload == {"batchItemFailures": []}:
                break
        log = emulator.log()
        print(f"peak {group.peak >> 20} MB")
    assert reply.payload == {"batchItemFailures": []}, log[-3000:]
    check(ground.found(bucket), EVENTS[architecture][1])
    started = [json.loads(line) for line in log.splitlines() if '"started"' in line]
    assert [line["kernels"] for line in started] == ["xnnpack"]
