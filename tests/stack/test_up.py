"""`make up` says what keeps it from screening, shares nothing with a second one, and ends with its session."""

from __future__ import annotations

import functools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import waiting
from support.waiting import gone

from screentest.stack import REPOSITORY
from screentest.stack.deployment import pack
from screentest.stack.session import own_record
from screentest.stack.up import LEFT_BYTES

BIN = Path(sys.executable).parent

eventually = functools.partial(waiting.eventually, seconds=30.0)


@pytest.fixture(autouse=True)
def _hang_ups_are_heard() -> Iterator[None]:
    """What is started hears of hang-ups, though these tests be started by `nohup`: an ignored signal is inherited."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_two_may_pack_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "Layer"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}.bin").write_bytes(bytes(20_000))
    together = threading.Barrier(8)

    def packed(_number: int) -> Path:
        together.wait()
        return pack(folder)

    with ThreadPoolExecutor(8) as pool:
        (archive,) = set(pool.map(packed, range(8)))
    with zipfile.ZipFile(archive) as found:
        assert found.testzip() is None
        assert len(found.namelist()) == 50
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Layer", "Layer.zip"]


def test_a_record_has_one_owner_whatever_becomes_of_him(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from screentest.stack.session import own_record\n"
        "with own_record(Path('build/up.json')):\n"
        "    Path('build/up.json').write_text('{\"endpoint_url\": \"http://127.0.0.1:1\"}')\n"
        "    print('there', flush=True)\n"
        "    time.sleep(600)\n"
    )
    first = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert first.stdout
    assert first.stdout.readline()
    record = tmp_path / "build" / "up.json"
    with (
        pytest.raises(Exception, match=r"is at http://127\.0\.0\.1:1 .* in another folder"),
        own_record(record),
    ):
        pytest.fail("two owners")
    assert record.exists(), "what another one wrote is not removed"
    first.kill()
    first.wait()
    with own_record(record):
        assert record.exists(), "left by the one that was killed"
    assert not record.exists()


WATCHER = (
    "import sys, time\n"
    "from screentest.stack.session import Session\n"
    "session = Session()\n"
    "open(sys.argv[1], 'w').write(str(__import__('os').getpid()))\n"
    "while not session.has_ended:\n"
    "    time.sleep(0.05)\n"
)


@pytest.fixture
def makefile(tmp_path: Path) -> Path:
    """The recipe of `make up` itself, over a program that does nothing but watch its session."""
    (tmp_path / "watcher.py").write_text(WATCHER)
    program = tmp_path / "bin" / "screentest"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path}/watcher.py {tmp_path}/pid\n")
    program.chmod(0o755)
    (recipe,) = re.findall(r"^up:.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    (tmp_path / "Makefile").write_text(f"BIN := {tmp_path}/bin\nup:\n{recipe}")
    return tmp_path


def started(folder: Path) -> int:
    pid = folder / "pid"
    eventually(lambda: pid.exists() and pid.read_text())
    return int(pid.read_text())


@pytest.fixture
def leaders() -> Iterator[list[int]]:
    """Process groups to end, whatever the test says."""
    found: list[int] = []
    yield found
    for leader in found:
        for each in (leader, *(int(p.name) for p in Path("/proc").glob("[0-9]*") if _session(p) == leader)):
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _session(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    except (OSError, IndexError):
        return 0


linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="looks at processes as Linux shows them"
)


@linux
@pytest.mark.parametrize(
    ("command", "end"),
    [
        ("exec make up", "the window is closed"),
        ("exec make up", "the leader is told to hang up"),
        ("trap : HUP; make up; true", "the window is closed"),
    ],
)
def test_a_hang_up_of_a_terminal_ends_what_make_started(
    makefile: Path, leaders: list[int], command: str, end: str
) -> None:
    """As in `xterm -e make up` and `ssh -t host make up`: a leader may take the signal and wait."""
    leader, terminal = pty.fork()
    if leader == 0:
        os.chdir(makefile)
        os.execvp("sh", ["sh", "-c", command])
    leaders.append(leader)
    watcher = started(makefile)
    if end == "the window is closed":
        os.close(terminal)
    else:
        os.kill(leader, signal.SIGHUP)
    eventually(lambda: gone(watcher))
    os.waitpid(leader, 0)


@linux
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("command", [["make", "up"], ["sh", "-c", "make up; true"]], ids=["make", "sh"])
def test_without_a_terminal_it_ends_with_its_leader(
    makefile: Path, leaders: list[int], command: list[str], number: signal.Signals
) -> None:
    leader = subprocess.Popen(
        command, cwd=makefile, start_new_session=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    leaders.append(leader.pid)
    watcher = started(makefile)
    leader.send_signal(number)
    eventually(lambda: leader.poll() is not None or gone(watcher))
    eventually(lambda: gone(watcher))
    leader.wait()


@linux
def test_it_ends_with_a_make_that_is_killed(makefile: Path, leaders: list[int]) -> None:
    leader = subprocess.Popen(
        ["sh", "-c", "make up; sleep 600"], cwd=makefile, start_new_session=True, stdin=subprocess.DEVNULL
    )
    leaders.append(leader.pid)
    watcher = started(makefile)
    (parent,) = re.findall(r"^PPid:\t(\d+)$", Path(f"/proc/{watcher}/status").read_text(), re.MULTILINE)
    os.kill(int(parent), signal.SIGKILL)
    eventually(lambda: gone(watcher))
    assert leader.poll() is None


@linux
def test_under_nohup_it_goes_on(makefile: Path, leaders: list[int]) -> None:
    command = ["sh", "-c", "nohup make up >/dev/null 2>&1; true"]
    leader = subprocess.Popen(command, cwd=makefile, start_new_session=True, stdin=subprocess.DEVNULL)
    leaders.append(leader.pid)
    watcher = started(makefile)
    leader.kill()
    leader.wait()
    time.sleep(1)
    assert not gone(watcher)


# The whole command -------------------------------------------------------------------------------------------------


def command(free: Path) -> list[str]:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from screentest.stack import StackError\n"
        "from screentest.stack.up import run\n"
        f"free = lambda folder: int(Path({str(free)!r}).read_text())\n"
        "try:\n"
        "    run(free=free)\n"
        "except StackError as error:\n"
        "    sys.exit(f'error: {error}')\n"
    )
    return [sys.executable, "-c", script]


@pytest.mark.stack
def test_a_full_temporary_folder_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "free").write_text(str(100 << 20))
    done = subprocess.run(
        command(tmp_path / "free"), check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "has 100 MB free" in line
    assert "TMPDIR" in line
    assert not (tmp_path / "build" / "up.json").exists()


@pytest.mark.stack
def test_one_that_fills_is_said_while_the_stack_runs_and_a_second_stack_is_refused(tmp_path: Path) -> None:
    free = tmp_path / "free"
    free.write_text(str(1 << 40))
    up = subprocess.Popen(
        command(free), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    record = tmp_path / "build" / "up.json"
    eventually(lambda: record.exists() and record.read_text().endswith("}\n"))
    endpoint = json.loads(record.read_text())["endpoint_url"]
    second = [str(BIN / "screentest"), "up"]
    refused = subprocess.run(second, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert endpoint in line
    assert json.loads(record.read_text())["endpoint_url"] == endpoint

    said: list[str] = []
    assert up.stderr
    reader = threading.Thread(target=lambda: said.extend(up.stderr or ()), daemon=True)
    reader.start()
    for times in (1, 2):
        swap(free, LEFT_BYTES - 1)
        eventually(lambda: len(said) == times, f"{times} warnings")  # noqa: B023 - asked for at once
        swap(free, 1 << 40)
        time.sleep(2)
    up.send_signal(signal.SIGTERM)
    assert up.wait(timeout=20) == 0
    reader.join()
    assert len(said) == 2, "once each time"
    assert all("nothing is screened" in line for line in said)
    assert not record.exists()


def swap(file: Path, number: int) -> None:
    new = file.with_suffix(".new")
    new.write_text(str(number))
    new.replace(file)
