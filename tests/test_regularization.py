"""What acts in training alone: how much it drops, what it leaves, and nothing at inference."""

from __future__ import annotations

import pytest
import torch
from layer_evaluators import build_module, run_torch

from dlspec.ir.forms import TorchForm
from dlspec.ir.layer import Layer
from dlspec.ir.types import tensor
from dlspec.layers import find

SHAPE = (40, 9, 7)
BATCH = 64


def stage(kind: str, **arguments: object) -> Layer:
    cls = find(kind)
    assert cls is not None
    return cls(**arguments)


def applied(layer: Layer, x: torch.Tensor, *, training: bool) -> torch.Tensor:
    inputs = (tensor(*x.shape[1:]),)
    form = layer.torch(inputs, layer.infer(inputs))
    assert isinstance(form, TorchForm)
    module = build_module(form)
    assert module is not None
    module.train(training)
    torch.manual_seed(0)
    return run_torch(form, module, [x])[0]


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        ("Dropout", (BATCH, *SHAPE)),  # every element on its own
        ("SpatialDropout", (BATCH, SHAPE[0])),  # channels as a whole
        ("DropPath", (BATCH,)),  # examples as a whole
    ],
)
def test_dropping_zeroes_whole_units_and_scales_the_rest(kind: str, unit: tuple[int, ...]) -> None:
    x = torch.rand(BATCH, *SHAPE) + 0.5
    dropped = applied(stage(kind, rate=0.25), x, training=True)
    factor = dropped / x
    kept = factor.reshape(*unit, -1)
    assert torch.equal(kept.amin(-1) > 0, kept.amax(-1) > 0), "a unit is dropped or kept whole"
    torch.testing.assert_close(factor[factor > 0], torch.full_like(factor[factor > 0], 1 / 0.75))
    share = (kept[..., 0] == 0).float().mean().item()
    spread = (0.25 * 0.75 / kept[..., 0].numel()) ** 0.5
    assert abs(share - 0.25) < 4 * spread


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Dropout", {"rate": 0.25}),
        ("SpatialDropout", {"rate": 0.25}),
        ("DropPath", {"rate": 0.25}),
        ("GaussianNoise", {"stddev": 0.5}),
    ],
)
def test_nothing_happens_at_inference(kind: str, arguments: dict[str, float]) -> None:
    x = torch.rand(BATCH, *SHAPE)
    assert torch.equal(applied(stage(kind, **arguments), x, training=False), x)
    nothing = dict.fromkeys(arguments, 0.0)
    assert torch.equal(applied(stage(kind, **nothing), x, training=True), x)


def test_noise_has_the_standard_deviation_that_is_asked_for() -> None:
    x = torch.rand(BATCH, *SHAPE)
    noise = applied(stage("GaussianNoise", stddev=0.5), x, training=True) - x
    assert noise.std().item() == pytest.approx(0.5, rel=0.02)
    assert abs(noise.mean().item()) < 0.01


def test_stop_gradient_passes_values_and_no_gradient() -> None:
    inputs = (tensor(3),)
    form = stage("StopGradient").torch(inputs, inputs)
    assert isinstance(form, TorchForm) and form.functional is not None
    x = torch.ones(2, 3, requires_grad=True)
    y = eval(form.functional.format("x"), {"x": x})
    assert torch.equal(y, x) and not y.requires_grad
