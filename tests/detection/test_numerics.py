"""Which kernels run the networks, asked of LiteRT itself; and figures that numpy has too, without its extras."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from screentest.detection.detector import Detector
from screentest.detection.vision.blur import _SHARES, _quantiles
from screentest.detection.vision.runtime import WEIGHTS, Kernels, Network

FILE = "face_occlusion.tflite"


def test_the_fast_kernels_run_here() -> None:
    assert Detector().kernels is Kernels.XNNPACK
    assert Network(FILE).kernels is Kernels.XNNPACK


def test_a_network_without_them_says_so_and_computes_the_same() -> None:
    fast, plain = Network(FILE), Network(FILE)
    plain._interpreter = Interpreter(
        model_path=str(WEIGHTS / FILE),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    plain._interpreter.allocate_tensors()
    assert plain.kernels is Kernels.PLAIN
    shape = plain._interpreter.get_input_details()[0]["shape"]
    picture = np.random.default_rng(5).random(shape, np.float32)
    for ours, theirs in zip(fast(picture), plain(picture), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_quantiles_are_numpys_to_the_bit() -> None:
    random = np.random.default_rng(7)
    for size in ((1, 1), (1, 7), (64, 76), (33, 91)):
        for values in (random.random(size, np.float32), np.round(random.random(size, np.float32) * 3)):
            assert _quantiles(values.T).tobytes() == np.quantile(values.T, _SHARES).tobytes()
