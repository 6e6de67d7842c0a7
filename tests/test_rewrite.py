"""Rewrites give the same values, to the last bit, forward and backward."""

from __future__ import annotations

import pytest

from dlspec.passes.rewrite import rewrite
from dlspec.pipeline import compile_text

torch = pytest.importorskip("torch")

SPECS = {
    "lenet": 'use LeNet from "std:lenet"\nmodel M {\n  input x: float[1, 28, 28]\n  LeNet\n}',
    "padded": """model M {
  input x: float[3, 17, 23]
  Conv(8, 3, activation=relu) -> MaxPool(3, stride=2, padding=1)
  Conv(8, 3, activation=relu6) -> MaxPool(3, stride=2, padding=same)
  Conv(8, 3, padding=1) -> ReLU -> MaxPool(2, ceil=true)
}""",
    "global": "model M {\n  input x: float[3, 9, 9]\n  Conv(8, 3) -> ReLU -> GlobalMaxPool\n}",
    "named": """model M {
  input x: float[3, 16, 16]
  Conv(8, 3) -> ReLU -> MaxPool(2) as tap -> Conv(4, 1)
  other = tap -> Conv(4, 1)
  it + other
}""",
}


def trained(program, state):
    """Output and gradients of the emitted module with the given weights."""
    from dlspec.backends.torch import emit_module, load_module

    module = load_module(emit_module(program, "M"))()
    module.load_state_dict(state or module.state_dict())
    torch.manual_seed(1)
    shape = program.model("M").types[program.model("M").inputs[0].value].shape
    x = torch.randn(5, *shape, requires_grad=True)
    y = module(x)
    y.square().sum().backward()
    gradients = {name: p.grad for name, p in module.named_parameters()}
    return module, y, {**gradients, "input": x.grad}


@pytest.mark.parametrize("name", SPECS)
def test_max_pooling_before_its_activation(name: str) -> None:
    program = compile_text(SPECS[name]).checked()
    faster, notes = rewrite(program)
    assert len(notes) == 1
    torch.manual_seed(0)
    module, y, gradients = trained(program, None)
    _, y2, gradients2 = trained(faster, module.state_dict())
    assert torch.equal(y, y2)
    assert gradients.keys() == gradients2.keys()
    for key, gradient in gradients.items():
        assert torch.equal(gradient, gradients2[key]), key


@pytest.mark.parametrize(
    "lines",
    [
        "Conv(8, 3) -> ReLU -> AvgPool(2)",  # an average is no maximum
        "Conv(8, 3) -> GELU -> MaxPool(2)",  # falls below 0 before it rises
        # read twice
        "Conv(8, 3) -> ReLU as tap -> MaxPool(2)\n  (tap -> MaxPool(2), it) -> Concat",
    ],
)
def test_what_is_not_rewritten(lines: str) -> None:
    program = compile_text(f"model M {{\n  input x: float[3, 16, 16]\n  {lines}\n}}").checked()
    assert rewrite(program) == (program, ())
