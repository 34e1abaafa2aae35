"""Convolutions of a `.tflite` file in eight bits: what scripts that quantise a network of others share.

`ai-edge-quantizer` does the writing. Rounding each weight by itself moves what a layer says, above all on average,
where channels differ much in size. So channels are brought to like sizes first (`equalise`, exact in real numbers), and
weights are rounded one after the other, each making up for the rounding of those before on inputs as they occur
(`settle`, after GPTQ), with the bias for what is left on average.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer import quantizer, recipe_manager
from ai_edge_quantizer.qtyping import TFLOperationName

CONV, DEPTHWISE, ADD = (
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.ADD,
)
RELU6 = schema.ActivationFunctionType.RELU6
KINDS = (TFLOperationName.CONV_2D, TFLOperationName.DEPTHWISE_CONV_2D, TFLOperationName.ADD)
PLACES = 128
"""Of a layer's input, looked at in each picture."""
DAMPING = 0.01
GAIN_MAX = 16.0
RELU6_TOP = 5.6


class Graph:
    """A `.tflite` file of one graph that is changed in place."""

    def __init__(self, file: Path) -> None:
        data = file.read_bytes()
        self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(data), 0))
        for buffer in self.model.buffers:
            if buffer.offset > 1:  # of large files the constants lie behind the rest
                buffer.data = np.frombuffer(data[buffer.offset : buffer.offset + buffer.size], np.uint8)
                buffer.offset = buffer.size = 0
        (self.graph,) = self.model.subgraphs

    def code(self, operator: Any) -> int:
        code = self.model.operatorCodes[operator.opcodeIndex]
        return int(max(code.builtinCode, code.deprecatedBuiltinCode))

    def name(self, tensor: int) -> str:
        name: str = self.graph.tensors[tensor].name.decode()
        return name

    def constant(self, tensor: int, kind: type = np.float32) -> np.ndarray:
        described = self.graph.tensors[tensor]
        data = self.model.buffers[described.buffer].data
        return np.frombuffer(bytes(data), kind).reshape([int(side) for side in described.shape])

    def replace(self, tensor: int, value: np.ndarray) -> None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(value.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        self.graph.tensors[tensor].buffer = len(self.model.buffers) - 1

    def convolutions(self) -> Iterator[Any]:
        return (op for op in self.graph.operators if self.code(op) in (CONV, DEPTHWISE))

    def unfold(self) -> None:
        """Constants of sixteen bits as the numbers of 32 that they are made into anyway."""
        kept = []
        for operator in self.graph.operators:
            source = operator.inputs[0]
            half = self.graph.tensors[source].type == schema.TensorType.FLOAT16
            if self.code(operator) == schema.BuiltinOperator.DEQUANTIZE and half:
                self.replace(operator.outputs[0], self.constant(source, np.float16).astype(np.float32))
            else:
                kept.append(operator)
        self.graph.operators = kept

    def cut(self, source: int, wanted: Sequence[int]) -> None:
        """Keep what leads from one tensor to those that are wanted."""
        needed, kept = set(wanted), []
        for operator in reversed(self.graph.operators):
            if needed & set(operator.outputs) and source not in operator.outputs:
                kept.append(operator)
                needed |= {i for i in operator.inputs if i >= 0}
        self.graph.operators = kept[::-1]
        used = sorted({source} | {i for op in kept for i in (*op.inputs, *op.outputs) if i >= 0})
        new = {old: number for number, old in enumerate(used)} | {-1: -1}
        self.graph.tensors = [self.graph.tensors[i] for i in used]
        for operator in kept:
            operator.inputs = np.array([new[i] for i in operator.inputs], np.int32)
            operator.outputs = np.array([new[i] for i in operator.outputs], np.int32)
        self.graph.inputs = np.array([new[source]], np.int32)
        self.graph.outputs = np.array([new[i] for i in wanted], np.int32)
        self.model.signatureDefs = self.model.metadata = []

    def write(self, file: Path) -> None:
        """Without constants that nothing uses."""
        kept = [self.model.buffers[0]]
        for tensor in self.graph.tensors:
            buffer = self.model.buffers[tensor.buffer]
            filled = buffer.data is not None and len(buffer.data) > 0
            tensor.buffer = len(kept) if filled else 0
            kept += [buffer] * filled
        self.model.buffers = kept
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        file.write_bytes(bytes(builder.Output()))


def run(file: Path, pictures: Iterable[np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """Every tensor of real numbers by name, one picture after the other."""
    warnings.filterwarnings("ignore", message=".*preserve_all_tensors.*")
    interpreter = Interpreter(
        model_path=str(file),
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    entry, shape = interpreter.get_input_details()[0]["index"], None
    for picture in pictures:
        if picture.shape != shape:
            interpreter.resize_tensor_input(entry, picture.shape)
            interpreter.allocate_tensors()
            shape = picture.shape
        interpreter.set_tensor(entry, picture)
        interpreter.invoke()
        values = {}
        for tensor in interpreter.get_tensor_details():
            if tensor["dtype"] == np.float32:
                try:
                    values[tensor["name"]] = interpreter.get_tensor(tensor["index"])
                except ValueError:  # a constant that was folded away
                    continue
        yield values


def equalise(source: Path, target: Path, pictures: list[np.ndarray], *, within: str) -> None:
    """Enlarge small channels by the root of what they lack, and the weights that read them the less.

    A channel after ReLU6 grows up to that limit at most. Tensors that are added have the same channels.
    """
    file = Graph(source)
    graph = file.graph
    largest: dict[str, np.ndarray] = {}
    for values in run(source, pictures):
        for name, value in values.items():
            if value.ndim == 4 and re.search(within, name):
                high = np.abs(value).max((0, 1, 2))
                largest[name] = np.maximum(largest.get(name, high), high)
    made = {int(op.outputs[0]): op for op in graph.operators if file.code(op) in (CONV, DEPTHWISE, ADD)}
    made = {tensor: op for tensor, op in made.items() if re.search(within, file.name(tensor))}
    group = {tensor: tensor for tensor in made}
    for tensor, operator in made.items():
        if file.code(operator) == ADD:
            for other in operator.inputs:
                old = group[int(other)]
                group = {t: group[tensor] if g == old else g for t, g in group.items()}
    weights: dict[int, np.ndarray] = {}

    def scale(tensor: int, by: np.ndarray) -> None:
        weights[tensor] = weights.get(tensor, file.constant(tensor)) * by

    for name in set(group.values()) - {group[int(o)] for o in graph.outputs if int(o) in group}:
        tied = [tensor for tensor, g in group.items() if g == name]
        high = np.maximum(np.max([largest[file.name(t)] for t in tied], 0), 1e-3)
        ends = [made[t] for t in tied if file.code(made[t]) != ADD]
        limited = any(op.builtinOptions.fusedActivationFunction == RELU6 for op in ends)
        gain = np.clip(np.sqrt((RELU6_TOP if limited else high.max()) / high), 1, GAIN_MAX).astype(np.float32)
        for operator in ends:
            rows = gain[:, None, None, None] if file.code(operator) == CONV else gain
            scale(int(operator.inputs[1]), rows)
            scale(int(operator.inputs[2]), gain)
        for operator in file.convolutions():
            if int(operator.inputs[0]) in tied:
                scale(int(operator.inputs[1]), 1 / gain)
    for tensor, value in weights.items():
        file.replace(tensor, value)
    file.write(target)


def look(
    source: Path, pictures: list[np.ndarray], *, within: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Ranges of all tensors; and what the convolutions read, at places drawn from each picture: by the name of what
    they write, `(n, inputs)`, of depthwise ones `(n, 9, channels)`."""
    file, draw = Graph(source), np.random.default_rng(5)
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    read: dict[str, list[np.ndarray]] = {}
    for values in run(source, pictures):
        for name, value in values.items():
            low[name] = min(low.get(name, np.inf), float(value.min(initial=0)))
            high[name] = max(high.get(name, -np.inf), float(value.max(initial=0)))
        for operator in file.convolutions():
            name = file.name(operator.outputs[0])
            if not re.search(within, name):
                continue
            image = values[file.name(operator.inputs[0])][0]
            side, step = int(file.graph.tensors[operator.inputs[1]].shape[1]), operator.builtinOptions.strideH
            inside = operator.builtinOptions.padding == schema.Padding.VALID
            rows, columns = (
                (extent - side) // step + 1 if inside else -(-extent // step) for extent in image.shape[:2]
            )
            at = draw.choice(rows * columns, min(PLACES, rows * columns), replace=False)
            ys, xs = at // columns * step, at % columns * step
            lack = [
                max((n - 1) * step + side - extent, 0)
                for n, extent in zip((rows, columns), image.shape, strict=False)
            ]
            image = np.pad(image, (*((p // 2, p - p // 2) for p in lack), (0, 0)))
            near = np.arange(side)
            parts = image[ys[:, None, None] + near[:, None], xs[:, None, None] + near]
            flat = file.code(operator) == CONV
            read.setdefault(name, []).append(
                parts.reshape(len(at), -1) if flat else parts.reshape(len(at), side * side, -1)
            )
    ranges = {
        name: {
            "min": np.full((1, 1, 1, 1), low[name], np.float32),
            "max": np.full((1, 1, 1, 1), high[name], np.float32),
        }
        for name in low
    }
    written = {file.name(i) for op in file.graph.operators for i in op.outputs} | {
        file.name(i) for i in file.graph.inputs
    }
    return {n: r for n, r in ranges.items() if n in written}, {n: np.concatenate(v) for n, v in read.items()}


def rounded(weights: np.ndarray, inputs: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Weights `(outputs, n)` in whole `steps` `(outputs,)`, for inputs `(samples, n)`."""
    moments = np.cov(inputs.T.astype(np.float64)).reshape(weights.shape[1], -1)
    moments += np.eye(len(moments)) * DAMPING * max(float(np.diag(moments).mean()), 1e-9)
    order = np.argsort(-np.diag(moments), kind="stable")
    upper = np.linalg.cholesky(np.linalg.inv(moments[np.ix_(order, order)])).T
    left, out = weights[:, order].astype(np.float64), np.zeros(weights.shape)
    for i, column in enumerate(order):
        out[:, column] = np.clip(np.round(left[:, i] / steps), -127, 127)
        wrong = (left[:, i] - out[:, column] * steps) / upper[i, i]
        left[:, i:] -= wrong[:, None] * upper[i, i:]
    return out


def settle(exact: Path, target: Path, read: dict[str, np.ndarray]) -> None:
    """Round the weights of a quantised file again, by what its layers read, and correct its biases."""
    real, file = Graph(exact), Graph(target)
    layers = {real.name(op.outputs[0]): op for op in real.convolutions()}
    for operator in file.convolutions():
        name = file.name(operator.outputs[0])
        tensor = file.graph.tensors[operator.inputs[1]]
        if tensor.type != schema.TensorType.INT8:
            continue
        original = layers[name]
        weights, bias = (real.constant(int(i)) for i in original.inputs[1:3])
        steps, inputs = np.array(tensor.quantization.scale, np.float64), read[name]
        if file.code(operator) == CONV:
            flat = weights.reshape(len(weights), -1)
            whole = rounded(flat, inputs, steps)
            bias = bias + (flat - whole * steps[:, None]) @ inputs.mean(0)
        else:
            flat = weights.reshape(-1, weights.shape[3]).T
            whole = np.concatenate(
                [rounded(flat[k : k + 1], inputs[:, :, k], steps[k : k + 1]) for k in range(len(flat))]
            )
            bias = bias + ((flat - whole * steps[:, None]) * inputs.mean(0).T).sum(1)
            whole = whole.T
        file.replace(operator.inputs[1], whole.reshape(weights.shape).astype(np.int8))
        of_bias = np.array(file.graph.tensors[operator.inputs[2]].quantization.scale, np.float64)
        file.replace(operator.inputs[2], np.round(bias / of_bias).astype(np.int32))
    file.write(target)


def quantise(
    source: Path,
    target: Path,
    pictures: list[np.ndarray],
    *,
    within: str,
    kinds: Sequence[TFLOperationName] = KINDS,
) -> None:
    """Operators of these kinds whose names match `within` in eight bits, the rest as it is."""
    ranges, read = look(source, pictures, within=within)
    recipe = recipe_manager.RecipeManager()
    for kind in kinds:
        recipe.add_static_config(regex=within, operation_name=kind, activation_num_bits=8, weight_num_bits=8)
    made = quantizer.Quantizer(str(source), recipe.get_quantization_recipe()).quantize(ranges)
    target.write_bytes(made.quantized_model)
    settle(source, target, read)
