"""Warnings about finished graphs: what is allowed and yet hardly meant."""

from __future__ import annotations

from dlspec.diagnostics import Label
from dlspec.ir.graph import Graph, LayerNode, Program
from dlspec.passes.context import Context


def warn_of_graphs(program: Program, context: Context) -> None:
    """Report the warnings of every graph of a program."""
    for graph in program.graphs.values():
        _warn(graph, context)


def _warn(graph: Graph, context: Context) -> None:
    makers = {name: node for node in graph.nodes for name in node.outputs}
    uses: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.inputs:
            uses[name] = uses.get(name, 0) + 1
    for node in graph.nodes:
        if not isinstance(node, LayerNode) or len(node.inputs) != 1:
            continue
        maker = makers.get(node.inputs[0])
        before = maker if isinstance(maker, LayerNode) else None
        alone = uses[node.inputs[0]] == 1
        _pair(graph, before, node, alone, context)


def _pair(
    graph: Graph, before: LayerNode | None, node: LayerNode, alone: bool, context: Context
) -> None:
    """Warnings about a layer and the one in front of it."""
    span = context.spans[(graph.key, node.path)]
    fed = graph.types[node.inputs[0]]
    if node.layer.on_last_axis and fed.rank == 3 and (before is None or before.layer.ranks):
        context.report.warning(
            "W0401",
            span,
            f"`{node.layer.kind}` works on the last axis of {fed.shape_text()}, "
            "the width of an image",
            help="put `Flatten` in front of it",
        )
    if before is None:
        return
    place = context.spans[(graph.key, before.path)]
    if node.layer.cancels_bias and before.layer.has_bias and alone:
        context.report.warning(
            "W0301",
            place,
            f"`{node.layer.kind}` behind this `{before.layer.kind}` cancels its bias",
            labels=[Label(span, "it subtracts the mean here")],
            help="write `bias=false`",
        )
    if node.layer.idempotent and node.layer == before.layer:
        context.report.warning(
            "W0403",
            span,
            f"`{node.layer.kind}` twice in a row is `{node.layer.kind}` once",
            labels=[Label(place, "the first")],
        )
    if before.layer.normalizes_scores and node.layer.weights(graph.input_types(node)):
        context.report.warning(
            "W0402",
            place,
            f"`{before.layer.kind}` in the middle of a network: `{node.layer.kind}` follows it",
            help="leave it out, or use it as the last layer",
        )
