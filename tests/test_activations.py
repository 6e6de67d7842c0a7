"""Activations: the option words, and the promise that some of them commute with max pooling."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from layer_evaluators import build_module, run_torch

from dlspec import pipeline
from dlspec.ir.forms import TorchForm
from dlspec.ir.types import tensor
from dlspec.layers import activation_options, all_layers, find

WORDS = [
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "identity",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "step",
    "tanh",
]
COMMUTING = [layer.kind for layer in all_layers() if layer.non_decreasing]


def test_every_activation_has_its_word() -> None:
    assert sorted(activation_options()) == WORDS
    assert activation_options()["linear"] == "Identity"
    assert all(find(kind) is not None for kind in activation_options().values())


@pytest.mark.parametrize("word", [word for word in WORDS if word != "step"])  # it is reserved
def test_the_word_is_the_stage_behind(word: str) -> None:
    by_word = _types(f"Dense(4, activation={word})")
    by_stage = _types(f"Dense(4) -> {activation_options()[word]}")
    assert by_word == by_stage
    assert len(by_word) == 3


def _types(line: str) -> dict[str, object]:
    program = pipeline.compile_text(f"model M {{\n  input x: float[3]\n  {line}\n}}\n").checked()
    return dict(program.model("M").types)


@pytest.mark.parametrize("kind", COMMUTING)
def test_max_pooling_in_front_gives_the_very_values_that_it_gives_behind(kind: str) -> None:
    """To the last bit: odd sizes, ties, signed zeros, infinities and NaN among the values."""
    torch.manual_seed(0)
    for scale in (1e-3, 1.0, 10.0, 1e30):
        x = torch.randn(3, 5, 27, 29) * scale
        x[0, 0, :9, :9] = torch.tensor([-0.0, 0.0, 7.0]).repeat(9, 3)
        x[0, 1, 3, 3:6] = torch.tensor([float("nan"), float("inf"), -float("inf")])
        behind = F.max_pool2d(_apply(kind, x), 2)
        ahead = _apply(kind, F.max_pool2d(x, 2))
        torch.testing.assert_close(ahead, behind, rtol=0, atol=0, equal_nan=True)


def test_activations_that_commute_only_nearly_are_not_promised() -> None:
    assert COMMUTING == ["Identity", "ReLU", "ReLU6", "LeakyReLU"]


def _apply(kind: str, x: torch.Tensor) -> torch.Tensor:
    layer_type = find(kind)
    assert layer_type is not None
    inputs = (tensor(*x.shape[1:]),)
    form = layer_type().torch(inputs, inputs)
    assert isinstance(form, TorchForm)
    return run_torch(form, build_module(form), [x])[0]


def test_layers_may_be_imported_before_the_compiler() -> None:
    """A module of layers and a function of its package had one name: whichever came first won."""
    program = "from dlspec.layers import all_layers; all_layers(); import dlspec; dlspec.loads(%r)"
    spec = "model Net {\n  input x: float[8]\n  Dense(3, activation=relu)\n}\n"
    done = subprocess.run([sys.executable, "-c", program % spec], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
