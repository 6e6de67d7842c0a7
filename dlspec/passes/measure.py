"""What a network costs: parameters, multiply-adds, depth, memory; whole or by the node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dlspec.ir.dims import Dim, product
from dlspec.ir.graph import CallNode, Graph, LayerNode, ParameterNode, Program
from dlspec.ir.types import TensorType

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


def totals(program: Program, graph: Graph) -> Totals:
    """The cost of a graph; every distinct block is measured once."""
    return measured(program, graph, {})


def measured(program: Program, graph: Graph, known: dict[str, Totals]) -> Totals:
    """The cost of a graph. What is `known` by key is not measured again, and grows."""
    if graph.key in known:
        return known[graph.key]
    parameters: Dim = 0
    macs: Dim = 0
    memory: Dim = 0
    depths = {port.value: 0 for port in graph.inputs}
    for node in graph.nodes:
        depth = max((depths[name] for name in node.inputs), default=0)
        if isinstance(node, CallNode):
            inner = measured(program, program.graphs[node.graph], known)
            own, cost, size, step = (
                inner.parameters,
                inner.macs,
                inner.activation_bytes,
                inner.depth,
            )
        else:
            own, cost = node_cost(graph, node)
            size = size_in_bytes(graph.output_types(node))
            step = 1 if isinstance(node, LayerNode) and cost != 0 else 0
        parameters = parameters + (own if node.shares is None else 0)
        macs = macs + cost
        memory = memory + size
        depths.update(dict.fromkeys(node.outputs, depth + step))
    ends = [depths[port.value] for port in graph.outputs]
    known[graph.key] = Totals(parameters, macs, max(ends, default=0), memory)
    return known[graph.key]


def shares(program: Program, graph: Graph) -> Iterator[tuple[str, int]]:
    """The path of each node that has parameters of its own, and how many."""
    known: dict[str, Totals] = {}
    for node in graph.nodes:
        if node.shares is not None:
            continue
        if isinstance(node, CallNode):
            own = measured(program, program.graphs[node.graph], known).parameters
        else:
            own, _ = node_cost(graph, node)
        if isinstance(own, int) and own:
            yield node.path, own


def node_cost(graph: Graph, node: LayerNode | ParameterNode) -> tuple[Dim, Dim]:
    """The learned values and the multiply-adds of a node."""
    if isinstance(node, ParameterNode):
        return product(graph.types[node.outputs[0]].shape), 0
    inputs, outputs = graph.input_types(node), graph.output_types(node)
    return node.layer.parameters(inputs), node.layer.cost(inputs, outputs)


def size_in_bytes(types: tuple[TensorType, ...]) -> Dim:
    """What tensors of these types take in memory, for one example."""
    total: Dim = 0
    for type in types:
        total = total + product(type.shape) * BYTES[type.dtype]
    return total
