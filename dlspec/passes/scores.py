"""What a loss gets where it makes chances of scores itself: scores, or chances already."""

from __future__ import annotations

from itertools import islice

from dlspec.diagnostics import Label
from dlspec.ir.graph import Graph, LayerNode, Program
from dlspec.ir.training import Loss
from dlspec.ir.upstream import Makers
from dlspec.layers.final import final_layer
from dlspec.passes.context import Context
from dlspec.source import Span

_FARTHEST = 50


def warn_of_loss(loss: Loss, graph: Graph, value: str, place: Span, context: Context) -> None:
    """Report W0501 where a value of a model has gone through a softmax or sigmoid before a loss
    that has one of its own. The one that a loss takes over at the end of a model does not count.

    place: where the loss is written.
    """
    if loss.from_logits is None:
        return
    layers = list(islice(Makers(context.graphs).upstream(graph, value), _FARTHEST))
    final = final_layer(Program.model_construct(graphs=context.graphs), graph, value)
    absorbed = final is not None and final[1].layer.kind == loss.from_logits
    for owner, node in layers[1:] if absorbed else layers:
        # Of two like layers in a row W0403 tells.
        if node.layer.gives_chances and not (absorbed and node.layer.kind == loss.from_logits):
            own = f"`{loss.kind_name()}` has a `{loss.from_logits}` of its own"
            context.report.warning(
                "W0501",
                context.spans[(owner.key, node.path)],
                f"{own}, and what it gets has gone through {_how(node, loss)} already",
                labels=[Label(place, "this loss wants the values in front of it")],
                help=_help(node, loss),
            )
        if not node.layer.keeps_values:
            return


def _how(node: LayerNode, loss: Loss) -> str:
    """The layer, with the axis where that is what keeps the loss from taking it over."""
    axis = getattr(node.layer, "axis", -1)
    along = f" along axis {axis}" if node.layer.kind == loss.from_logits and axis != -1 else ""
    return f"`{node.layer.kind}`{along}"


def _help(node: LayerNode, loss: Loss) -> str:
    if node.layer.kind == loss.from_logits:
        return f"end the model with `{loss.from_logits}` along the last axis, or leave it out"
    return f"leave it out, or end the model with `{loss.from_logits}`, which the loss takes over"
