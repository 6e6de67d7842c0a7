"""Which graphs one class can stand for: those that differ in numbers, or lack a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from dlspec.backends.torch.constructors import constructor
from dlspec.backends.torch.merging import without_numbers
from dlspec.backends.torch.optional import padded
from dlspec.backends.torch.steps import layer_form
from dlspec.ir.graph import CallNode, Graph, LayerNode, Program

NOTHING: frozenset[str] = frozenset()


class Group(NamedTuple):
    """Graphs of one class, and the paths of what each lacks."""

    graphs: list[Graph]
    gaps: list[frozenset[str]]

    @property
    def whole(self) -> Graph:
        """The graph that has every node."""
        return self.graphs[0]

    @property
    def optional(self) -> frozenset[str]:
        """The paths of what some of the graphs lack."""
        return NOTHING.union(*self.gaps)

    def take(self, graph: Graph, gaps: frozenset[str] = NOTHING) -> None:
        """Add a graph."""
        self.graphs.append(graph)
        self.gaps.append(gaps)


def by_name(program: Program, key: str) -> list[list[Graph]]:
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


def groups(
    graphs: list[Graph],
    signatures: Mapping[str, str],
    *,
    exact: bool,
    accepts: Callable[[Group], bool],
) -> Iterator[Group]:
    """The graphs of one declaration in as few groups as one class each can stand for.

    signatures: the classes of what they call; exact: whether all numbers in `forward` tell
    graphs apart; accepts: whether a group in which uses lack stages makes a good class.
    """
    alike: dict[str, Group] = {}
    for graph in graphs:
        signature = _signature(graph, signatures, exact=exact)
        if signature in alike:
            alike[signature].take(graph)
        else:
            alike[signature] = Group([graph], [NOTHING])
    waiting = sorted(alike.values(), key=lambda group: -len(group.whole.nodes))
    while waiting:
        group, *others = waiting
        waiting = []
        for other in others:
            joined = None if exact else _joined(group, other, signatures)
            if joined is not None and accepts(joined):
                group = joined
            else:
                waiting.append(other)
        yield group


def _joined(group: Group, other: Group, signatures: Mapping[str, str]) -> Group | None:
    """A group with the graphs of another that lack some of its stages, if they only do."""
    joined = Group([*group.graphs], [*group.gaps])
    for graph in other.graphs:
        found = padded(graph, group.whole)
        if found is None:
            return None
        whole, gaps = found
        if _signature(whole, signatures, gaps) != _signature(group.whole, signatures, gaps):
            return None
        joined.take(whole, gaps)
    return joined


def _signature(
    graph: Graph,
    signatures: Mapping[str, str],
    gaps: frozenset[str] = NOTHING,
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
