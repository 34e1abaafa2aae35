"""The local AWS starts on loopback only, and ends with its parent however that ends."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import waiting

from screentest.demo import pictures
from screentest.stack import REPOSITORY, LocalAws, LocalStack, ServerFailed
from screentest.stack.server import free_port
from screentest.stack.up import commands

pytestmark = pytest.mark.stack

eventually = functools.partial(waiting.eventually, seconds=15.0)


def answers(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_serves_the_published_keys_and_leaves_nothing() -> None:
    with LocalAws() as aws:
        folder = aws.folder
        assert aws.client("sts").get_caller_identity()["Account"].isdigit()
        assert aws.endpoint_url.startswith("http://127.0.0.1:")
    assert not answers(aws.endpoint_url)
    assert not folder.exists()


def test_a_taken_port_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], free_port()])
        with LocalAws(find_port=lambda: next(ports)) as aws:
            assert not aws.endpoint_url.endswith(f":{taken.getsockname()[1]}")
            assert aws.client("s3").list_buckets()["Buckets"] == []


def test_without_the_local_environment_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="make setup"):
        LocalAws(interpreter=tmp_path / "python").__enter__()


def test_a_server_that_cannot_start_shows_its_last_words() -> None:
    with pytest.raises(ServerFailed, match="did not start"):
        LocalAws(settings={"GATEWAY_PORT": "not a port"}).__enter__()


def test_a_server_that_ends_by_itself_is_noticed() -> None:
    with LocalAws() as aws:
        (server,) = [*(aws.folder / "tmp").glob("ministack-*.pid")]
        os.kill(int(server.read_text()), signal.SIGKILL)
        eventually(lambda: not answers(aws.endpoint_url))
        eventually(lambda: not aws.running)
        with pytest.raises(ServerFailed, match="has ended"):
            aws.check()


def test_a_killed_parent_leaves_no_process_and_no_folder() -> None:
    script = (
        "import sys, time\n"
        "from screentest.stack import LocalAws\n"
        "with LocalAws() as aws:\n"
        "    print(aws.endpoint_url, aws.folder, flush=True)\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    url, folder = parent.stdout.readline().split()
    assert answers(url)
    parent.kill()
    parent.wait()
    eventually(lambda: not answers(url))
    eventually(lambda: not Path(folder).exists())


def _look_at(up: subprocess.Popen[str], folder: Path, port: int, page_port: int) -> None:
    assert up.stdout
    lines = []
    for line in up.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    (url,) = [word for word in lines[0].split() if word.startswith("http")]
    said = json.loads((folder / "build" / "up.json").read_text())
    assert said["endpoint_url"] == url == f"http://127.0.0.1:{port}"
    # The page's address is the last thing, in a frame: nobody scrolls back for it.
    assert f"http://127.0.0.1:{page_port}" in lines[-3]
    assert {lines[-2][0], lines[-1][0]} == {"│"}
    (verdicts,) = [line for line in lines if line.endswith("screentest verdicts\n")]
    program = verdicts.split()[0]
    assert shutil.which(program) or (folder / program).exists(), "a command that works as it stands"
    assert said["outputs"]["UploadBucketName"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_prints_the_endpoint_first_and_ends_well_on_a_signal(
    number: signal.Signals, tmp_path: Path
) -> None:
    port, page_port = free_port(), free_port()
    command = [str(Path(sys.executable).parent / "screentest"), "up"]
    command += ["--port", str(port), "--page-port", str(page_port)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as up:
        try:
            _look_at(up, tmp_path, port, page_port)
            up.send_signal(number)
            assert up.wait(timeout=10) == 0  # the promise of the command itself
        finally:
            up.kill()
    assert not (tmp_path / "build" / "up.json").exists()
    assert not answers(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("option", ["--port", "--page-port"])
def test_a_port_that_is_taken_is_said_in_one_line(option: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [str(Path(sys.executable).parent / "screentest"), "up", option, port]
        done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"choose another with {option}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_commands_that_up_prints_work_as_they_stand(stack: LocalStack, tmp_path: Path) -> None:
    (tmp_path / "portrait.jpg").write_bytes(pictures.data("cat"))
    export, make_queue, subscribe, copy, tags, query, receive = commands(stack)
    wait = f"until {tags} | grep -q screentest; do sleep 0.2; done"
    script = "\n".join(["set -eu", export, make_queue, subscribe, copy, wait, tags, query, receive])
    aws = REPOSITORY / ".localaws" / "bin"
    environment = {"PATH": f"{aws}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", script],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert '"Value": "reject"' in done.stdout
    assert '"S": "InvalidFile.NoHuman"' in done.stdout
    assert '"code": "InvalidFile.NoHuman"' in done.stdout.replace('":"', '": "')
