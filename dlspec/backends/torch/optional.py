"""Uses of a block that lack a stage which others have, as an `if` in the spec makes them.

The stage is a submodule in the one class for both, and `nn.Identity()` where a use lacks it.
"""

from __future__ import annotations

from dlspec.backends.torch.solver import FLOWING_IN, Parameter, Solution, Solver, Values, is_size
from dlspec.backends.torch.steps import IDENTITY, layer_form
from dlspec.ir.graph import CallNode, Graph, LayerNode, Node, Port
from dlspec.layers import find


def padded(graph: Graph, whole: Graph) -> tuple[Graph, frozenset[str]] | None:
    """A graph with identities for the nodes of another that it lacks, and their paths.

    Its values take the names that they have in `whole`. None where it differs otherwise.
    """
    own = {node.path: node for node in graph.nodes}
    kept = [node.path for node in whole.nodes if node.path in own]
    if kept != [node.path for node in graph.nodes] or len(graph.inputs) != len(whole.inputs):
        return None
    values = {w.value: g.value for w, g in zip(whole.inputs, graph.inputs, strict=True)}
    nodes: list[Node] = []
    for node in whole.nodes:
        mine = own.get(node.path)
        made = _gap(whole, node) if mine is None else _renamed(mine, node, values)
        if made is None:
            return None
        nodes.append(made)
        outputs = (values[node.inputs[0]],) if mine is None else mine.outputs
        values.update(zip(node.outputs, outputs, strict=True))
    if not _same_ports(graph, whole, values):
        return None
    update = {
        "nodes": tuple(nodes),
        "inputs": whole.inputs,
        "outputs": whole.outputs,
        "auxiliaries": whole.auxiliaries,
        "types": {name: graph.types[own] for name, own in values.items()},
    }
    gaps = frozenset(node.path for node in whole.nodes) - frozenset(own)
    return graph.model_copy(update=update), gaps


def _gap(whole: Graph, node: Node) -> LayerNode | None:
    """An identity in the place of a node that can be left out, else None."""
    if len(node.inputs) != 1 or len(node.outputs) != 1 or node.shares is not None:
        return None
    if isinstance(node, LayerNode):
        form = layer_form(whole, node)
        if form.module is None or form.forward != "{m}({0})" or form.functional == IDENTITY:
            return None
    elif not isinstance(node, CallNode):
        return None
    identity = find("Identity")
    assert identity is not None
    return LayerNode(path=node.path, inputs=node.inputs, outputs=node.outputs, layer=identity())


def _renamed(mine: Node, node: Node, values: dict[str, str]) -> Node | None:
    """A node with the names of the same node elsewhere; None where it is fed otherwise."""
    inputs = tuple(values[name] for name in node.inputs)
    if mine.inputs != inputs or len(mine.outputs) != len(node.outputs) or mine.op != node.op:
        return None
    return mine.model_copy(update={"inputs": node.inputs, "outputs": node.outputs})


def _same_ports(graph: Graph, whole: Graph, values: dict[str, str]) -> bool:
    pairs = ((graph.outputs, whole.outputs), (graph.auxiliaries, whole.auxiliaries))
    return all(
        ports == tuple(Port(name=p.name, value=values[p.value]) for p in others)
        for ports, others in pairs
    )


def condition(present: Values, solver: Solver, sizes: tuple[Values, Values], path: str) -> str:
    """When the submodule is there, over the class's arguments.

    present: whether it is, in each use; sizes: the channels of what flows into it and of what
    comes out, as far as they are known. A new argument says it where nothing else does.
    """
    # Counts, strides and truth values decide such things more often than sizes do.
    given = sorted(
        (one for one in solver.known.values() if one.name not in FLOWING_IN),
        key=lambda one: all(map(is_size, one.values)),
    )
    found = [
        (Solution((one.name,), text), truth)
        for one in given
        for text, truth in _tests(one, present)
    ]
    unlike = _unlike(sizes, solver)
    if unlike is not None:
        found.append(unlike)
        found += [(_either(one, unlike[0]), _or(truth, unlike[1])) for one, truth in found[:-1]]
    for solution, truth in found:
        if truth == present:
            solver.used.update(solution.names)
            return solution.text
    return solver.expression(present, f"has_{path}")


def _tests(one: Parameter, present: Values) -> list[tuple[str, Values]]:
    """What can be asked of an argument, and the answer in each use."""
    if all(isinstance(value, bool) for value in one.values):
        return [(one.name, one.values), (f"not {one.name}", tuple(not v for v in one.values))]
    if not all(type(value) is int for value in one.values):
        return []
    # `stride > 1` is asked with the greatest number for which the stage is not there.
    without = [v for v, there in zip(one.values, present, strict=True) if not there]
    most, least = max(without), min(without)
    return [
        (f"{one.name} > {most}", tuple(value > most for value in one.values)),
        (f"{one.name} < {least}", tuple(value < least for value in one.values)),
    ]


def _unlike(sizes: tuple[Values, Values], solver: Solver) -> tuple[Solution, Values] | None:
    """`in_channels != 4 * width`, where both can be said."""
    before, after = (solver.solved(one) for one in sizes)
    if before is None or after is None:
        return None
    text = f"{before.text} != {after.text}"
    truth = tuple(a != b for a, b in zip(*sizes, strict=True))
    return Solution((*before.names, *after.names), text), truth


def _either(one: Solution, other: Solution) -> Solution:
    return Solution((*one.names, *other.names), f"{one.text} or {other.text}")


def _or(one: Values, other: Values) -> Values:
    return tuple(a or b for a, b in zip(one, other, strict=True))
