"""Graphs that differ in numbers alone become one class with constructor arguments.

A family is such a set of graphs. What differs is solved for: a size that equals a block's
own argument, or a multiple of it, is written as that; the rest become arguments of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from dlspec.backends.problem import BackendProblem
from dlspec.backends.torch.names import checked_path, class_name, variable
from dlspec.backends.torch.printer import literal
from dlspec.backends.torch.starting import drawn
from dlspec.backends.torch.steps import layer_form
from dlspec.ir.forms import Argument
from dlspec.ir.graph import CallNode, Graph, LayerNode, Node, ParameterNode, Program

Values: TypeAlias = tuple[Any, ...]
"""One value for each graph of a family."""


class Constructor(NamedTuple):
    """A submodule: `wrap` around `function(values)`. Positional values have names "0", "1" …"""

    path: str
    function: str
    values: Mapping[str, Argument]
    defaults: Mapping[str, Argument]
    wrap: str = "{}"


class Family(NamedTuple):
    """One class: the graphs that it stands for and what its constructor takes.

    arguments:    name of each argument to its value in each graph.
    constructors: path and expression of each submodule, in order.
    """

    name: str
    graphs: tuple[Graph, ...]
    arguments: Mapping[str, Values]
    constructors: tuple[tuple[str, str], ...]
    solver: Solver

    def position(self, key: str) -> int:
        """Which of the graphs has that key."""
        return next(i for i, graph in enumerate(self.graphs) if graph.key == key)


class Solver:
    """Writes values that differ between graphs as expressions of constructor arguments."""

    def __init__(self, graphs: tuple[Graph, ...]) -> None:
        self.count = len(graphs)
        self.known = dict(_known(graphs))
        self.used: dict[str, Values] = {}

    def expression(self, values: Values, wanted: str, likely: str = "") -> str:
        """The literal of what is the same everywhere, an expression, or a new argument.

        wanted: the name of a new argument; likely: that of the argument to try first.
        """
        if len(set(map(repr, values))) == 1:
            return literal(values[0])
        likely_values = self.known.get(likely, ())
        found = (likely, likely) if _equal(values, likely_values) else self.solved(values)
        if found is None:
            name = variable(wanted, [*self.known, *self.used])
            self.known[name] = values
            found = name, name
        name, text = found
        self.used[name] = self.known[name]
        return text

    def solved(self, values: Values) -> tuple[str, str] | None:
        """The argument that gives these values, and how: `width`, `4 * width`, `width // 2`."""
        for name, known in self.known.items():
            if _equal(values, known):
                return name, name
            factor = _factor(values, known)
            if factor is not None:
                return name, f"{factor} * {name}"
        for name, known in self.known.items():
            divisor = _factor(known, values)
            if divisor is not None:
                return name, f"{name} // {divisor}"
        return None


_LEAST_SIZE = 8


def _equal(values: Values, known: Values) -> bool:
    return list(map(repr, known)) == list(map(repr, values))


def _factor(products: Values, values: Values) -> int | None:
    """The whole number that makes products of values, greater than 1, else None.

    Small numbers are multiples of each other by chance, as kernels are of strides.
    """
    if not all(type(value) is int and value >= _LEAST_SIZE for value in (*products, *values)):
        return None
    factor = products[0] // values[0]
    exact = all(p == factor * v for p, v in zip(products, values, strict=True))
    return factor if exact and factor > 1 else None


def _known(graphs: tuple[Graph, ...]) -> Iterator[tuple[str, Values]]:
    """What expressions can be made of: the block's arguments, then the size that flows in."""
    for name in graphs[0].arguments:
        values = tuple(_plain(graph.arguments.get(name)) for graph in graphs)
        if all(_is_numeric(value) for value in values) and len(set(values)) > 1:
            yield variable(name, ("in_channels", "in_features")), values
    shapes = [graph.types[graph.inputs[0].value].shape for graph in graphs if graph.inputs]
    if len(shapes) == len(graphs) and all(shapes):
        image = len(shapes[0]) == 3
        sizes = tuple(shape[0 if image else -1] for shape in shapes)
        if all(isinstance(size, int) for size in sizes) and len(set(sizes)) > 1:
            yield "in_channels" if image else "in_features", sizes


def _plain(value: Any) -> Any:
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple) else value


def _is_numeric(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(_is_numeric(item) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def families(program: Program, key: str, taken: tuple[str, ...]) -> dict[str, Family]:
    """The classes that a model needs by the keys of the graphs, what is called first.

    taken: names that classes cannot have.
    """
    groups: dict[str, list[Graph]] = {}
    signatures: dict[str, str] = {}
    for graph in _reachable(program, key):
        signature = _signature(program, graph, signatures, alone=graph.key == key)
        signatures[graph.key] = signature
        groups.setdefault(signature, []).append(graph)
    found: dict[str, Family] = {}
    names = list(taken)
    for graphs in groups.values():
        name = class_name(graphs[0].name, names)
        names.append(name)
        family = _family(name, tuple(graphs), found)
        found.update((graph.key, family) for graph in graphs)
    return found


def _reachable(program: Program, key: str) -> list[Graph]:
    """The graphs that a model is made of, each behind those that it calls."""
    found: dict[str, Graph] = {}

    def visit(name: str) -> None:
        if name in found:
            return
        graph = program.graphs[name]
        for called in dict.fromkeys(n.graph for n in graph.nodes if isinstance(n, CallNode)):
            visit(called)
        found[name] = graph

    visit(key)
    return list(found.values())


def _signature(
    program: Program, graph: Graph, signatures: Mapping[str, str], *, alone: bool
) -> str:
    """A text that two graphs share where one class can stand for both."""
    nodes = []
    for node in graph.nodes:
        common = (node.path, node.inputs, node.outputs, node.shares)
        if isinstance(node, CallNode):
            nodes.append((*common, signatures[node.graph]))
            continue
        made = constructor(graph, node)
        numbers = made and (
            made.function,
            made.wrap,
            [
                (name, "" if _is_numeric(value) else value)
                for name, value in made.values.items()
                if name not in made.defaults
            ],
        )
        if isinstance(node, LayerNode):
            form = layer_form(graph, node)
            nodes.append(
                (
                    *common,
                    node.layer.kind,
                    node.start,
                    form.forward,
                    form.functional,
                    numbers,
                    [
                        (name, value)
                        for name in type(node.layer).model_fields
                        if not _is_numeric(value := getattr(node.layer, name))
                    ],
                )
            )
        else:
            nodes.append((*common, node.start.kind_name(), numbers))
    ranks = [graph.types[port.value].rank for port in graph.inputs]
    return repr((graph.key if alone else graph.name, graph.inputs, graph.outputs, ranks, nodes))


def constructor(graph: Graph, node: LayerNode | ParameterNode) -> Constructor | None:
    """The submodule or parameter that a node brings; None where it has none of its own."""
    if node.shares is not None:
        return None
    path = checked_path(graph, node.path)
    if isinstance(node, ParameterNode):
        return _parameter(graph, node)
    form = layer_form(graph, node)
    if form.functional is not None or form.module is None:
        return None
    call = form.module
    values = {str(number): value for number, value in enumerate(call.args)} | dict(call.kwargs)
    fields = type(node.layer).model_fields
    # A keyword that PyTorch's call leaves out has the value of the layer's field of that name.
    defaults = {name: value for name in fields if _is_numeric(value := getattr(node.layer, name))}
    return Constructor(path, call.function, values, defaults)


def _parameter(graph: Graph, node: ParameterNode) -> Constructor:
    shape = graph.types[node.outputs[0]].shape
    sizes: dict[str, Argument] = {
        str(number): size for number, size in enumerate(shape) if isinstance(size, int)
    }
    if len(sizes) != len(shape):
        raise BackendProblem(
            "E0415",
            f"the learned tensor `{node.path}` has no fixed shape",
            graph=graph.key,
            node=node.path,
        )
    path = checked_path(graph, node.path)
    function, wrap = drawn(node.start) or ("torch.empty", "{}")
    return Constructor(path, function, sizes or {"0": ()}, {}, f"nn.Parameter({wrap})")


def _family(name: str, graphs: tuple[Graph, ...], found: Mapping[str, Family]) -> Family:
    solver = Solver(graphs)
    constructors: list[tuple[str, str]] = []
    for nodes in zip(*(graph.nodes for graph in graphs), strict=True):
        if nodes[0].shares is None:
            text = _construction(graphs, nodes, found, solver)
            if text is not None:
                constructors.append((nodes[0].path, text))
    first = [name for name in solver.used if name in ("in_channels", "in_features")]
    order = [*first, *(name for name in solver.known if name not in first)]
    arguments = {name: solver.used[name] for name in order if name in solver.used}
    return Family(name, graphs, arguments, tuple(constructors), solver)


def _construction(
    graphs: tuple[Graph, ...], nodes: tuple[Node, ...], found: Mapping[str, Family], solver: Solver
) -> str | None:
    """The expression that makes the submodule of one node in all graphs of a family."""
    if isinstance(nodes[0], CallNode):
        path = checked_path(graphs[0], nodes[0].path)
        inner = found[nodes[0].graph]
        places = [inner.position(node.graph) for node in nodes if isinstance(node, CallNode)]
        written = [
            f"{name}={solver.expression(tuple(values[p] for p in places), name, name)}"
            for name, values in inner.arguments.items()
        ]
        return f"{inner.name}({', '.join(written)})"
    made = [
        constructor(graph, node)
        for graph, node in zip(graphs, nodes, strict=True)
        if not isinstance(node, CallNode)
    ]
    if made[0] is None:
        return None
    path = made[0].path
    fullest = sorted((one.values for one in made if one is not None), key=len, reverse=True)
    names = dict.fromkeys(name for values in fullest for name in values)
    written = []
    for name in names:
        values = tuple(
            one.values.get(name, one.defaults.get(name)) for one in made if one is not None
        )
        text = solver.expression(values, path if name.isdigit() else f"{path}_{name}", name)
        written.append(text if name.isdigit() else f"{name}={text}")
    return made[0].wrap.format(f"{made[0].function}({', '.join(written)})")
