"""`screentest serve` as people start it: a process, with a port of the kernel's choice."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = [sys.executable, "-c", "from screentest.cli import main; main()"]


@dataclass
class Serving:
    process: subprocess.Popen[str]
    url: str
    log: Path

    def stop(self, signal_number: int) -> int:
        """Send the signal, and wait for the exit status."""
        self.process.send_signal(signal_number)
        return self.process.wait(60)


@contextmanager
def serve_process(*options: str, environ: Mapping[str, str] | None = None) -> Iterator[Serving]:
    clean = {name: value for name, value in os.environ.items() if name != "SCREENTEST_API_KEY"}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--workers", "1", *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**clean, **(environ or {})},
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("http"), Path(log.name).read_text()
            yield Serving(process, line.split()[0], Path(log.name))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
