"""The activation that a model ends in, which some losses compute themselves, stably."""

from __future__ import annotations

from functools import cache
from typing import get_args

from dlspec.ir.graph import CallNode, Graph, LayerNode, Program
from dlspec.ir.layer import Layer
from dlspec.ir.losses import AnyLoss, Loss
from dlspec.ir.training import TrainPlan


@cache
def absorbed_kinds() -> frozenset[str]:
    """The kinds of layers that some loss takes over, `Softmax` and `Sigmoid`."""
    losses: tuple[type[Loss], ...] = get_args(get_args(AnyLoss)[0])
    return frozenset(loss.from_logits for loss in losses if loss.from_logits is not None)


def _is_absorbed(graph: Graph, node: LayerNode) -> bool:
    """Whether a loss takes the layer over. Losses make shares along the last axis."""
    last = graph.types[node.outputs[0]].rank - 1
    return node.layer.kind in absorbed_kinds() and getattr(node.layer, "axis", -1) in (-1, last)


def final_layer(program: Program, graph: Graph, value: str) -> tuple[Graph, LayerNode] | None:
    """The final activation that makes a value, with the graph it stands in, else None.

    It may stand at the end of a block that makes the value.
    """
    for node in graph.nodes:
        if value not in node.outputs:
            continue
        if isinstance(node, LayerNode):
            return (graph, node) if _is_absorbed(graph, node) else None
        if isinstance(node, CallNode):
            inner = program.graphs[node.graph]
            port = inner.outputs[node.outputs.index(value)]
            return final_layer(program, inner, port.value)
    return None


def final_activation(program: Program, graph: Graph, output: str) -> Layer | None:
    """The activation that the model's output of that name ends in, where a loss knows it."""
    value = next((port.value for port in graph.outputs if port.name == output), None)
    found = final_layer(program, graph, value) if value is not None else None
    return found[1].layer if found is not None else None


def scores_before(program: Program, plan: TrainPlan) -> str | None:
    """The final activation before which the scores are taken that a plan's metrics compare.

    The one that the loss takes over; under `minimize` any that some loss does. None where the
    model does not end in it.
    """
    final = final_activation(program, program.graphs[plan.model], plan.output)
    if final is None or plan.loss is None:
        return final.kind if final is not None else None
    return final.kind if final.kind == plan.loss.from_logits else None
