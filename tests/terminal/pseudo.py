"""A command on a pseudo-terminal, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\]8;[^\x1b]*\x1b\\")


@dataclass
class Screen:
    """Lines as a terminal without end would show them: carriage returns, cursor up and erased lines are obeyed."""

    width: int
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            control = _CONTROL.match(text, at)
            if control:
                self._control(control.group(1) or "", control.group(2) or "")
                at = control.end()
                continue
            self._put(text[at])
            at += 1

    def _control(self, arguments: str, final: str) -> None:
        count = int(arguments) if arguments.isdigit() else 1
        if final == "A":
            self.row = max(0, self.row - count)
        elif final == "B":
            self._to_row(self.row + count)
        elif final == "K":
            self.lines[self.row] = "" if arguments == "2" else self.lines[self.row][: self.column]
        else:
            assert final in "mhl", f"unknown control sequence {arguments}{final}"

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._to_row(self.row + 1)
        else:
            if self.column >= self.width:
                self._to_row(self.row + 1)
                self.column = 0
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    def _to_row(self, row: int) -> None:
        while len(self.lines) <= row:
            self.lines.append("")
        self.row = row


@dataclass(frozen=True)
class Shown:
    """What a command left on its terminal.

    Attributes:
        lines: of the screen at the end, without what was erased.
        frames: the screen each time something was read from the command.
    """

    status: int
    lines: list[str]
    frames: list[list[str]]


def on_terminal(
    command: list[str | Path], *, columns: int, environment: Mapping[str, str], folder: Path
) -> Shown:
    """Run a command whose standard output and error are one terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    given = {
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        **environment,
    }
    screen, frames, pending = Screen(columns), [], b""
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=given, cwd=folder
    ) as process:
        os.close(theirs)
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the command has closed its end
                break
            if not piece:
                break
            text, pending = _whole(pending + piece)
            screen.feed(text)
            frames.append([line.rstrip() for line in screen.lines])
        status = process.wait()
    os.close(ours)
    return Shown(status, [line.rstrip() for line in screen.lines if line.strip()], frames)


def _whole(data: bytes) -> tuple[str, bytes]:
    """The text of whole characters and control sequences, and the bytes that wait for more."""
    cut = len(data)
    if (escape := data.rfind(b"\x1b")) >= 0 and not _CONTROL.match(data[escape:].decode(errors="replace")):
        cut = escape
    for end in range(cut, max(-1, cut - 4), -1):
        try:
            return data[:end].decode(), data[end:]
        except UnicodeDecodeError:
            continue
    return data.decode(errors="replace"), b""
