"""Runs one command and ends it, all its children and its folder when standard input closes.

The operating system closes that pipe however the parent ends, by SIGKILL too, so nothing is ever left behind. Standard
library only: it runs under the local AWS's own interpreter.

Usage: guardian.py FOLDER COMMAND...
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading


def main(folder: str, command: list[str]) -> int:
    """Run `command` until it ends or standard input does; returns its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603

    def end() -> None:
        # Its state is in memory and meant to be lost: no grace is needed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    def watch() -> None:
        sys.stdin.buffer.read()
        end()

    threading.Thread(target=watch, daemon=True).start()
    status = child.wait()
    end()
    shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
