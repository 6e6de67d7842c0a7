"""Following a value back to the layers that made it, into blocks and out of them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dlspec.ir.graph import CallNode, Graph, LayerNode
from dlspec.ir.nodes import BaseNode
from dlspec.ir.objective import Objective


class Makers:
    """Which node makes each value, looked up once a graph."""

    def __init__(self, graphs: Mapping[str, Graph]) -> None:
        self.graphs = graphs
        self._found: dict[str, dict[str, BaseNode]] = {}

    def of(self, graph: Graph | Objective) -> dict[str, BaseNode]:
        """The nodes of a graph by the values they make."""
        if graph.key not in self._found:
            self._found[graph.key] = {v: node for node in graph.nodes for v in node.outputs}
        return self._found[graph.key]

    def upstream(self, graph: Graph, value: str) -> Iterator[tuple[Graph, LayerNode]]:
        """The layers that end in a value, the last one first, with the graphs they stand in.

        It ends at an input of the graph, a learned tensor, or a layer with several inputs, which
        is the last one given.
        """
        calls: list[tuple[Graph, CallNode]] = []
        while True:
            node = self.of(graph).get(value)
            if node is None:
                if not calls:
                    return
                port = [port.value for port in graph.inputs].index(value)
                graph, call = calls.pop()
                value = call.inputs[port]
            elif isinstance(node, CallNode):
                calls.append((graph, node))
                graph, port = self.graphs[node.graph], node.outputs.index(value)
                value = graph.outputs[port].value
            elif isinstance(node, LayerNode):
                yield graph, node
                if len(node.inputs) != 1:
                    return
                value = node.inputs[0]
            else:
                return
