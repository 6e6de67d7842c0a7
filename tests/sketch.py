"""Programs built by hand, for tests of what stands behind the compiler."""

from __future__ import annotations

from dlspec.ir.graph import CallNode, Graph, LayerNode, Node, Port, Program
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType


class Sketch:
    """A graph under construction: `layer` and `call` add nodes and return names of values."""

    def __init__(self, name: str, is_model: bool = True, **inputs: TensorType) -> None:
        self.name, self.is_model = name, is_model
        self.inputs = tuple(Port(name=n, value=n) for n in inputs)
        self.types = dict(inputs)
        self.nodes: list[Node] = []

    def layer(
        self,
        path: str,
        layer: Layer,
        *values: str,
        shares: str | None = None,
        value: str | None = None,
    ) -> str:
        """Add a layer; its types come from its own shape rule."""
        out = value or path
        (self.types[out],) = layer.infer(tuple(self.types[v] for v in values))
        self.nodes.append(
            LayerNode(path=path, layer=layer, inputs=values, outputs=(out,), shares=shares)
        )
        return out

    def call(self, path: str, graph: Graph, *values: str, shares: str | None = None) -> str:
        """Add a use of a block with one output."""
        self.types[path] = graph.types[graph.outputs[0].value]
        self.nodes.append(
            CallNode(path=path, graph=graph.key, inputs=values, outputs=(path,), shares=shares)
        )
        return path

    def graph(
        self, documentation: str = "", auxiliaries: dict[str, str] | None = None, **outputs: str
    ) -> Graph:
        """The finished graph."""
        return Graph(
            key=self.name,
            name=self.name,
            is_model=self.is_model,
            arguments={},
            documentation=documentation,
            inputs=self.inputs,
            nodes=tuple(self.nodes),
            outputs=tuple(Port(name=n, value=v) for n, v in outputs.items()),
            auxiliaries=tuple(Port(name=n, value=v) for n, v in (auxiliaries or {}).items()),
            types=self.types,
        )


def program(*graphs: Graph, documentation: str = "") -> Program:
    """A program of graphs, the called ones first."""
    return Program(
        documentation=documentation,
        graphs={g.key: g for g in graphs},
        models=tuple(g.key for g in graphs if g.is_model),
    )
