"""Where right shapes hide wrong numbers, each held to arithmetic written out with NumPy.

Padding, pooling, LRN and epsilons have theirs in `test_windows` and `test_normalization`.
"""

from __future__ import annotations

from math import erf, pi, sqrt

import numpy as np
import onnxruntime
import pytest
import torch

from dlspec.backends.onnx import build_file
from dlspec.backends.torch import emit_module, load_module
from dlspec.pipeline import compile_text

Arrays = dict[str, np.ndarray]


def both(stages: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, Arrays]:
    """What PyTorch and ONNX Runtime make of `x`, a batch, and the weights they have."""
    sizes = ", ".join(map(str, x.shape[1:]))
    text = f"model M {{\n  input x: float[{sizes}]\n  {stages}\n}}\n"
    program = compile_text(text).checked()
    torch.manual_seed(1)
    module = load_module(emit_module(program, "M"))().eval()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    session = onnxruntime.InferenceSession(build_file(program, "M", weights))
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy(), session.run(None, {"x": x})[0], weights


def agree(stages: str, x: np.ndarray, wanted: np.ndarray, tolerance: float = 1e-5) -> None:
    ours, onnx, _ = both(stages, x)
    np.testing.assert_allclose(ours, wanted, atol=tolerance)
    np.testing.assert_allclose(onnx, wanted, atol=tolerance)


LINE = np.linspace(-5, 5, 41, dtype=np.float32)[None]


def test_gelu_is_exact_unless_told() -> None:
    exact = np.array([[0.5 * v * (1 + erf(v / sqrt(2))) for v in LINE[0]]])
    near = 0.5 * LINE * (1 + np.tanh(sqrt(2 / pi) * (LINE + 0.044715 * LINE**3)))
    assert np.abs(exact - near).max() > 2e-4
    agree("GELU", LINE, exact, 2e-6)
    agree("GELU(approximate=tanh)", LINE, near, 2e-6)


def test_hard_activations_have_slope_one_sixth() -> None:
    hard = np.clip(LINE / 6 + 0.5, 0, 1)
    agree("HardSigmoid", LINE, hard)
    agree("HardSwish", LINE, LINE * hard)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_softmax_sums_along_its_axis(axis: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    whole = np.exp(x)
    place = axis if axis < 0 else axis + 1
    agree(f"Softmax(axis={axis})", x, whole / whole.sum(place, keepdims=True))
    agree(f"LogSoftmax(axis={axis})", x, x - np.log(whole.sum(place, keepdims=True)))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm(x: np.ndarray, w: Arrays) -> np.ndarray:
    """Gates in PyTorch's order: input, forget, cell, output."""
    h = c = np.zeros((len(x), w["weight_hh_l0"].shape[1]), np.float32)
    for step in x.transpose(1, 0, 2):
        gates = step @ w["weight_ih_l0"].T + w["bias_ih_l0"] + h @ w["weight_hh_l0"].T
        i, f, g, o = np.split(gates + w["bias_hh_l0"], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(x: np.ndarray, w: Arrays) -> np.ndarray:
    """Gates reset, update, new; the reset acts behind the product with the state."""
    h = np.zeros((len(x), w["weight_hh_l0"].shape[1]), np.float32)
    for step in x.transpose(1, 0, 2):
        r, z, n = np.split(step @ w["weight_ih_l0"].T + w["bias_ih_l0"], 3, axis=1)
        hr, hz, hn = np.split(h @ w["weight_hh_l0"].T + w["bias_hh_l0"], 3, axis=1)
        update = sigmoid(z + hz)
        h = (1 - update) * np.tanh(n + sigmoid(r + hr) * hn) + update * h
    return h


@pytest.mark.parametrize(("kind", "oracle"), [("LSTM", lstm), ("GRU", gru)])
def test_recurrent_gates_are_where_they_belong(kind: str, oracle) -> None:
    x = 3 * np.random.default_rng(0).standard_normal((4, 7, 5)).astype(np.float32)
    ours, onnx, weights = both(f"{kind}(6, return=last)", x)
    own = {name.partition(".")[2]: value for name, value in weights.items()}
    np.testing.assert_allclose(ours, oracle(x, own), atol=1e-5)
    np.testing.assert_allclose(onnx, oracle(x, own), atol=1e-5)


def test_nearest_repeats_and_linear_is_half_a_pixel_off() -> None:
    x = np.array([[[0.0, 1.0, 3.0]]], np.float32)
    agree("Upsample(2)", x, x.repeat(2, axis=2))
    agree("Upsample(3)", x, x.repeat(3, axis=2))
    agree("Upsample(2, mode=linear)", x, np.array([[[0, 0.25, 0.75, 1.5, 2.5, 3]]]))
    one = np.array([[[4.0]]], np.float32)
    agree("Upsample(3, mode=linear)", one, np.full((1, 1, 3), 4.0))


def test_flatten_runs_through_the_channels_first() -> None:
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    agree("Flatten", x, x.reshape(1, 24))
    agree("Flatten(start=1)", x, x.reshape(1, 2, 12))


def test_depthwise_filters_keep_their_channel() -> None:
    x = np.stack([np.full((3, 3), 1.0), np.full((3, 3), 10.0)])[None].astype(np.float32)
    ours, onnx, weights = both("DepthwiseConv(3, multiplier=2, bias=false)", x)
    kernel = weights["depthwise_conv1.weight"].sum((1, 2, 3))
    wanted = kernel * np.array([1, 1, 10, 10])
    np.testing.assert_allclose(ours.ravel(), wanted, rtol=1e-5)
    np.testing.assert_allclose(onnx.ravel(), wanted, rtol=1e-5)


def test_momentum_is_the_share_of_the_new_batch() -> None:
    text = "model M {\n  input x: float[1]\n  BatchNorm(momentum=0.25)\n}\n"
    module = load_module(emit_module(compile_text(text).checked(), "M"))().train()
    module(torch.tensor([[1.0], [3.0]]))
    assert module.batch_norm1.running_mean.item() == pytest.approx(0.25 * 2.0)


def test_pixel_shuffle_takes_the_channels_row_by_row() -> None:
    x = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1)
    agree("PixelShuffle(2)", x, np.array([[[[0, 1], [2, 3]]]]))
    many = np.arange(6, dtype=np.float32).reshape(1, 6, 1)
    agree("ChannelShuffle(2)", many, np.array([0, 3, 1, 4, 2, 5]).reshape(1, 6, 1))
