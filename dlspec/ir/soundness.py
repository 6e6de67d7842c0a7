"""Whether a program that was not made from the text of a spec holds together.

The JSON form is read from run folders and from strangers. Every name in it may become code and
every reference is followed, so both are held to what elaboration makes, before anyone uses them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator
from typing import TypeAlias

from dlspec.ir.alike import alike
from dlspec.ir.dims import Dim, Quotient, substitute, symbols
from dlspec.ir.graph import CallNode, Graph, LayerNode, Node, ParameterNode, Program
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.limits import LARGEST_SIZE, MOST_LAYERS
from dlspec.ir.objectivesoundness import step_faults
from dlspec.ir.starts import chosen, start_problem
from dlspec.ir.training import TrainPlan
from dlspec.ir.types import TensorType

MOST_CALLS_DEEP = 64

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


Infer: TypeAlias = Callable[[Layer, tuple[TensorType, ...]], tuple[TensorType, ...]]


def fault(program: Program, infer: Infer) -> str | None:
    """The first thing that no spec could have made, as a sentence; None where all is sound.

    infer: the types of a layer's results; it raises ShapeProblem where the inputs do not fit
    """
    return next(_faults(program, infer), None)


def _faults(program: Program, infer: Infer) -> Iterator[str]:
    known: dict[str, Graph] = {}
    costs: dict[str, tuple[int, int]] = {}
    for key, graph in program.graphs.items():
        if key != graph.key:
            yield f"a graph is called `{key}` and `{graph.key}`"
        yield from (f"graph `{key}`: {text}" for text in _graph_faults(graph, known, infer))
        layers, depth = costs[key] = _cost(graph, costs)
        if layers > MOST_LAYERS:
            yield f"graph `{key}` has more than {MOST_LAYERS:,} layers"
        if depth > MOST_CALLS_DEEP:
            yield f"graph `{key}` calls others more than {MOST_CALLS_DEEP} deep"
        known[key] = graph
    for key in program.models:
        if key not in known or not known[key].is_model:
            yield f"there is no model `{key}`"
    for name, data in program.data.items():
        if name != data.name or not _NAME.fullmatch(name):
            yield f"`{name}` cannot be the name of data called `{data.name}`"
    for plan in program.trains:
        yield from (f"a `train` of `{plan.model}`: {text}" for text in _train(program, plan))


def _cost(graph: Graph, costs: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """How many layers a graph has with its calls unfolded, and how deep they go."""
    inner = [costs.get(n.graph, (0, 0)) for n in graph.nodes if isinstance(n, CallNode)]
    layers = len(graph.nodes) - len(inner) + sum(layers for layers, _ in inner)
    return layers, 1 + max((depth for _, depth in inner), default=0)


def _graph_faults(graph: Graph, known: dict[str, Graph], infer: Infer) -> Iterator[str]:
    ports = (*graph.inputs, *graph.outputs, *graph.auxiliaries)
    names = [graph.key, graph.name, *graph.arguments, *graph.types]
    yield from _bad_names([*names, *(port.name for port in ports)])
    yield from (text for type_ in graph.types.values() for text in _type_faults(type_))
    values = {port.value for port in graph.inputs}
    yield from _missing(graph.types, values)
    nodes: dict[str, Node] = {}
    for node in graph.nodes:
        yield from _bad_names([node.path])
        yield from _missing(values, node.inputs)
        yield from (f"the value `{name}` is made twice" for name in node.outputs if name in values)
        yield from _missing(graph.types, node.outputs)
        if node.path in nodes:
            yield f"two nodes are called `{node.path}`"
        if node.shares is not None and not _alike(node, nodes.get(node.shares), known):
            yield f"`{node.path}` cannot use the weights of `{node.shares}`"
        if not _types_hold(graph, node, known, infer):
            yield f"the types around `{node.path}` are not what it makes of its inputs"
        elif not _starts(graph, node):
            yield f"the weights of `{node.path}` cannot start so"
        values.update(node.outputs)
        nodes[node.path] = node
    yield from _missing(values, (port.value for port in ports))
    if graph.is_model and not (graph.inputs and graph.outputs):
        yield "a model needs an input and an output"


def _bad_names(names: Iterable[str]) -> Iterator[str]:
    return (f"`{name[:80]}` is not a name" for name in names if not _NAME.fullmatch(name))


def _missing(known: Container[str], names: Iterable[str]) -> Iterator[str]:
    return (f"there is no value `{name[:80]}` yet" for name in names if name not in known)


def _type_faults(type_: TensorType) -> Iterator[str]:
    for dim in type_.shape:
        if isinstance(dim, int):
            if not 1 <= dim <= LARGEST_SIZE:
                yield f"{dim} is not a size"
        elif not _canonical(dim):
            yield "a size known only at run time is not in its one form"


def _canonical(dim: Dim) -> bool:
    """Whether a size is as arithmetic makes it, from symbols that are names."""
    if isinstance(dim, int):
        return True
    quotients = [f for term in dim.terms for f in term.factors if isinstance(f, Quotient)]
    return (
        all(one.divisor > 0 for one in quotients)
        and all(_canonical(one.numerator) for one in quotients)
        and all(_NAME.fullmatch(name) for name in symbols(dim))
        and substitute(dim, {}) == dim
    )


def _alike(node: Node, other: Node | None, known: dict[str, Graph]) -> bool:
    """Whether two nodes have weights of the same kind."""
    if isinstance(node, CallNode) and isinstance(other, CallNode):
        one, first = known.get(node.graph), known.get(other.graph)
        return one is not None and first is not None and alike(one, first, known)
    if isinstance(node, LayerNode) and isinstance(other, LayerNode):
        return node.layer.owner == other.layer.owner
    return False


def _types_hold(graph: Graph, node: Node, known: dict[str, Graph], infer: Infer) -> bool:
    inputs, outputs = graph.input_types(node), graph.output_types(node)
    if isinstance(node, ParameterNode):
        return not inputs and len(outputs) == 1 and outputs[0].dtype == "float"
    if isinstance(node, CallNode):
        called = known.get(node.graph)
        return (
            called is not None
            and inputs == tuple(called.types[port.value] for port in called.inputs)
            and outputs == tuple(called.types[port.value] for port in called.outputs)
        )
    least, most = node.layer.inputs
    if len(inputs) < least or (most is not None and len(inputs) > most):
        return False
    try:
        return infer(node.layer, inputs) == outputs
    except ShapeProblem:
        return False


def _starts(graph: Graph, node: Node) -> bool:
    """Whether the weights of a node are its own and can start as it says."""
    if isinstance(node, ParameterNode):
        (type_,) = graph.output_types(node)
        sizes = tuple(size for size in type_.shape if isinstance(size, int))
        return len(sizes) == type_.rank and start_problem(node.start, node.path, (sizes,)) is None
    if not isinstance(node, LayerNode) or node.layer.tied is not None:
        return not isinstance(node, LayerNode) or (node.shares is not None and node.start is None)
    if node.start is None:
        return True
    inputs = graph.input_types(node)
    shapes = node.layer.weights(inputs)
    named = tuple(shapes[name] for name in chosen(node.layer, inputs))
    return node.shares is None and start_problem(node.start, node.path, named) is None


def _train(program: Program, plan: TrainPlan) -> Iterator[str]:
    graph = program.graphs.get(plan.model)
    if graph is None or not graph.is_model:
        yield "there is no such model"
        return
    if plan.data not in program.data:
        yield f"there is no data `{plan.data[:80]}`"
    yield from _bad_names([plan.target, *plan.feeds.values()])
    if plan.output not in {port.name for port in graph.outputs}:
        yield f"the model has no output `{plan.output[:80]}`"
    if set(plan.feeds) != {port.name for port in graph.inputs}:
        yield "`feeds` does not name the model's inputs"
    yield from step_faults(program, plan)
    measured = {*plan.losses, *(metric.kind for metric in plan.metrics if metric.number)}
    for required in plan.requires:
        if required.metric not in measured:
            yield f"it does not measure `{required.metric[:80]}`"
