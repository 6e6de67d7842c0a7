"""What inference computes of a graph: nothing that auxiliary outputs alone need."""

from __future__ import annotations

from dlspec.ir.graph import Graph, Node


def live_nodes(graph: Graph) -> tuple[Node, ...]:
    """The nodes that the outputs of a graph need, in order."""
    wanted = {port.value for port in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if not wanted.isdisjoint(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))
