"""The compose example gives the server what it takes. Docker itself is not needed, and not tried."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from screentest.detection.api import Limits
from screentest.detection.confined import MEGABYTES

ROOT = Path(__file__).parents[2]
SERVICE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["screentest"]
COMMAND: list[str] = SERVICE["command"]
WORKERS = int(COMMAND[COMMAND.index("--workers") + 1])


def tasks(pid: int) -> int:
    """Threads of a process and of those it started, as a limit on processes counts them."""
    found = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        children = (thread / "children").read_text().split()
        found += 1 + sum(tasks(int(child)) for child in children)
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="containers and /proc are Linux's")
def test_its_limit_on_processes_has_room_for_the_server() -> None:
    on_loopback = [{"0.0.0.0": "127.0.0.1", "8000": "0"}.get(word, word) for word in COMMAND]
    server = subprocess.Popen(
        [sys.executable, "-m", "screentest", *on_loopback],
        env=os.environ | {"SCREENTEST_API_KEY": "sk-1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert re.match(r"http://\S+:\d+", server.stdout.readline())
        # Threads for requests are made as requests come.
        most = tasks(server.pid) + Limits.of(WORKERS).in_flight
        assert WORKERS < most < 0.75 * SERVICE["pids_limit"]
    finally:
        server.terminate()
        assert server.wait(60) == 0


def test_its_memory_has_room_for_what_every_worker_may_take() -> None:
    gigabytes = re.fullmatch(r"(\d+)g", SERVICE["mem_limit"])
    assert gigabytes
    assert 1024 * int(gigabytes[1]) > WORKERS * MEGABYTES + 256


def test_it_runs_with_nothing_that_it_does_not_need() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICE["ports"])
    user = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user
    assert "0" not in user[-1]
