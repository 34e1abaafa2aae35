"""The verdict table as the tests make it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from support.aws import create_verdict_table

__all__ = ["create_verdict_table"]
