"""Graphs that differ in numbers alone become one class with constructor arguments.

A family is such a set of graphs. A use that lacks a stage of the others belongs to it too,
where the weights of all have the same names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, NamedTuple

from dlspec.backends.torch.constructors import constructor, is_plain, written
from dlspec.backends.torch.grouping import NOTHING, Group, by_name, groups
from dlspec.backends.torch.loops import Entry
from dlspec.backends.torch.merging import Attributes
from dlspec.backends.torch.names import checked_path, class_name, variable
from dlspec.backends.torch.optional import condition
from dlspec.backends.torch.printer import literal
from dlspec.backends.torch.sequential import is_identity, is_straight
from dlspec.backends.torch.solver import FLOWING_IN, MISSING, Parameter, Solver, Values, solve
from dlspec.backends.torch.steps import Flow, Step, flow, with_logits
from dlspec.ir.graph import CallNode, Graph, Node, Program

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class Family(NamedTuple):
    """One class: the graphs that it stands for and what its constructor takes.

    places:       which of the graphs has a key.
    gaps:         the paths of the submodules that each graph lacks.
    parameters:   the constructor's arguments.
    attributes:   the arguments that `forward` reads, with the attributes that keep them.
    constructors: the submodules, in order.
    invents:      whether an argument is none of the block's.
    computed:     what `forward`, or `logits`, computes.
    straight:     whether the class is an `nn.Sequential`.
    """

    name: str
    graphs: tuple[Graph, ...]
    places: Mapping[str, int]
    gaps: tuple[frozenset[str], ...]
    parameters: tuple[Parameter, ...]
    attributes: Mapping[str, str]
    constructors: tuple[Entry, ...]
    invents: bool
    computed: Flow
    straight: bool
    top: bool
    peel: bool


def families(program: Program, key: str, taken: Iterable[str]) -> dict[str, Family]:
    """The classes that a model needs by the keys of the graphs, what is called first.

    taken: names that classes cannot have.
    """
    peeled = with_logits(program, program.graphs[key])
    signatures: dict[str, str] = {}
    found: dict[str, Family] = {}
    names = list(taken)
    for graphs in by_name(program, key):
        alone = [Group([graph], [NOTHING]) for graph in graphs if graph.key == key]
        others = [graph for graph in graphs if graph.key != key]
        peel = any(graph.key in peeled for graph in graphs)

        def accepts(group: Group, *, peel: bool = peel) -> bool:
            """Whether what its graphs lack follows from the arguments of the spec's block."""
            return not _family(program, "", group, found, top=False, peel=peel).invents

        for group in (*groups(others, signatures, exact=peel, accepts=accepts), *alone):
            name = class_name(group.whole.name, names)
            names.append(name)
            top = group.whole.key == key
            peel = any(graph.key in peeled for graph in group.graphs)
            family = _family(program, name, group, found, top=top, peel=peel)
            for graph in group.graphs:
                signatures[graph.key] = name
                found[graph.key] = family
    return found


def _family(
    program: Program,
    name: str,
    group: Group,
    found: Mapping[str, Family],
    *,
    top: bool,
    peel: bool,
) -> Family:
    graphs = tuple(group.graphs)
    straight = not peel and is_straight(graphs[0], top=top)
    paths = frozenset(node.path for node in graphs[0].nodes)
    solver = Solver(_known(graphs))
    made = (
        _construction(group, nodes, found, solver, straight=straight)
        for nodes in zip(*(graph.nodes for graph in graphs), strict=True)
    )
    constructors = tuple(one for one in made if one is not None)
    attributes = Attributes(paths)
    flows = [flow(program, g, top=top, peel=peel, modules=group.optional) for g in graphs]
    computed = flows[0] if straight else _merged(flows, attributes, solver)
    return Family(
        name=name,
        graphs=graphs,
        places={graph.key: place for place, graph in enumerate(graphs)},
        gaps=tuple(group.gaps),
        parameters=solver.parameters,
        attributes=attributes.names,
        constructors=constructors,
        invents=solver.invents,
        computed=computed,
        straight=straight,
        top=top,
        peel=peel,
    )


def _merged(flows: list[Flow], attributes: Attributes, solver: Solver) -> Flow:
    """The flow of the first graph with expressions that are right for all."""
    if len(flows) == 1:
        return flows[0]
    texts = [{s.outputs: s.expression for s in (*f.steps, *f.auxiliary_steps)} for f in flows]

    def merged(step: Step) -> Step:
        found = tuple(own.get(step.outputs) for own in texts)
        wanted = f"{step.outputs[0]}_value"
        return step._replace(expression=attributes.merged(found, solver, wanted))

    first = flows[0]
    return first._replace(
        steps=tuple(map(merged, first.steps)),
        auxiliary_steps=tuple(map(merged, first.auxiliary_steps)),
    )


def _known(graphs: tuple[Graph, ...]) -> list[Parameter]:
    """What expressions can be made of: the size that flows in, and the block's arguments."""
    own: dict[str, Parameter] = {}
    for argument in graphs[0].arguments:
        values = tuple(_plain(graph.arguments.get(argument)) for graph in graphs)
        if all(map(_is_argument, values)) and len(set(map(repr, values))) > 1:
            name = variable(argument, (*FLOWING_IN, *own))
            default = _plain(graphs[0].defaults.get(argument))
            own[name] = Parameter(name, values, default if _is_argument(default) else MISSING)
    sizes = _sizes(graphs)
    if sizes is None:
        return list(own.values())
    name, values = sizes
    said = solve(values, own)
    if said is None or "//" in said.text:
        return [Parameter(name, values), *own.values()]
    return list(own.values())


def _is_argument(value: object) -> bool:
    """Whether a value of a program, which may come from JSON, can stand in code as it is."""
    if isinstance(value, tuple):
        return bool(value) and all(map(_is_argument, value))
    if isinstance(value, float):
        return isfinite(value)
    return _WORD.fullmatch(value) is not None if isinstance(value, str) else is_plain(value)


def _sizes(graphs: tuple[Graph, ...]) -> tuple[str, Values] | None:
    """The channels or features of the first input, where they differ from use to use."""
    shapes = [graph.types[graph.inputs[0].value].shape for graph in graphs if graph.inputs]
    if len(shapes) != len(graphs) or not all(shapes):
        return None
    image = len(shapes[0]) == 3
    sizes = tuple(shape[0 if image else -1] for shape in shapes)
    if not all(isinstance(size, int) for size in sizes) or len(set(sizes)) == 1:
        return None
    return FLOWING_IN[0 if image else 1], sizes


def _plain(value: Any) -> Any:
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple) else value


def _construction(
    group: Group,
    nodes: tuple[Node, ...],
    found: Mapping[str, Family],
    solver: Solver,
    *,
    straight: bool,
) -> Entry | None:
    """What makes the submodule of one node in all graphs of a group."""
    path = checked_path(group.whole, nodes[0].path)
    if nodes[0].shares is not None:
        return None
    present = tuple(path not in gaps for gaps in group.gaps)
    if isinstance(nodes[0], CallNode):
        text = _call(found, nodes, solver)
    else:
        made = tuple(
            constructor(graph, node, straight=straight or path in group.optional)
            if there and not isinstance(node, CallNode)
            else None
            for graph, node, there in zip(group.graphs, nodes, present, strict=True)
        )
        if made[0] is None or (straight and is_identity(group.whole, nodes[0])):
            return None
        text = written(made, solver)
    if all(present):
        return Entry(path, text)
    when = condition(present, solver, _channels(group, nodes), path)
    if straight:
        return Entry(path, text, when=when)
    return Entry(path, f"{text} if {when} else nn.Identity()")


def _channels(group: Group, nodes: tuple[Node, ...]) -> tuple[Values, Values]:
    """The channels, or features, before and behind a node in every use."""
    axis = 0 if group.whole.types[nodes[0].inputs[0]].rank == 3 else -1
    sides: list[Values] = []
    for values in (
        [node.inputs[0] for node in nodes],
        [node.outputs[0] for node in nodes],
    ):
        shapes = [g.types[v].shape for g, v in zip(group.graphs, values, strict=True)]
        sides.append(tuple(shape[axis] if shape else 0 for shape in shapes))
    return sides[0], sides[1]


def _call(found: Mapping[str, Family], nodes: tuple[Node, ...], solver: Solver) -> str:
    """The construction of a block: what it needs by position, what differs by name."""
    first = nodes[0]
    assert isinstance(first, CallNode)
    inner = found[first.graph]
    parts = []
    for name, known, default in inner.parameters:
        values = tuple(
            known[inner.places[node.graph]] if isinstance(node, CallNode) else MISSING
            for node in nodes
        )
        text = solver.expression(values, name, name)
        if default is MISSING:
            parts.append(text)
        elif text != literal(default):
            parts.append(f"{name}={text}")
    return f"{inner.name}({', '.join(parts)})"
