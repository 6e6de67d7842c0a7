"""Layers that work on the last axis and are fed an image, whose last axis is its width.

Whether a value is an image is known where a layer over space makes it. In a block it can hang
on what flows in: such values carry the numbers of the block's inputs that must be images.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from dlspec.diagnostics import Label
from dlspec.ir.graph import CallNode, Graph, LayerNode, Node, Program
from dlspec.ir.upstream import Makers
from dlspec.passes.context import Context

Origin: TypeAlias = frozenset[int] | None
"""The inputs of its graph that must be images for a value to be one; None where it is none."""


def warn_of_images(program: Program, makers: Makers, context: Context) -> None:
    """Report W0401 for every layer on the last axis of an image."""
    origins: dict[str, dict[str, Origin]] = {}
    for key, graph in program.graphs.items():
        origins[key] = _origins(graph, program, origins)
    fed: dict[str, set[int]] = {key: set() for key in program.graphs}
    for key, graph in reversed(program.graphs.items()):
        if graph.is_model:
            fed[key] |= set(range(len(graph.inputs)))
        for node in graph.nodes:
            images = [_is_image(origins[key][name], fed[key]) for name in node.inputs]
            if isinstance(node, CallNode):
                fed[node.graph] |= {number for number, image in enumerate(images) if image}
            elif isinstance(node, LayerNode) and node.layer.on_last_axis and any(images):
                _not_flattened(graph, node, makers, context)


def _is_image(origin: Origin, fed: set[int]) -> bool:
    return origin is not None and origin <= fed


def _origins(
    graph: Graph, program: Program, known: dict[str, dict[str, Origin]]
) -> dict[str, Origin]:
    """The origin of every value of a graph; those of the graphs it calls are known."""
    found: dict[str, Origin] = {}
    for number, port in enumerate(graph.inputs):
        found[port.value] = frozenset({number}) if _has_space(graph, port.value) else None
    for node in graph.nodes:
        if isinstance(node, CallNode):
            called = program.graphs[node.graph]
            for name, port in zip(node.outputs, called.outputs, strict=True):
                origin = known[called.key][port.value]
                given = (found[node.inputs[number]] for number in origin or ())
                found[name] = None if origin is None else _joined(given)
        else:
            origin = _made(graph, node, found)
            found |= {name: origin if _has_space(graph, name) else None for name in node.outputs}
    return found


def _made(graph: Graph, node: Node, found: dict[str, Origin]) -> Origin:
    """The origin of what a layer makes, if that has the axes of an image."""
    if not isinstance(node, LayerNode):
        return None
    if node.layer.ranks:
        return frozenset()
    if node.layer.on_last_axis or node.layer.rearranges or not node.inputs:
        return None
    spaces = {graph.types[name].shape[1:] for name in (*node.inputs, *node.outputs)}
    return _joined(found[name] for name in node.inputs) if len(spaces) == 1 else None


def _joined(origins: Iterable[Origin]) -> Origin:
    """What must hold for all of them to be images."""
    joined: frozenset[int] = frozenset()
    for origin in origins:
        if origin is None:
            return None
        joined |= origin
    return joined


def _has_space(graph: Graph, name: str) -> bool:
    return graph.types[name].rank == 3 and graph.types[name].dtype == "float"


def _not_flattened(graph: Graph, node: LayerNode, makers: Makers, context: Context) -> None:
    shape = graph.types[node.inputs[0]].shape_text()
    maker = makers.of(graph).get(node.inputs[0])
    place = context.spans[(graph.key, node.path)]
    origin = context.spans[(graph.key, maker.path)] if maker is not None else None
    context.report.warning(
        "W0401",
        place,
        f"`{node.layer.kind}` works on the last axis of {shape}, the width of an image",
        labels=[Label(origin, f"this is {shape}")] if origin and origin != place else [],
        help="put `Flatten` or `GlobalAvgPool` in front of it",
    )
