"""What a network costs: parameters, multiply-adds, depth, memory; in total and layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dlspec.ir.dims import Dim, product
from dlspec.ir.graph import CallNode, Graph, LayerNode, ParameterNode, Program
from dlspec.ir.types import TensorType
from dlspec.ir.walk import walk

BYTES = {"float": 4, "int": 8, "bool": 1}


class Totals(NamedTuple):
    """The cost of a graph for one example.

    parameters: learned values, auxiliaries' included · macs: multiply-adds of what leads to
    the outputs and auxiliaries · depth: the greatest number of layers that multiply by
    weights on a way through the graph, as in "VGG-16".
    """

    parameters: Dim
    macs: Dim
    depth: int
    activation_bytes: Dim


class Row(NamedTuple):
    """One layer in a summary. `memory` is the bytes of its results for one example."""

    path: str
    layer: str
    output: str
    parameters: Dim
    macs: Dim
    memory: Dim


def totals(program: Program, graph: Graph) -> Totals:
    """The cost of a graph; every distinct block is measured once."""
    return _totals(program, graph, {})


def shares(program: Program, graph: Graph) -> Iterator[tuple[str, int]]:
    """The path of each node that has parameters of its own, and how many."""
    known: dict[str, Totals] = {}
    for node in graph.nodes:
        if node.shares is not None:
            continue
        if isinstance(node, CallNode):
            own = _totals(program, program.graphs[node.graph], known).parameters
        else:
            own, _ = _node_cost(graph, node)
        if isinstance(own, int) and own:
            yield node.path, own


def _totals(program: Program, graph: Graph, known: dict[str, Totals]) -> Totals:
    if graph.key in known:
        return known[graph.key]
    parameters: Dim = 0
    macs: Dim = 0
    memory: Dim = 0
    depths = {port.value: 0 for port in graph.inputs}
    for node in graph.nodes:
        depth = max((depths[name] for name in node.inputs), default=0)
        if isinstance(node, CallNode):
            inner = _totals(program, program.graphs[node.graph], known)
            own, cost, size, step = (
                inner.parameters,
                inner.macs,
                inner.activation_bytes,
                inner.depth,
            )
        else:
            own, cost = _node_cost(graph, node)
            size = _bytes(graph.output_types(node))
            step = 1 if isinstance(node, LayerNode) and cost != 0 else 0
        parameters = parameters + (own if node.shares is None else 0)
        macs = macs + cost
        memory = memory + size
        depths.update(dict.fromkeys(node.outputs, depth + step))
    ends = [depths[port.value] for port in graph.outputs]
    known[graph.key] = Totals(parameters, macs, max(ends, default=0), memory)
    return known[graph.key]


def _node_cost(graph: Graph, node: LayerNode | ParameterNode) -> tuple[Dim, Dim]:
    if isinstance(node, ParameterNode):
        return product(graph.types[node.outputs[0]].shape), 0
    inputs, outputs = graph.input_types(node), graph.output_types(node)
    return node.layer.parameters(inputs), node.layer.cost(inputs, outputs)


def _bytes(types: tuple[TensorType, ...]) -> Dim:
    total: Dim = 0
    for type in types:
        total = total + product(type.shape) * BYTES[type.dtype]
    return total


def summarize(program: Program, graph: Graph) -> tuple[Row, ...]:
    """Every layer of a graph, calls unfolded, with its own cost."""
    rows: list[Row] = []
    for path, owner, node in walk(program, graph):
        types = owner.output_types(node)
        parameters, macs = _node_cost(owner, node)
        rows.append(
            Row(
                path,
                node.layer.kind if isinstance(node, LayerNode) else "parameter",
                ", ".join(type.shape_text() for type in types),
                parameters if node.shares is None else 0,
                macs,
                _bytes(types),
            )
        )
    return tuple(rows)
