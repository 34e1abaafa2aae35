"""What `pip install` gets: the wheel, built anew, in empty environments outside the checkout and without network."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from functools import partial
from pathlib import Path

import pytest

from screentest.demo import pictures
from screentest.detection import VERSION

ROOT = Path(__file__).parents[2]
WEIGHTS = json.loads((ROOT / "layers/detection/weights.json").read_text())["weights"]
PYTHONS = ("3.11", "3.12", "3.13")

pytestmark = pytest.mark.xdist_group("package")


def interpreters() -> dict[str, Path]:
    """By minor version, each Python that is supported and on this machine."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": Path(sys.executable)}
    for version in PYTHONS:
        pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        on_path = shutil.which(f"python{version}")
        for python in (*pyenv, *([Path(on_path)] if on_path else [])):
            command = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            if said == version:
                found.setdefault(version, python)
    return found


FOUND = interpreters()


def build(source: Path, kind: str, destination: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(destination)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = destination.iterdir()
    return built


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session", params=PYTHONS)
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of an environment that holds the wheel and what it asks for, nothing else."""
    if request.param not in FOUND:
        pytest.skip(f"no Python {request.param} on this machine")
    folder = tmp_path_factory.mktemp(f"python{request.param}")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", FOUND[request.param], folder / "env"], check=True)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", folder / "env/bin/python", wheel],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return folder / "env" / "bin"


def isolated() -> list[str]:
    """A prefix that takes the network away, where the system lets us."""
    prefix = ["unshare", "--map-root-user", "--net"]
    if (
        shutil.which("unshare")
        and not subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
    ):
        return prefix
    return []


def run(
    *command: str | Path, cwd: Path, network: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    prefix = [] if network else isolated()
    return subprocess.run(
        [*prefix, *command],
        cwd=cwd,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with nothing in it but two pictures."""
    for name in ("waist_up", "cat"):
        (tmp_path / f"{name}.jpg").write_bytes(pictures.data(name))
    return tmp_path


class TestWheel:
    def test_it_holds_one_package_and_its_licences(self, wheel: Path) -> None:
        names = zipfile.ZipFile(wheel).namelist()
        assert {name.split("/")[0] for name in names} == {"screentest", f"screentest-{VERSION}.dist-info"}
        assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
        assert "screentest/__init__.py" not in names  # one namespace, three parts

    def test_the_weights_are_inside(self, wheel: Path) -> None:
        names = zipfile.ZipFile(wheel).namelist()
        for weight in WEIGHTS:
            assert f"screentest/detection/weights/{weight['file']}" in names

    def test_every_part_says_that_it_is_typed(self, wheel: Path) -> None:
        names = zipfile.ZipFile(wheel).namelist()
        parts = {name.split("/")[1] for name in names if re.fullmatch(r"screentest/\w+/__init__\.py", name)}
        assert {"detection", "screening", "cli"} <= parts
        assert {part for part in parts if f"screentest/{part}/py.typed" not in names} == set()

    def test_the_source_distribution_builds_the_same_wheel(
        self, sdist: Path, wheel: Path, tmp_path: Path
    ) -> None:
        with tarfile.open(sdist) as archive:
            archive.extractall(tmp_path / "source", filter="data")
        (source,) = (tmp_path / "source").iterdir()
        again = build(source, "wheel", tmp_path / "again")
        ours, theirs = zipfile.ZipFile(wheel), zipfile.ZipFile(again)
        assert sorted(ours.namelist()) == sorted(theirs.namelist())
        for name in ours.namelist():
            assert ours.read(name) == theirs.read(name), name


class TestInstalled:
    def test_check_judges_a_picture(self, installed: Path, place: Path) -> None:
        done = run(installed / "screentest", "check", ".", "--model", "emo-detect-v1", "--json", cwd=place)
        verdicts = {line["file"]: line for line in map(json.loads, done.stdout.splitlines())}
        assert done.returncode == 1, done.stderr
        assert {Path(name).name: line["verdict"] for name, line in verdicts.items()} == {
            "cat.jpg": "reject",
            "waist_up.jpg": "pass",
        }

    def test_the_library_judges_a_picture(self, installed: Path, place: Path) -> None:
        program = (
            "from screentest.detection import detect; print(detect('waist_up.jpg', 'emo-detect-v1').passed)"
        )
        done = run(installed / "python", "-c", program, cwd=place)
        assert (done.stdout.strip(), done.returncode) == ("True", 0), done.stderr

    def test_serve_answers_curl(self, installed: Path, place: Path) -> None:
        if not shutil.which("curl"):
            pytest.skip("no curl")
        command = [str(installed / "screentest"), "serve", "--port", "0", "--allow-private-urls"]
        server = subprocess.Popen(
            command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+:\d+", server.stdout.readline())
            assert address
            with served(place) as pictures_at:
                body = {"model": "emo-detect-v1", "input": {"image_url": f"{pictures_at}/waist_up.jpg"}}
                url = f"{address[0]}/api/v1/services/aigc/image2video/face-detect"
                done = run(
                    *("curl", "-sS", url, "-H", "Content-Type: application/json", "-d", json.dumps(body)),
                    cwd=place,
                    network=True,
                )
            assert json.loads(done.stdout)["output"]["check_pass"] is True, done
        finally:
            server.terminate()
            assert server.wait(30) == 0

    @pytest.mark.parametrize("form", [["--version"], ["-h"], ["--help"], ["check", "-h"], ["serve", "-h"]])
    def test_it_introduces_itself(self, installed: Path, place: Path, form: list[str]) -> None:
        by_script = run(installed / "screentest", *form, cwd=place)
        by_module = run(installed / "python", "-m", "screentest", *form, cwd=place)
        assert by_script.returncode == by_module.returncode == 0, by_script.stderr + by_module.stderr
        assert VERSION in by_script.stdout if form == ["--version"] else "Usage:" in by_module.stdout

    @pytest.mark.parametrize(
        ("command", "extra"),
        [
            (["verdicts"], "screentest[aws]"),
            (["doctor"], "screentest[aws]"),
            (["redrive"], "screentest[aws]"),
            (["report"], "screentest[aws]"),
            (["backfill", "s3://bucket/"], "screentest[aws]"),
            (["screen", "s3://bucket/key.jpg"], "screentest[aws]"),
            (["up"], "screentest[local]"),
            (["demo"], "screentest[local]"),
        ],
        ids=lambda value: value[0] if isinstance(value, list) else "",
    )
    def test_a_missing_extra_is_one_line(
        self, installed: Path, place: Path, command: list[str], extra: str
    ) -> None:
        done = run(installed / "screentest", *command, cwd=place)
        assert done.returncode == 2
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert f"pip install '{extra}" in line

    def test_it_shadows_no_folder_of_the_user(self, installed: Path, place: Path) -> None:
        for name in ("detection", "screening"):
            (place / name).mkdir()
            (place / name / "__init__.py").write_text("raise RuntimeError\n")
        done = run(
            installed / "python",
            "-m",
            "screentest",
            "check",
            "cat.jpg",
            "--model",
            "emo-detect-v1",
            cwd=place,
        )
        assert done.returncode == 1, done.stderr


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class served:  # noqa: N801 - used like a function
    """A folder on a loopback port."""

    def __init__(self, folder: Path) -> None:
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(_Quiet, directory=str(folder))
        )

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
