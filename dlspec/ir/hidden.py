"""Which weights of two axes and more are no hidden matrices, so that Muon leaves them to AdamW."""

from __future__ import annotations

from dlspec.ir.graph import CallNode, Graph, LayerNode, ParameterNode, Program
from dlspec.ir.walk import walk


def no_hidden_matrices(program: Program, graph: Graph) -> tuple[str, ...]:
    """The names of weights that multiply nothing (embeddings, learned tensors) or come last."""
    last = set(_last(program, graph, [port.value for port in graph.outputs])[0])
    found: list[str] = []
    for path, owner, node in walk(program, graph):
        if node.shares is not None:
            continue
        if isinstance(node, ParameterNode):
            found.append(path)
            continue
        inputs, outputs = owner.input_types(node), owner.output_types(node)
        if path in last or node.layer.cost(inputs, outputs) == 0:
            weights = node.layer.weights(inputs).items()
            found += [f"{path}.{name}" for name, shape in weights if len(shape) > 1]
    return tuple(found)


def _last(program: Program, graph: Graph, values: list[str]) -> tuple[list[str], list[str]]:
    """The layers with weights that nothing with weights follows on the way to some values, and
    the inputs from which these values are reached past no weights."""
    makers = {value: node for node in graph.nodes for value in node.outputs}
    found: dict[str, None] = {}
    reached: dict[str, None] = {}
    waiting, seen = list(values), set[str]()
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        node = makers.get(value)
        if node is None:
            reached[value] = None
        elif isinstance(node, CallNode):
            inner = program.graphs[node.graph]
            port = inner.outputs[node.outputs.index(value)]
            paths, inputs = _last(program, inner, [port.value])
            found.update((f"{node.shares or node.path}.{path}", None) for path in paths)
            places = [p.value for p in inner.inputs]
            waiting += [node.inputs[places.index(one)] for one in inputs]
        elif isinstance(node, LayerNode) and node.layer.cost(
            graph.input_types(node), graph.output_types(node)
        ):
            found[node.shares or node.path] = None
        else:
            waiting += node.inputs
    return list(found), list(reached)
