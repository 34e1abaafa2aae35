"""Which kernels run the networks, asked of LiteRT itself; and figures that numpy has too, without its extras."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from screentest.detection.detector import Detector
from screentest.detection.vision.blur import _PLACES, edges
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


def test_edges_are_quantiles_of_differences_between_means() -> None:
    """As first written down: of each place by itself, octave by octave, by numpy's own means and quantiles."""
    face = (np.random.default_rng(7).random((128, 128)).cumsum(1) * 9 % 256).astype(np.float32)
    expected = []
    for top, bottom, left, right in _PLACES:
        for part in (face[top:bottom, left:right], face[top:bottom, left:right].T):
            sizes = []
            for octave in (1, 2, 4, 8):
                means = np.lib.stride_tricks.sliding_window_view(part, (octave, octave)).mean((2, 3))
                first = means[octave:] - means[:-octave]
                second = first[octave:] - first[:-octave]
                sizes += [np.quantile(np.abs(values), [0.5, 0.9, 0.98]) for values in (first, second)]
            logarithms = np.log(np.concatenate(sizes) + 0.25)
            expected += [logarithms - logarithms[-5], logarithms[-5:-4]]
    np.testing.assert_allclose(edges(face), np.concatenate(expected), atol=1e-4)
