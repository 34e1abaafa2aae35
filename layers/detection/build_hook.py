"""Hatchling's build hook: no wheel and no sdist without the networks' weights.

They are in a source distribution already; in a bare clone they are fetched as `make weights` does.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WeightsBuildHook(BuildHookInterface[Any]):
    """Completes `screentest/detection/weights`, each file checked against its sum."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Runs before files are chosen. An editable install gets its weights by `make weights`."""
        if version != "editable":
            fetch = runpy.run_path(str(Path(self.root) / "layers" / "detection" / "fetch_weights.py"))
            fetch["fetch"](fetch["DESTINATION"])
