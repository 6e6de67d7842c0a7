"""What a loss gets where it makes chances of scores itself: scores, or chances already."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dlspec.diagnostics import Label
from dlspec.ir.graph import CallNode, Graph, LayerNode, Program
from dlspec.ir.losses import Loss
from dlspec.ir.objective import LossNode, Objective
from dlspec.ir.upstream import Makers
from dlspec.layers.final import final_layer
from dlspec.passes.context import Context
from dlspec.source import Span

_FARTHEST = 50


def warn_of_losses(program: Program, makers: Makers, context: Context) -> None:
    """Report W0501 where values have gone through a softmax or sigmoid before a loss that has one
    of its own. The one that a loss takes over at the end of a model does not count."""
    for objective in program.objectives.values():
        for node in objective.nodes:
            if isinstance(node, LossNode) and node.loss.from_logits is not None:
                place = context.spans[(objective.key, node.path)]
                layers = islice(_layers(objective, node.inputs[0], program, makers), _FARTHEST)
                _warn(node.loss, layers, place, context)


def _warn(
    loss: Loss, layers: Iterator[tuple[str, LayerNode]], place: Span, context: Context
) -> None:
    for owner, node in layers:
        if node.layer.gives_chances:
            context.report.warning(
                "W0501",
                context.spans.get((owner, node.path), place),
                f"`{loss.kind_name()}` has a `{loss.from_logits}` of its own, and what it gets "
                f"has gone through {_how(node, loss)} already",
                labels=[Label(place, "this loss wants the values in front of it")],
                help=_help(node, loss),
            )
        if not node.layer.keeps_values:
            return


def _layers(
    objective: Objective, value: str, program: Program, makers: Makers
) -> Iterator[tuple[str, LayerNode]]:
    """The layers that end in a value of an objective, the last one first, each with the key of
    what it stands in. What a call leaves out for the loss is left out."""
    maker = makers.of(objective).get(value)
    while isinstance(maker, LayerNode) and len(maker.inputs) == 1:
        yield objective.key, maker
        value = maker.inputs[0]
        maker = makers.of(objective).get(value)
    if not isinstance(maker, CallNode):
        return
    graph = program.graphs[maker.graph]
    port = (*graph.outputs, *graph.auxiliaries)[maker.outputs.index(value)]
    layers = makers.upstream(graph, port.value)
    if maker.logits:
        final = final_layer(program, graph, port.value)
        layers = _without_final(layers, final[1].layer.kind if final is not None else None)
    for owner, node in layers:
        yield owner.key, node


def _without_final(
    layers: Iterator[tuple[Graph, LayerNode]], kind: str | None
) -> Iterator[tuple[Graph, LayerNode]]:
    """The layers in front of the final activation; of like ones in a row W0403 tells."""
    if kind is None:
        yield from layers
        return
    waiting = True
    for owner, node in layers:
        waiting = waiting and node.layer.kind == kind
        if not waiting:
            yield owner, node


def _how(node: LayerNode, loss: Loss) -> str:
    """The layer, with the axis where that is what keeps the loss from taking it over."""
    axis = getattr(node.layer, "axis", -1)
    along = f" along axis {axis}" if node.layer.kind == loss.from_logits and axis != -1 else ""
    return f"`{node.layer.kind}`{along}"


def _help(node: LayerNode, loss: Loss) -> str:
    if node.layer.kind == loss.from_logits:
        return f"end the model with `{loss.from_logits}` along the last axis, or leave it out"
    return f"leave it out, or end the model with `{loss.from_logits}`, which the loss takes over"
