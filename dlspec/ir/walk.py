"""Walking a program: every layer with its full path, every weight with its full name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dlspec.ir.graph import CallNode, Graph, LayerNode, ParameterNode, Program


class Place(NamedTuple):
    """A node with the graph it stands in and its full path from the model, `stage.conv2`."""

    path: str
    graph: Graph
    node: LayerNode | ParameterNode


def walk(program: Program, graph: Graph, prefix: str = "") -> Iterator[Place]:
    """Every layer and parameter of a graph in order, calls unfolded."""
    for node in graph.nodes:
        path = prefix + node.path
        if isinstance(node, CallNode):
            inner = prefix + (node.shares or node.path)
            yield from walk(program, program.graphs[node.graph], inner + ".")
        else:
            yield Place(path, graph, node)


def weight_shapes(program: Program, graph: Graph) -> dict[str, tuple[int, ...]]:
    """The learned tensors by full name (`conv1.weight`), as in PyTorch's `named_parameters`."""
    return _tensors(program, graph, learned=True)


def buffer_shapes(program: Program, graph: Graph) -> dict[str, tuple[int, ...]]:
    """The tensors that are saved but not learned, by full name."""
    return _tensors(program, graph, learned=False)


def _tensors(program: Program, graph: Graph, *, learned: bool) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for path, owner, node in walk(program, graph):
        if node.shares is not None:
            continue
        if isinstance(node, ParameterNode):
            if learned:
                shape = owner.types[node.outputs[0]].shape
                found[path] = tuple(size for size in shape if isinstance(size, int))
            continue
        inputs = owner.input_types(node)
        own = node.layer.weights(inputs) if learned else node.layer.buffers(inputs)
        found.update((f"{path}.{name}", shape) for name, shape in own.items())
    return found
