"""What a command that runs until it is told to end shares with others: its terminal, its session, its folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

from screentest.stack.errors import StackError


class Session:
    """The session that this process was started in, to notice its hang-up where no signal comes.

    The kernel tells a session's leader of a terminal that is gone, and the foreground of the leader's death alone. GNU
    make as leader catches the signal, passes it to nobody and waits for us.
    """

    def __init__(self) -> None:
        self.is_kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        """Whether a hang-up is to be survived, as under `nohup`."""
        self._parent, self._leader = os.getppid(), os.getsid(0)
        self._has_terminal = os.isatty(0)
        self._leader_catches = self._catches_hangup()

    @property
    def has_ended(self) -> bool:
        """Whether the terminal, the leader or our parent is gone, or the leader was told to hang up."""
        return not self.is_kept and (
            (self._has_terminal and not os.isatty(0))
            or os.getppid() != self._parent
            or not self._leader_lives()
            or (self._leader_catches and not self._catches_hangup())
        )

    def _leader_lives(self) -> bool:
        if self._leader == 0:  # outside of this container
            return True
        try:
            os.kill(self._leader, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return "State:\tZ" not in self._leader_status()

    def _catches_hangup(self) -> bool:
        found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", self._leader_status(), re.MULTILINE)
        catches = bool(found and int(found[1], 16) & 1 << (signal.SIGHUP - 1))
        return catches and self._leader != os.getpid()

    def _leader_status(self) -> str:
        try:
            return Path(f"/proc/{self._leader}/status").read_text()
        except OSError:  # no Linux, or it is gone
            return ""


@contextlib.contextmanager
def own_record(record: Path) -> Iterator[None]:
    """Have a file to oneself, which is removed at the end. The system gives it free however this process ends.

    Raises:
        StackError: another process has it.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            where = "starts just now"
            with contextlib.suppress(OSError, ValueError, KeyError):
                where = f"is at {json.loads(record.read_text())['endpoint_url']}"
            raise StackError(
                f"another stack of this folder {where} and writes {record}: end it, or start this one in another folder"
            ) from error
        try:
            yield
        finally:
            record.unlink(missing_ok=True)
