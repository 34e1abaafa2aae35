"""The demo: real pictures from pinned packages through the whole local stack."""

from __future__ import annotations

from screentest.demo.run import DemoError, run

__all__ = ["DemoError", "run"]
