"""Warnings about finished graphs: what is allowed and yet hardly meant."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from dlspec.diagnostics import Label
from dlspec.ir.graph import CallNode, Graph, LayerNode, Program
from dlspec.ir.layer import Layer, Reach
from dlspec.ir.upstream import Makers
from dlspec.layers import activation_options
from dlspec.passes.context import Context
from dlspec.passes.images import warn_of_images
from dlspec.passes.mending import without_bias, without_second
from dlspec.passes.scores import warn_of_losses
from dlspec.source import Span

_FARTHEST = 50
"""Layers that are looked back at from one place: networks may be long, and warnings cheap."""


def warn_of_graphs(program: Program, context: Context) -> None:
    """Report the warnings of every graph of a program."""
    makers = Makers(program.graphs)
    for graph in program.graphs.values():
        _warn(graph, makers, context)
    warn_of_images(program, makers, context)
    warn_of_losses(program, makers, context)
    called = {
        program.graphs[node.graph].name
        for graph in program.graphs.values()
        for node in graph.nodes
        if isinstance(node, CallNode)
    }
    for key in program.models:
        if program.graphs[key].name not in called:
            _warn_of_ends(program.graphs[key], makers, context)


def _warn(graph: Graph, makers: Makers, context: Context) -> None:
    uses: dict[str, int] = {}
    shared: set[str] = set()
    for node in graph.nodes:
        for name in node.inputs:
            uses[name] = uses.get(name, 0) + 1
        if node.shares is not None:
            shared |= {node.path, node.shares}
    for port in (*graph.outputs, *graph.auxiliaries):
        uses[port.value] = uses.get(port.value, 0) + 1
    for node in graph.nodes:
        if isinstance(node, LayerNode) and len(node.inputs) == 1:
            before = makers.of(graph).get(node.inputs[0])
            alone = uses[node.inputs[0]] == 1 and before is not None and before.path not in shared
            if isinstance(before, LayerNode) and alone:
                _bias(graph, before, node, context)
            _twice(graph, node, makers, context)
            _shares_inside(graph, node, makers, context)
            _wide_window(graph, node, context)


def _span(graph: Graph, node: LayerNode, context: Context) -> Span:
    return context.spans[(graph.key, node.path)]


# --- what stands in front of a layer ----------------------------------------------------


def _bias(graph: Graph, before: LayerNode, node: LayerNode, context: Context) -> None:
    """A bias along the channels, whose means the next layer subtracts."""
    if not (node.layer.cancels_bias and before.layer.has_bias):
        return
    axis = before.layer.bias_axis
    if axis not in (0, -graph.types[node.inputs[0]].rank):
        return
    place, span = _span(graph, before, context), _span(graph, node, context)
    if place in context.biases_written:
        return
    context.report.warning(
        "W0301",
        place,
        f"`{node.layer.kind}` behind this `{before.layer.kind}` cancels its bias",
        labels=[Label(span, "it subtracts the mean here")],
        help="write `bias=false`, or `bias=true` where a published network has it",
        fix=without_bias(place, span, node.layer.kind),
    )


def _twice(graph: Graph, node: LayerNode, makers: Makers, context: Context) -> None:
    """An activation behind the same activation, which may end the block in front of it."""
    kind = node.layer.kind
    if kind not in activation_options().values() or node.layer.keeps_values:
        return
    owner, before = next(makers.upstream(graph, node.inputs[0]), (graph, None))
    if before is None or before.layer.kind != kind:
        return
    span, place = _span(graph, node, context), _span(owner, before, context)
    maker = makers.of(graph)[node.inputs[0]]
    first = context.spans[(graph.key, maker.path)]
    same = node.layer.idempotent and node.layer == before.layer
    fix = without_second(first, span, kind, safe=same and owner is graph)
    context.report.warning(
        "W0403",
        span,
        f"`{kind}` twice in a row" + (f" is `{kind}` once" if same else ""),
        labels=[Label(place, "the first")],
        help=None if fix else "leave one of them out",
        fix=fix,
    )


def _shares_inside(graph: Graph, node: LayerNode, makers: Makers, context: Context) -> None:
    """A softmax that learned weights, or another softmax, follow."""
    nearest = islice(makers.upstream(graph, node.inputs[0]), _FARTHEST)
    owner, before = next(((g, n) for g, n in nearest if not n.layer.training_only), (graph, None))
    if before is None or not before.layer.normalizes_scores:
        return
    if before.layer.kind == node.layer.kind:  # W0403 tells of that
        return
    learns = node.layer.weights(graph.input_types(node)) and not _weighs(node.layer)
    if not (learns or node.layer.normalizes_scores):
        return
    kind = before.layer.kind
    labels = [Label(_span(graph, node, context), "this follows it")]
    place = _span(owner, before, context)
    if owner is not graph:  # the block may be right where it ends something
        labels.append(Label(place, f"the `{kind}` at its end"))
        place = context.spans[(graph.key, makers.of(graph)[node.inputs[0]].path)]
    context.report.warning(
        "W0402",
        place,
        f"`{kind}` in the middle of a network: `{node.layer.kind}` follows it",
        labels=labels,
        help="leave it out, or use it as the last layer",
    )


def _weighs(layer: Layer) -> bool:
    """Whether a layer has no bias though it could: behind shares it gives the mean of its
    weights, which is what shares are for."""
    return getattr(layer, "bias", True) is False


# --- windows ----------------------------------------------------------------------------


def _wide_window(graph: Graph, node: LayerNode, context: Context) -> None:
    """A window that reaches over all that there is along an axis, and fits by its padding."""
    wide = _widest(node.layer.reaches(graph.input_types(node)))
    if wide is None:
        return
    sees = "1 cell is" if wide.size == 1 else f"{wide.size} cells are"
    before = graph.types[node.inputs[0]]
    context.report.warning(
        "W0405",
        _span(graph, node, context),
        f"`{node.layer.kind}` spans {wide.cells} cells along {wide.axis}, where {sees}: the rest "
        "is padding",
        label=f"its input is {before.shape_text()}",
        help=f"use one that spans at most {wide.size}, or shrink the image less before it",
    )


def _widest(reaches: Iterable[Reach]) -> Reach | None:
    """The axis along which a window is too wide. 3 cells on 2 are let be: a kernel with a
    middle cannot be smaller."""
    found = [
        (r.cells - r.size, r)
        for r in reaches
        if isinstance(r.size, int) and r.cells > r.size and (r.cells, r.size) != (3, 2)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


# --- the ends of models -----------------------------------------------------------------


def _warn_of_ends(graph: Graph, makers: Makers, context: Context) -> None:
    """A layer that drops values at random behind the last layer that learns anything."""
    for port in (*graph.outputs, *graph.auxiliaries):
        drops: list[tuple[Graph, LayerNode]] = []
        for owner, node in islice(makers.upstream(graph, port.value), _FARTHEST):
            inputs = owner.input_types(node)
            if node.layer.weights(inputs):
                _dropped(drops, (owner, node), context)
                break
            if node.layer.training_only:
                drops.append((owner, node))
            elif not node.layer.keeps_values and inputs != owner.output_types(node):
                break


def _dropped(
    drops: Iterable[tuple[Graph, LayerNode]], last: tuple[Graph, LayerNode], context: Context
) -> None:
    for owner, node in drops:
        context.report.warning(
            "W0404",
            _span(owner, node, context),
            f"`{node.layer.kind}` behind the last layer changes the model's own results at random",
            labels=[Label(_span(*last, context), "the last layer that learns")],
            help="put it in front of the last layer, or leave it out",
        )
