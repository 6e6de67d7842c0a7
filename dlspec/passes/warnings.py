"""Warnings about finished graphs: what is allowed and yet hardly meant."""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.diagnostics import Label
from dlspec.ir.graph import Graph, LayerNode, Node, Program
from dlspec.ir.layer import Layer
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
        if node.layer.on_last_axis and _is_image(node.inputs[0], graph, makers):
            _not_flattened(graph, node, context)
        if before is not None:
            _pair(graph, before, node, alone, context)


def _is_image(value: str, graph: Graph, makers: Mapping[str, Node]) -> bool:
    """Whether a value of three axes comes from a model's input or from a layer over space,
    straight or past layers that keep its shape."""
    if graph.types[value].rank != 3:
        return False
    while (maker := makers.get(value)) is not None:
        if not isinstance(maker, LayerNode) or len(maker.inputs) != 1:
            return False
        if maker.layer.ranks:
            return True
        if graph.types[maker.inputs[0]] != graph.types[value]:
            return False
        value = maker.inputs[0]
    return graph.is_model


def _not_flattened(graph: Graph, node: LayerNode, context: Context) -> None:
    fed = graph.types[node.inputs[0]]
    context.report.warning(
        "W0401",
        context.spans[(graph.key, node.path)],
        f"`{node.layer.kind}` works on the last axis of {fed.shape_text()}, the width of an image",
        help="put `Flatten` in front of it",
    )


def _pair(graph: Graph, before: LayerNode, node: LayerNode, alone: bool, context: Context) -> None:
    """Warnings about a layer and the one in front of it."""
    span = context.spans[(graph.key, node.path)]
    place = context.spans[(graph.key, before.path)]
    cancels = node.layer.cancels_bias and before.layer.has_bias and alone
    if cancels and place not in context.biases_written:
        context.report.warning(
            "W0301",
            place,
            f"`{node.layer.kind}` behind this `{before.layer.kind}` cancels its bias",
            labels=[Label(span, "it subtracts the mean here")],
            help="write `bias=false`, or `bias=true` where a published network has it",
        )
    if node.layer.idempotent and node.layer == before.layer:
        context.report.warning(
            "W0403",
            span,
            f"`{node.layer.kind}` twice in a row is `{node.layer.kind}` once",
            labels=[Label(place, "the first")],
        )
    if (
        before.layer.normalizes_scores
        and node.layer.weights(graph.input_types(node))
        and not _weighs(node.layer)
    ):
        context.report.warning(
            "W0402",
            place,
            f"`{before.layer.kind}` in the middle of a network: `{node.layer.kind}` follows it",
            help="leave it out, or use it as the last layer",
        )


def _weighs(layer: Layer) -> bool:
    """Whether a layer has no bias though it could: behind shares it gives the mean of its
    weights, which is what shares are for."""
    return getattr(layer, "bias", True) is False
