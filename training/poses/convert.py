"""BlazePose's network for points without what nobody reads: the mask of the person and the maps of points, half of its
time. Weights and answers are the same.

    python training/poses/convert.py [--network pose_landmark_full.tflite] [--out pose_landmark_points.tflite]

The network is that of mediapipe 0.10.21: `mediapipe/modules/pose_landmark/` in its package.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import eightbit

POINTS, PRESENCE, WORLD = 0, 1, 4
"""Outputs that stay, in this order."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", type=Path, default=Path("pose_landmark_full.tflite"))
    parser.add_argument("--out", type=Path, default=Path("pose_landmark_points.tflite"))
    options = parser.parse_args()
    file = eightbit.Graph(options.network)
    (entry,) = file.graph.inputs
    file.cut(int(entry), [int(file.graph.outputs[n]) for n in (POINTS, PRESENCE, WORLD)])
    file.write(options.out)


if __name__ == "__main__":
    main()
