"""Running `.tflite` files: one interpreter a network, opened when first used, one thread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from screentest.detection.errors import WeightsMissing

WEIGHTS = Path(__file__).parent.parent / "weights"

Array = npt.NDArray[np.float32]


def weights_file(file: str) -> Path:
    """A file of the package's `weights` folder.

    Raises:
        WeightsMissing: it is not there.
    """
    path = WEIGHTS / file
    if not path.is_file():
        raise WeightsMissing(path)
    return path


class Kernels(StrEnum):
    """What LiteRT computes with on this processor."""

    XNNPACK = "xnnpack"
    PLAIN = "plain"
    """LiteRT does not know the processor, and takes two to six times as long."""


class Network:
    """A network with one input. Not safe for use by two threads at once.

    Args:
        file: name of the file in the package's `weights` folder.
        shaped: its first input has one shape; else `fit` gives it one before the first run, which then is all that
            memory is laid out and weights are packed for.

    Raises:
        WeightsMissing: the file is not there.
    """

    def __init__(self, file: str, *, shaped: bool = True) -> None:
        path = weights_file(file)
        from ai_edge_litert.interpreter import Interpreter

        # More threads bring nothing at these sizes; Lambda and the worker pool scale by process and thread instead.
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        if shaped:
            self._interpreter.allocate_tensors()
        self._inputs: list[int] = [i["index"] for i in self._interpreter.get_input_details()]
        self._shape: tuple[int, ...] | None = None
        self._outputs: list[int] = [o["index"] for o in self._interpreter.get_output_details()]

    @property
    def kernels(self) -> Kernels:
        """What runs this network."""
        # No public call says it. What XNNPACK takes over is one operator more, the last, under this name.
        core = self._interpreter._interpreter
        taken = any(core.NodeName(node) == "DELEGATE" for node in reversed(range(core.NumNodes())))
        return Kernels.XNNPACK if taken else Kernels.PLAIN

    def __call__(self, tensor: npt.NDArray[Any], *wanted: int) -> list[Array]:
        """Run once; the outputs numbered in `wanted`, in the file's order, or all of them, as copies."""
        return self.run((tensor,), *wanted)

    def fit(self, shape: tuple[int, ...]) -> None:
        """Give the first input another shape: of networks that take any. Costs a millisecond where it is another."""
        if shape != self._shape:
            self._interpreter.resize_tensor_input(self._inputs[0], shape)
            self._interpreter.allocate_tensors()
            self._shape = shape

    def run(self, tensors: Sequence[npt.NDArray[Any]], *wanted: int) -> list[Array]:
        """As calling it, for a network of several inputs, given in the file's order."""
        for index, tensor in zip(self._inputs, tensors, strict=True):
            self._interpreter.set_tensor(index, tensor)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self._outputs[i]) for i in wanted or range(len(self._outputs))]


def sigmoid(values: Array) -> Array:
    """Logistic function, safe for large logits."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), np.float32)


def probability(odds: float) -> float:
    """Of log-odds."""
    return 1 / (1 + math.exp(-min(max(odds, -80.0), 80.0)))


def log_odds(probability: float) -> float:
    """Of a probability; certainty counts as one in a million."""
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))
