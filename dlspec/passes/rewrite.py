"""Rewrites that leave every value as it is and cost less.

What the compiler knows and a hand-written loop doesn't: each rewrite here gives the
same results to the last bit, forward and backward, keeps the names of the weights,
and says what it did. `compile` writes what the spec says; training and ONNX use these.
"""

from __future__ import annotations

from typing import NamedTuple

from dlspec.ir.graph import Graph, LayerNode, Node, Port, Program


class Rewritten(NamedTuple):
    """A program that computes the same, and a sentence for each kind of rewrite in it."""

    program: Program
    notes: tuple[str, ...]


def rewrite(program: Program) -> Rewritten:
    """Apply every rewrite to every graph of a program."""
    moved = 0
    graphs: dict[str, Graph] = {}
    for key, graph in program.graphs.items():
        graphs[key], count = _pool_before_activation(graph)
        moved += count
    if not moved:
        return Rewritten(program, ())
    times = "one place" if moved == 1 else f"{moved} places"
    note = f"max pooling goes before its activation in {times}, which gives the same values"
    return Rewritten(program.model_copy(update={"graphs": graphs}), (note,))


def _pool_before_activation(graph: Graph) -> tuple[Graph, int]:
    """`activation -> max pooling` as `max pooling -> activation`, and how often that was done.

    The maximum of a window is the same element before and after a function that never
    falls, so the function is applied to the fewer values that are left.
    """
    nodes = list(graph.nodes)
    types = dict(graph.types)
    uses = _uses(graph)
    swapped: dict[str, str] = {}
    moved = 0
    for place, pool in enumerate(nodes):
        at = _activation_before(nodes, place, uses)
        if at is None or not isinstance(pool, LayerNode):
            continue
        activation = nodes[at]
        assert isinstance(activation, LayerNode)
        between, result = activation.outputs[0], pool.outputs[0]
        # The value between the two keeps its name and takes the smaller type.
        nodes[at] = pool.model_copy(update={"inputs": activation.inputs, "outputs": (between,)})
        nodes[place] = activation.model_copy(update={"inputs": (between,), "outputs": (result,)})
        types[between] = types[result]
        if (between, result) == (activation.path, pool.path):
            swapped |= {between: result, result: between}
        moved += 1
    if not moved:
        return graph, 0
    changed = graph.model_copy(update={"nodes": tuple(nodes), "types": types})
    return _renamed(changed, swapped), moved


def _renamed(graph: Graph, names: dict[str, str]) -> Graph:
    """The graph with values called otherwise, so that each is named by the node that makes it."""

    def renamed(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names.get(value, value) for value in values)

    def ports(found: tuple[Port, ...]) -> tuple[Port, ...]:
        return tuple(Port(name=p.name, value=names.get(p.value, p.value)) for p in found)

    return graph.model_copy(
        update={
            "nodes": tuple(
                node.model_copy(
                    update={"inputs": renamed(node.inputs), "outputs": renamed(node.outputs)}
                )
                for node in graph.nodes
            ),
            "outputs": ports(graph.outputs),
            "auxiliaries": ports(graph.auxiliaries),
            "types": {names.get(name, name): type for name, type in graph.types.items()},
        }
    )


def _activation_before(nodes: list[Node], place: int, uses: dict[str, int]) -> int | None:
    """Where the activation stands that feeds the max pooling at `place`, and only it."""
    pool = nodes[place]
    if not isinstance(pool, LayerNode) or not pool.layer.takes_maximum:
        return None
    value = pool.inputs[0]
    for at in range(place - 1, -1, -1):
        node = nodes[at]
        if value not in node.outputs:
            continue
        if isinstance(node, LayerNode) and node.layer.non_decreasing and uses[value] == 1:
            return at
        return None
    return None


def _uses(graph: Graph) -> dict[str, int]:
    """How often each value is read, by nodes and as an output."""
    counts: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.inputs:
            counts[name] = counts.get(name, 0) + 1
    for port in (*graph.outputs, *graph.auxiliaries):
        counts[port.value] = counts.get(port.value, 0) + 1
    return counts
