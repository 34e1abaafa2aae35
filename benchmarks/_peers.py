"""Environments of what benchmarks compare with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).resolve().parents[1] / "build"


def python_with(folder: str, *requirements: str) -> Path:
    """The Python of an environment in `build`, which is made where it is missing."""
    place = BUILD / folder
    python = place / "bin" / "python"
    if not (place / ".installed").exists():
        print(f"installing {' '.join(requirements)} into build/{folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)  # noqa: S603
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *requirements], check=True)  # noqa: S603
        (place / ".installed").touch()
    return python
