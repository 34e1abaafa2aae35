"""What `make build` packs: the right architecture, nothing that no function needs, within the size budget."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import pytest

from screentest.stack import ARTEFACTS, REPOSITORY

pytestmark = pytest.mark.artefact

DEPLOYED = REPOSITORY / ".aws-sam" / "build"
LAYERS = ("ScreeningLayer", "DetectionLayer")
FUNCTIONS = ("ScreenFunction", "BackfillFunction", "ApiFunction", "UploadFunction")
ELF_X86_64 = 62  # e_machine, ELF specification
BUDGET_MB = (
    165  # detection layer with a function, unzipped; AWS itself allows 250 MB for all layers and the function
)
UNWANTED = ("boto3", "botocore", "pip", "setuptools", "mediapipe", "cv2", "ai_edge_litert/tools")


@pytest.fixture(params=[DEPLOYED, ARTEFACTS], ids=["lambda", "host"])
def artefacts(request: pytest.FixtureRequest) -> Path:
    if not (request.param / "template.yaml").exists():
        pytest.fail("not built: run `make build` and `make build HOST=1`, or the tests by `make test`")
    built: Path = request.param
    return built


def machine(shared_object: Path) -> int:
    header = shared_object.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    return int(struct.unpack_from("<H", header, 18)[0])


def test_every_shared_object_is_for_lambdas_processor_and_python() -> None:
    objects = [path for path in DEPLOYED.rglob("*.so*") if path.is_file()]
    assert {path.name for path in objects if machine(path) != ELF_X86_64} == set()
    extensions = [path.name for path in objects if ".cpython-" in path.name]
    assert extensions
    assert [name for name in extensions if ".cpython-313-x86_64-linux-gnu" not in name] == []


def test_sizes_are_within_the_budget(artefacts: Path) -> None:
    size = {
        part: sum(f.stat().st_size for f in (artefacts / part).rglob("*") if f.is_file()) for part in LAYERS
    }
    assert (size["DetectionLayer"] + size["ScreeningLayer"]) / 1e6 <= BUDGET_MB


@pytest.mark.parametrize("name", UNWANTED)
def test_nothing_is_packed_that_no_function_needs(artefacts: Path, name: str) -> None:
    assert [layer for layer in LAYERS if (artefacts / layer / "python" / name).exists()] == []


def test_no_tests_stubs_headers_or_pip_records(artefacts: Path) -> None:
    unwanted = {"RECORD", "INSTALLER", "REQUESTED", "tests"}
    found = [
        path
        for layer in LAYERS
        for path in (artefacts / layer).rglob("*")
        if path.name in unwanted or path.suffix in {".pyi", ".h"}
    ]
    assert found == []


def test_weights_and_licences_travel_with_the_layer(artefacts: Path) -> None:
    layer = artefacts / "DetectionLayer" / "python"
    assert len([*layer.glob("screentest/detection/weights/*.tflite")]) >= 9
    assert [*layer.glob("ai_edge_litert-*.dist-info")]
    assert [*layer.glob("numpy-*.dist-info/licenses/**/*")]


@pytest.mark.parametrize("part", [*LAYERS, *FUNCTIONS])
def test_the_host_build_carries_bytecode_that_is_never_checked_against_its_source(part: str) -> None:
    compiled = [*(ARTEFACTS / part).rglob("*.pyc")]
    assert compiled
    for file in compiled:
        header = file.read_bytes()[:8]
        assert header[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(header[4:8], "little") == 0b01, f"{file} is not unchecked-hash"  # PEP 552
