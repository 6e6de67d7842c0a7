"""Graphs that differ in numbers alone become one class with constructor arguments.

A family is such a set of graphs. A use that lacks a stage of the others belongs to it too,
where the weights of all have the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from dlspec.backends.torch.constructors import constructor, is_plain, written
from dlspec.backends.torch.merging import Attributes, without_numbers
from dlspec.backends.torch.names import checked_path, class_name, variable
from dlspec.backends.torch.optional import condition, padded
from dlspec.backends.torch.printer import literal
from dlspec.backends.torch.sequential import is_identity, is_straight
from dlspec.backends.torch.solver import MISSING, Parameter, Solver, Values, solve
from dlspec.backends.torch.steps import Flow, Step, flow, layer_form, with_logits
from dlspec.ir.graph import CallNode, Graph, LayerNode, Node, Program

_NOTHING: frozenset[str] = frozenset()


class Family(NamedTuple):
    """One class: the graphs that it stands for and what its constructor takes.

    places:       which of the graphs has a key.
    gaps:         the paths of the submodules that each graph lacks.
    parameters:   the constructor's arguments.
    attributes:   the arguments that `forward` reads, with the attributes that keep them.
    constructors: path and expression of each submodule, in order.
    computed:     what `forward`, or `logits`, computes.
    straight:     whether the class is an `nn.Sequential`.
    """

    name: str
    graphs: tuple[Graph, ...]
    places: Mapping[str, int]
    gaps: tuple[frozenset[str], ...]
    parameters: tuple[Parameter, ...]
    attributes: Mapping[str, str]
    constructors: tuple[tuple[str, str], ...]
    computed: Flow
    straight: bool
    top: bool
    peel: bool


class Group:
    """The graphs of a family while they are being found."""

    def __init__(self, graph: Graph) -> None:
        self.graphs = [graph]
        self.gaps = [_NOTHING]

    @property
    def whole(self) -> Graph:
        """The graph that has every node."""
        return self.graphs[0]

    @property
    def optional(self) -> frozenset[str]:
        """The paths of what some of the graphs lack."""
        return frozenset().union(*self.gaps)

    def take(self, graph: Graph, gaps: frozenset[str] = _NOTHING) -> None:
        """Add a graph."""
        self.graphs.append(graph)
        self.gaps.append(gaps)


def families(program: Program, key: str, taken: Iterable[str]) -> dict[str, Family]:
    """The classes that a model needs by the keys of the graphs, what is called first.

    taken: names that classes cannot have.
    """
    peeled = with_logits(program, program.graphs[key])
    signatures: dict[str, str] = {}
    found: dict[str, Family] = {}
    names = list(taken)
    for graphs in _by_name(program, key):
        alone = [graph for graph in graphs if graph.key == key]
        others = [graph for graph in graphs if graph.key != key]
        for group in (*_groups(others, signatures, peeled), *map(Group, alone)):
            name = class_name(group.whole.name, names)
            names.append(name)
            top = group.whole.key == key
            family = _family(program, name, group, found, top=top, peeled=peeled)
            for graph in group.graphs:
                signatures[graph.key] = name
                found[graph.key] = family
    return found


def _by_name(program: Program, key: str) -> list[list[Graph]]:
    """The graphs that a model is made of, by declarations, each behind those that it uses."""
    called: dict[str, dict[str, None]] = {}
    waiting = [key]
    while waiting:
        name = waiting.pop()
        if name not in called:
            nodes = program.graphs[name].nodes
            called[name] = dict.fromkeys(n.graph for n in nodes if isinstance(n, CallNode))
            waiting += called[name]
    graphs = [graph for name, graph in program.graphs.items() if name in called]
    uses: dict[str, dict[str, None]] = {graph.name: {} for graph in graphs}
    for graph in graphs:
        uses[graph.name].update((program.graphs[one].name, None) for one in called[graph.key])
    order = _behind_what_they_use(program.graphs[key].name, uses)
    if order is None:  # a program in JSON form may give graphs that use each other one name
        return [[graph] for graph in graphs]
    return [[graph for graph in graphs if graph.name == name] for name in order]


def _behind_what_they_use(last: str, uses: Mapping[str, Mapping[str, None]]) -> list[str] | None:
    """Names in the order of their uses, each behind those that it uses itself, or None."""
    done: dict[str, None] = {}
    path = [last]
    while path:
        name = path[-1]
        open_ = next((one for one in uses[name] if one not in done), None)
        if open_ is None:
            done[name] = None
            path.pop()
        elif open_ in path:
            return None
        else:
            path.append(open_)
    return list(done)


def _groups(
    graphs: list[Graph], signatures: Mapping[str, str], peeled: frozenset[str]
) -> Iterator[Group]:
    """The graphs of one declaration in as few groups as one class each can stand for."""
    alike: dict[str, Group] = {}
    exact = any(graph.key in peeled for graph in graphs)
    for graph in graphs:
        signature = _signature(graph, signatures, exact=exact)
        if signature in alike:
            alike[signature].take(graph)
        else:
            alike[signature] = Group(graph)
    waiting = sorted(alike.values(), key=lambda group: -len(group.whole.nodes))
    while waiting:
        group, *waiting = waiting
        if not exact:
            waiting = [one for one in waiting if not _joined(group, one, signatures)]
        yield group


def _joined(group: Group, other: Group, signatures: Mapping[str, str]) -> bool:
    """Let a group take the graphs of another that lack some of its stages, if they only do."""
    with_gaps = [padded(graph, group.whole) for graph in other.graphs]
    for one in with_gaps:
        if one is None:
            return False
        graph, gaps = one
        if _signature(graph, signatures, gaps) != _signature(group.whole, signatures, gaps):
            return False
    for one in with_gaps:
        assert one is not None
        group.take(*one)
    return True


def _signature(
    graph: Graph,
    signatures: Mapping[str, str],
    gaps: frozenset[str] = _NOTHING,
    *,
    exact: bool = False,
) -> str:
    """A text that two graphs share where one class can stand for both.

    gaps: paths of nodes that do not count; exact: whether all numbers in `forward` do.
    """
    nodes: list[object] = []
    for node in graph.nodes:
        if node.path in gaps:
            continue
        common = (node.path, node.inputs, node.outputs, node.shares)
        if isinstance(node, CallNode):
            nodes.append((*common, signatures[node.graph]))
            continue
        made = constructor(graph, node, straight=True)
        shared: tuple[object, ...] = (*common, made.form if made is not None else None)
        if isinstance(node, LayerNode):
            form = layer_form(graph, node)
            texts = [form.forward, form.functional or ""]
            shared = (*shared, *(texts if exact else map(without_numbers, texts)))
        nodes.append(shared)
    ranks = [graph.types[port.value].rank for port in graph.inputs]
    return repr((graph.inputs, graph.outputs, ranks, nodes))


def _family(
    program: Program,
    name: str,
    group: Group,
    found: Mapping[str, Family],
    *,
    top: bool,
    peeled: frozenset[str],
) -> Family:
    graphs = tuple(group.graphs)
    peel = any(graph.key in peeled for graph in graphs)
    straight = not peel and is_straight(graphs[0], top=top)
    paths = frozenset(node.path for node in graphs[0].nodes)
    solver = Solver(_known(graphs))
    constructors: list[tuple[str, str]] = []
    for nodes in zip(*(graph.nodes for graph in graphs), strict=True):
        text = _construction(group, nodes, found, solver, straight=straight)
        if text is not None:
            constructors.append((checked_path(graphs[0], nodes[0].path), text))
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
        constructors=tuple(constructors),
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
        if all(is_plain(value) for value in values) and len(set(map(repr, values))) > 1:
            name = variable(argument, ("in_channels", "in_features", *own))
            default = graphs[0].defaults.get(argument, MISSING)
            default = _plain(default) if default is not MISSING else MISSING
            own[name] = Parameter(name, values, default if is_plain(default) else MISSING)
    sizes = _sizes(graphs)
    if sizes is None:
        return list(own.values())
    name, values = sizes
    said = solve(values, own)
    if said is None or "//" in said.text:
        return [Parameter(name, values), *own.values()]
    return list(own.values())


def _sizes(graphs: tuple[Graph, ...]) -> tuple[str, Values] | None:
    """The channels or features of the first input, where they differ from use to use."""
    shapes = [graph.types[graph.inputs[0].value].shape for graph in graphs if graph.inputs]
    if len(shapes) != len(graphs) or not all(shapes):
        return None
    image = len(shapes[0]) == 3
    sizes = tuple(shape[0 if image else -1] for shape in shapes)
    if not all(isinstance(size, int) for size in sizes) or len(set(sizes)) == 1:
        return None
    return "in_channels" if image else "in_features", sizes


def _plain(value: Any) -> Any:
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple) else value


def _construction(
    group: Group,
    nodes: tuple[Node, ...],
    found: Mapping[str, Family],
    solver: Solver,
    *,
    straight: bool,
) -> str | None:
    """The expression that makes the submodule of one node in all graphs of a group."""
    path = nodes[0].path
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
        return text
    when = condition(present, solver, _channels(group, nodes), path)
    return f"{text} if {when} else nn.Identity()"


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
