"""Random specs for the PyTorch backend, and an oracle that reads their graphs node by node."""

from __future__ import annotations

from random import Random

import torch
from layer_evaluators import build_module, run_torch

from dlspec.ir.forms import TorchForm
from dlspec.ir.graph import CallNode, Graph, LayerNode, ParameterNode, Program

BLOCKS = """
# A residual block.
block Residual(width, stride=1) {
  skip = it -> if stride > 1 or it.channels != width { Conv(width, 1, stride=stride) -> BatchNorm }
  Conv(width, 3, stride=stride, padding=1, bias=false) -> BatchNorm -> ReLU
  Conv(width, 3, padding=1, bias=false) -> BatchNorm
  it + skip -> ReLU
}
block ConvBN(width, kernel=1, padding=0) {
  Conv(width, kernel, padding=padding, bias=false) -> BatchNorm -> ReLU
}
block Inception(a, b, c) {
  ( ConvBN(a, 1), ConvBN(a, 1) -> ConvBN(b, 3, padding=1),
    MaxPool(3, stride=1, padding=1) -> ConvBN(c, 1) ) -> Concat
}
block Pair(width) {
  output left = it -> Conv(width, 1)
  output right = it -> Conv(width, 3, padding=1) -> Tanh
}
block Fit(width, stride=1) { Conv(width, 1, stride=stride, bias=false) -> BatchNorm }
block Switched(width, scale=1.0, relu=true, padding=same) {
  skip = it -> if it.channels != width { Fit(width) }
  Conv(width, 3, padding=padding) -> ReLU
  it * scale + skip
  if relu { ReLU }
}
block Group(width, convolutions) {
  repeat convolutions { Conv(width, 3, padding=1, activation=relu) -> BatchNorm }
}
block Head(classes) { GlobalAvgPool -> Dense(classes, activation=softmax) }
"""


def random_spec(random: Random) -> str:
    """A spec with one model `Net` over the blocks."""
    lines = ["  input image: float[3, 8, 8]"]
    for number in range(random.randint(2, 9)):
        lines += [f"  {line}" for line in _statement(random, number)]
    return BLOCKS + "model Net {\n" + "\n".join([*lines, *_end(random)]) + "\n}\n"


def _statement(random: Random, number: int) -> list[str]:
    width = random.choice((2, 4, 6))
    return random.choice(
        [
            [f"Conv({width}, 3, padding=1) -> ReLU"],
            [f"Conv({width}, 3, padding=same, activation=leaky_relu) -> BatchNorm"],
            ["BatchNorm -> ReLU -> MaxPool(3, stride=1, padding=1)"],
            ["Identity -> Sigmoid -> AvgPool(3, stride=1, padding=1)"],
            [
                f"skip{number} = it -> Conv({width}, 1)",
                f"Conv({width}, 3, padding=1) -> BatchNorm",
                f"it + skip{number} -> ReLU",
            ],
            ["it + (BatchNorm -> ReLU)"],
            [f"it * 0.5 + (Conv(1, 1) -> Sigmoid) * it as mixed{number} -> Tanh"],
            [f"Residual({width})"],
            [f"repeat 2 {{ Residual({width}) }}"],
            [f"Inception({width}, {width + 1}, {random.choice((1, 3))})"],
            [
                f"( Conv({width}, 1), Conv({width}, 1) -> ReLU -> Conv(2, 3, padding=1), ReLU,"
                " MaxPool(3, stride=1, padding=1) -> BatchNorm ) -> Concat"
            ],
            [f"left{number}, right{number} = it -> Pair({width})", f"left{number} + right{number}"],
            [f"layer shared{number} = Conv({width}, 1)", f"it -> shared{number} -> ReLU"],
            [f"parameter scale{number}: float[1, 8, 8] = normal(0.5)", f"it * scale{number}"],
            ["Dropout(0.2)"],
            [f"Switched({width}, {random.choice((1, 0.5))}, {random.choice(('true', 'false'))})"],
            [f"Switched({width}, relu=false, padding={random.choice((1, 'same'))})"],
            [f"Group({width}, {random.choice((1, 2, 3))})"],
            [f"repeat {random.choice((3, 4, 5))} {{ Switched({width}) }}"],
            [f"repeat 5 {{ Conv({width}, 3, padding=1) -> BatchNorm -> ReLU }}"],
        ]
    )


def _end(random: Random) -> list[str]:
    return random.choice(
        [
            ["  Head(3)"],
            ["  GlobalAvgPool -> Dense(3)"],
            ["  Flatten -> Dense(1) -> Sigmoid"],
            ["  output first = it -> Head(3)", "  output second = it -> GlobalAvgPool"],
            [
                "  output probability = it -> GlobalAvgPool -> Dense(4, activation=softmax)",
                "  output twice = probability * 2",
            ],
            ["  auxiliary early = it -> GlobalAvgPool -> Dense(5) -> Softmax", "  Head(5)"],
            [
                "  auxiliary early = it -> GlobalAvgPool -> Dense(5)",
                "  Flatten -> Dense(2) as logits",
                "  Softmax",
            ],
        ]
    )


def evaluate(
    program: Program,
    graph: Graph,
    state: dict[str, torch.Tensor],
    inputs: list[torch.Tensor],
    prefix: str = "",
) -> dict[str, torch.Tensor]:
    """Every value of a graph, one node after the other, with the weights by their full names."""
    values = {port.value: x for port, x in zip(graph.inputs, inputs, strict=True)}
    for node in graph.nodes:
        given = [values[name] for name in node.inputs]
        own = f"{prefix}{node.shares or node.path}"
        if isinstance(node, ParameterNode):
            results = [state[own].unsqueeze(0)]
        elif isinstance(node, CallNode):
            inner = program.graphs[node.graph]
            found = evaluate(program, inner, state, given, f"{own}.")
            results = [found[port.value] for port in inner.outputs]
        else:
            results = _run(graph, node, state, given, own)
        values.update(zip(node.outputs, results, strict=True))
    return values


def _run(
    graph: Graph,
    node: LayerNode,
    state: dict[str, torch.Tensor],
    given: list[torch.Tensor],
    path: str,
) -> list[torch.Tensor]:
    form = node.layer.torch(graph.input_types(node), graph.output_types(node))
    assert isinstance(form, TorchForm)
    module = build_module(form)
    if module is not None:
        module.load_state_dict(
            {
                name.removeprefix(f"{path}."): tensor
                for name, tensor in state.items()
                if name.startswith(f"{path}.")
            }
        )
        module.eval()
    return list(run_torch(form, module, given))
