"""Normalisation against its formulas in NumPy: where an epsilon or an alpha is easily wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from layer_evaluators import build_module, onnx_model, run_onnx, run_torch

from dlspec.ir.forms import OnnxForm, TorchForm
from dlspec.ir.layer import Layer
from dlspec.ir.types import tensor
from dlspec.layers import find


def both(
    kind: str, x: np.ndarray, weights: dict[str, np.ndarray], **arguments: object
) -> list[np.ndarray]:
    """A layer's values in PyTorch and in ONNX Runtime, with the given weights."""
    layer_type = find(kind)
    assert layer_type is not None
    layer: Layer = layer_type(**arguments)
    inputs = (tensor(*x.shape[1:]),)
    outputs = layer.infer(inputs)
    forms = layer.torch(inputs, outputs), layer.onnx(inputs, outputs)
    assert isinstance(forms[0], TorchForm) and isinstance(forms[1], OnnxForm)
    module = build_module(forms[0])
    assert module is not None
    # A plain dictionary without `num_batches_tracked` is loaded strictly all the same.
    module.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    (in_torch,) = run_torch(forms[0], module, [torch.tensor(x)])
    (in_onnx,) = run_onnx(onnx_model(layer, forms[1], inputs, outputs, weights), [x])
    return [in_torch.numpy(), in_onnx]


@pytest.mark.parametrize(
    ("alpha", "beta", "k", "size"),
    [
        (1e-4, 0.75, 1.0, 5),
        (1e-4, 0.75, 2.0, 5),
        (1e-3, 0.5, 1.0, 3),
    ],
)
def test_lrn_divides_alpha_by_its_size(alpha: float, beta: float, k: float, size: int) -> None:
    x = (np.random.default_rng(1).standard_normal((2, 8, 5, 6)) * 1000).astype(np.float32)
    squares = np.pad(x.astype(np.float64) ** 2, ((0, 0), (size // 2,) * 2, (0, 0), (0, 0)))
    sums = sum(squares[:, i : i + 8] for i in range(size))
    expected = x / (k + alpha / size * sums) ** beta
    assert np.abs(expected / x).mean() < 0.8, "the input is too small to tell"
    for result in both("LRN", x, {}, size=size, alpha=alpha, beta=beta, k=k):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("eps", [1e-5, 1e-3])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("shift", [True, False])
def test_batch_norm_uses_its_epsilon_scale_and_shift(eps: float, scale: bool, shift: bool) -> None:
    random = np.random.default_rng(2)
    x = random.standard_normal((2, 3, 4, 4)).astype(np.float32)
    mean, variance = random.standard_normal(3), np.array([1e-4, 1e-3, 1.0])
    weight, bias = random.standard_normal(3), random.standard_normal(3)
    tensors = {"running_mean": mean, "running_var": variance}
    tensors |= {"weight": weight} if scale else {}
    tensors |= {"bias": bias} if shift else {}
    over_channels = (slice(None), None, None)
    expected = (x - mean[over_channels]) / np.sqrt(variance[over_channels] + eps)
    expected = expected * weight[over_channels] if scale else expected
    expected = expected + bias[over_channels] if shift else expected
    arrays = {name: array.astype(np.float32) for name, array in tensors.items()}
    for result in both("BatchNorm", x, arrays, eps=eps, scale=scale, shift=shift):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_the_default_epsilons_are_those_of_the_language() -> None:
    x = np.full((1, 1, 2, 2), 1e-3, dtype=np.float32)
    zeros, ones = np.zeros(1, dtype=np.float32), np.ones(1, dtype=np.float32)
    weights = {"weight": ones, "bias": zeros, "running_mean": zeros, "running_var": zeros}
    for result in both("BatchNorm", x, weights):
        np.testing.assert_allclose(result, x / np.sqrt(1e-5), rtol=1e-5)
    row = np.array([[1e-3, -1e-3]], dtype=np.float32)
    for result in both(
        "LayerNorm", row, {"weight": np.ones(2, np.float32), "bias": np.zeros(2, np.float32)}
    ):
        np.testing.assert_allclose(result, row / np.sqrt(1e-6 + 1e-5), rtol=1e-5)
    for result in both("RMSNorm", row, {"weight": np.ones(2, np.float32)}):
        np.testing.assert_allclose(result, row / np.sqrt(1e-6 + 1e-6), rtol=1e-5)


@pytest.mark.parametrize("kind", ["BatchNorm", "LayerNorm", "InstanceNorm"])
@pytest.mark.parametrize("kept", ["scale", "shift"])
def test_a_scale_or_a_shift_alone_is_trained(kind: str, kept: str) -> None:
    layer_type = find(kind)
    assert layer_type is not None
    layer = layer_type(scale=kept == "scale", shift=kept == "shift")
    inputs = (tensor(3, 4, 4),)
    form = layer.torch(inputs, inputs)
    assert isinstance(form, TorchForm)
    module = build_module(form)
    assert module is not None
    module.train()
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    (module(x) * x).sum().backward()
    (parameter,) = module.parameters()
    assert parameter.grad is not None and parameter.grad.abs().sum() > 0
