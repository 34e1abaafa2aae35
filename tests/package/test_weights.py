"""The folder of weights holds what the manifest names."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

from screentest.detection.vision.runtime import WEIGHTS


def test_networks_of_earlier_versions_are_taken_out(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    before = {file.name for file in folder.iterdir()}
    (folder / "pose_landmark_full.tflite").write_bytes(b"of an earlier version")
    fetch = runpy.run_path(str(WEIGHTS.parents[2] / "fetch_weights.py"))
    assert fetch["fetch"](folder) == 0
    assert {file.name for file in folder.iterdir()} == before
