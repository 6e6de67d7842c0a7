"""Whether two graphs of one block are the same network, so that one set of weights serves both."""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.ir.graph import CallNode, Graph, LayerNode, Node, ParameterNode


def alike(one: Graph, other: Graph, graphs: Mapping[str, Graph]) -> bool:
    """Whether they differ in nothing but the sizes that flow through them.

    graphs: every graph that they call, by its key.
    """
    if one.key == other.key:
        return True
    if (one.name, one.inputs, one.outputs, len(one.nodes)) != (
        other.name,
        other.inputs,
        other.outputs,
        len(other.nodes),
    ):
        return False
    pairs = zip(one.nodes, other.nodes, strict=True)
    return all(_alike(one, a, other, b, graphs) for a, b in pairs)


def _alike(one: Graph, a: Node, other: Graph, b: Node, graphs: Mapping[str, Graph]) -> bool:
    if (a.path, a.inputs, a.outputs, a.shares) != (b.path, b.inputs, b.outputs, b.shares):
        return False
    if isinstance(a, CallNode) and isinstance(b, CallNode):
        return alike(graphs[a.graph], graphs[b.graph], graphs)
    if isinstance(a, ParameterNode) and isinstance(b, ParameterNode):
        return a.start == b.start and one.output_types(a) == other.output_types(b)
    if not isinstance(a, LayerNode) or not isinstance(b, LayerNode) or a.layer != b.layer:
        return False
    types = one.input_types(a), other.input_types(b)
    forms = (
        a.layer.torch(types[0], one.output_types(a)),
        b.layer.torch(types[1], other.output_types(b)),
    )
    same = a.layer.weights(types[0]) == b.layer.weights(types[1])
    return same and a.start == b.start and forms[0] == forms[1]
