"""Step 4: train the network on the samples and write it as `.tflite` with float16 weights.

    python training/occlusion/train.py --work FOLDER --steps 3000 [--out face_occlusion.tflite]

Shards that appear while it runs are picked up. One thread; about 0.15 s of processor time a step of 64.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

LABELS = 6
BATCH = 64
RATE = 2e-3
SMOOTH = 0.01
BLUR_WEIGHT = 0.05


def network() -> Any:
    """128 by 128 RGB, 0 to 255, to six logits and the blur's logarithm: plain convolutions, 20 million products."""
    layers = tf.keras.layers

    def conv(x: Any, filters: int, size: int, stride: int) -> Any:
        x = layers.Conv2D(filters, size, stride, "same", use_bias=False)(x)
        return layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.97)(x))

    def residual(x: Any, filters: int) -> Any:
        y = layers.Conv2D(filters, 3, 1, "same", use_bias=False)(conv(x, filters, 3, 1))
        return layers.ReLU(6.0)(layers.Add()([x, layers.BatchNormalization(momentum=0.97)(y)]))

    pixels = layers.Input((128, 128, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, -1)(pixels)
    x = conv(conv(conv(x, 12, 3, 2), 24, 3, 2), 32, 3, 2)
    x = conv(residual(x, 32), 64, 3, 2)
    x = conv(residual(x, 64), 96, 3, 2)
    x = conv(residual(x, 96), 160, 1, 1)
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    return tf.keras.Model(pixels, layers.Dense(LABELS + 1, name="logits")(layers.Dropout(0.2)(x)))


def loss(truth: Any, out: Any) -> Any:
    """Cross-entropy of what is known, and the blur's absolute error."""
    known = tf.cast(~tf.math.is_nan(truth), tf.float32)
    truth = tf.where(tf.math.is_nan(truth), 0.0, truth)
    soft = truth[:, :LABELS] * (1 - 2 * SMOOTH) + SMOOTH
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(soft, out[:, :LABELS]) * known[:, :LABELS]
    blur = tf.abs(truth[:, LABELS] - out[:, LABELS]) * known[:, LABELS]
    return tf.reduce_mean(tf.reduce_sum(entropy, 1) + BLUR_WEIGHT * blur)


def export(model: Any, path: Path) -> None:
    """Write the model for LiteRT."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(expose(converter.convert()))


def expose(model: bytes) -> bytes:
    """The model with one more output: what its last layer sees, which other layers are trained on (training/face)."""
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]
    last = next(op for op in graph.operators if op.outputs[0] == graph.outputs[0])
    graph.outputs = [graph.outputs[0], last.inputs[0]]
    # Outputs are found by the graph's own list; named signatures would speak of one.
    parsed.signatureDefs = []
    builder = flatbuffers.Builder(len(model))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--out", type=Path, default=Path("face_occlusion.tflite"))
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = network()
    if options.start:
        model.load_weights(options.start)
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        options.rate * 0.1, options.steps - 200, warmup_target=options.rate, warmup_steps=200, alpha=0.05
    )
    optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=1e-3)

    @tf.function
    def step(pixels: Any, truth: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(truth, model(tf.cast(pixels, tf.float32), training=True))
        slopes = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(slopes, model.trainable_variables, strict=True))
        return value

    rng = np.random.default_rng(0)
    shards: dict[Path, tuple[np.ndarray, np.ndarray]] = {}
    recent: list[float] = []
    order: list[tuple[Path, np.ndarray]] = []
    for number in range(1, options.steps + 1):
        if not order:
            for path in sorted((options.work / "samples").glob("[0-8]*.npz")):
                if path not in shards:
                    with np.load(path) as data:
                        shards[path] = data["pixels"], np.c_[data["labels"], data["blur"]].astype(np.float32)
            for path, (pixels, _) in shards.items():
                indices = rng.permutation(len(pixels))
                order += [(path, np.sort(part)) for part in np.array_split(indices, len(pixels) // BATCH)]
            rng.shuffle(order)  # type: ignore[arg-type]
        path, part = order.pop()
        pixels, truth = shards[path]
        recent.append(float(step(pixels[part[:BATCH]], truth[part[:BATCH]])))
        if number % 100 == 0:
            print(number, round(float(np.mean(recent)), 4), len(shards), "shards", flush=True)
            recent.clear()
        if number % 500 == 0 or number == options.steps:
            model.save(options.out.with_suffix(".keras"))
    export(model, options.out)


if __name__ == "__main__":
    main()
