"""MoveNet MultiPose Lightning in two parts: its convolutions up to the pyramid in eight bits, ending in maps; and the
last layers that are read at single cells of the pyramid (`vision/movenet.py`).

    python training/movenet/convert.py --network movenet_multipose_fitted.tflite --portraits FOLDER [FOLDER ...]
        [--out FOLDER]

The network is the one that this repository carried up to rules version 4, in sixteen bits (SHA-256 8d110b1e…, found by
`git log --all -- '*movenet_multipose_fitted.tflite'`); where it comes from stands in NOTICE. Every twelfth portrait
settles ranges and rounding. Eight minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import eightbit
import portraits

from screentest.detection import pictures
from screentest.detection.errors import UnreadablePicture
from screentest.detection.vision.crops import fitted

BACKBONE = "feature_extractor/model_1/model/"
INPUT, FEATURES, PYRAMID, CENTRES, MARKS = 3, 68, 91, 106, 193
"""Operators, by number, of the whole network, sixteen-bit constants unfolded: the pixels from -1 to 1; the backbone's
last map; the pyramid's last; scores of centres and of key points."""
LAYERS = {"size": (95, 96, 97), "middle": (92, 93, 94), "expected": (231, 232, 233), "shift": (227, 228, 229)}
"""What is read at single cells: depthwise, pointwise with ReLU, pointwise."""
SCALE = np.float32(0.0078430176)


def samples(folders: list[Path]) -> list[np.ndarray]:
    """Every twelfth portrait, as the network sees it."""
    found = []
    for _, path in list(portraits.working(folders))[::12]:
        data = path.read_bytes()
        try:
            image = pictures.decode(data, pictures.probe(data)).image
        except UnreadablePicture:
            continue
        found.append(fitted(image, 256, 32)[0][None] * SCALE - np.float32(1))
    return found


def layers(file: eightbit.Graph) -> dict[str, np.ndarray]:
    """Of each answer both layers as matrices, the depthwise convolution within the first."""
    out = {}
    for name, numbers in LAYERS.items():
        deep, wide, last = (file.graph.operators[number] for number in numbers)
        if file.constant(deep.inputs[2]).any():
            raise ValueError(f"{name}: a bias between its layers")
        first = file.constant(deep.inputs[1])[0][:, :, :, None] * file.constant(wide.inputs[1])[:, 0, 0].T
        out[f"{name}_first"] = first.reshape(-1, first.shape[3]).astype(np.float16)
        out[f"{name}_first_bias"] = file.constant(wide.inputs[2])
        out[f"{name}_last"] = file.constant(last.inputs[1])[:, 0, 0].T.astype(np.float16)
        out[f"{name}_last_bias"] = file.constant(last.inputs[2])
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--portraits", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    network = eightbit.Graph(options.network)
    network.unfold()
    np.savez(options.out / "movenet_layers.npz", **layers(network))
    operators = network.graph.operators
    entry = operators[INPUT].outputs[0]
    network.graph.tensors[entry].shapeSignature = np.array([1, -1, -1, 3], np.int32)
    network.cut(entry, [operators[n].outputs[0] for n in (FEATURES, PYRAMID, CENTRES, MARKS)])
    shown = samples(options.portraits)
    with tempfile.TemporaryDirectory() as folder:
        exact, equal = Path(folder) / "exact.tflite", Path(folder) / "equal.tflite"
        network.write(exact)
        eightbit.equalise(exact, equal, shown, within=BACKBONE)
        eightbit.quantise(equal, options.out / "movenet_multipose.tflite", shown, within=BACKBONE)


if __name__ == "__main__":
    main()
