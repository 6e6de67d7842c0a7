"""The steps of a graph's `forward`: each node as an expression, before variables have names.

A graph that ends in an activation which a loss takes over computes what stands before it
in `logits`; its steps then lead to that.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dlspec.backends.problem import BackendProblem
from dlspec.backends.torch.names import checked_path
from dlspec.ir.forms import TorchForm, Unsupported
from dlspec.ir.graph import CallNode, Graph, LayerNode, ParameterNode, Port, Program
from dlspec.layers import snake_case
from dlspec.layers.final import final_layer

IDENTITY = "{0}"


class Step(NamedTuple):
    """`outputs = expression`, the expression over `{0}`, `{1}` … for the inputs.

    types: the names of the values whose types the line shows.
    named: whether the spec names the results.
    light: one tensor in, one of the same type out, without arithmetic worth a line.
    calls: whether it is the use of a block.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    expression: str
    types: tuple[str, ...]
    named: bool
    light: bool = False
    calls: bool = False


class Flow(NamedTuple):
    """The steps that a method needs, in order, and the values that it returns by their names."""

    steps: tuple[Step, ...]
    outputs: tuple[tuple[str, str], ...]
    auxiliary_steps: tuple[Step, ...] = ()
    auxiliaries: tuple[tuple[str, str], ...] = ()


def layer_form(graph: Graph, node: LayerNode) -> TorchForm:
    """How PyTorch says a layer. Raises BackendProblem E0415 where it cannot."""
    form = node.layer.torch(graph.input_types(node), graph.output_types(node))
    if isinstance(form, Unsupported):
        raise BackendProblem(
            "E0415",
            f"`{node.layer.kind}` cannot be expressed in PyTorch because {form.because}",
            graph=graph.key,
            node=node.path,
        )
    return form


def final_expression(program: Program, graph: Graph, value: str) -> str | None:
    """The final activation that makes a value, over `{0}`, where a loss takes it over."""
    found = final_layer(program, graph, value)
    return layer_form(*found).functional if found is not None else None


def has_logits(program: Program, graph: Graph) -> bool:
    """Whether the class of a graph has a method `logits`."""
    return any(final_expression(program, graph, port.value) for port in graph.outputs)


def with_logits(program: Program, graph: Graph) -> frozenset[str]:
    """The keys of the graphs whose classes need a method `logits` for the model's own."""
    if not has_logits(program, graph):
        return frozenset()
    found, ports = {graph.key}, {p.value for p in (*graph.outputs, *graph.auxiliaries)}
    for node in graph.nodes:
        if isinstance(node, CallNode) and ports & set(node.outputs):
            found |= with_logits(program, program.graphs[node.graph])
    return frozenset(found)


def flow(
    program: Program,
    graph: Graph,
    *,
    top: bool,
    peel: bool,
    modules: frozenset[str] = frozenset(),
) -> Flow:
    """What `forward` computes, or `logits`.

    top:     whether the graph is the model itself; one used as a stage leaves out what is
             computed in training alone.
    peel:    whether to leave out the activations that the outputs end in.
    modules: the paths of layers that are submodules whether they need to be or not.
    """
    auxiliaries = graph.auxiliaries if top else ()
    steps: list[Step] = []
    alias: dict[str, str] = {}
    before: dict[str, str] = {}
    wanted = {port.value for port in (*graph.outputs, *auxiliaries)}
    for node in graph.nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if isinstance(node, LayerNode):
            step = _layer_step(graph, node, inputs, peel, modules)
            if step.expression == IDENTITY:
                alias[step.outputs[0]] = inputs[0]
                continue
            if (
                peel
                and step.outputs[0] in wanted
                and final_expression(program, graph, step.outputs[0])
            ):
                before[step.outputs[0]] = inputs[0]
            steps.append(step)
        elif isinstance(node, CallNode):
            inner = program.graphs[node.graph]
            if peel and wanted & set(node.outputs) and has_logits(program, inner):
                steps += _logits_steps(program, graph, node, inputs, before)
            else:
                steps.append(_call_step(program, graph, node, inputs, peel))
        else:
            steps.append(_parameter_step(graph, node, peel))
    sources = alias | before
    return _live(steps, _returned(graph.outputs, sources), _returned(auxiliaries, sources))


def _live(
    steps: list[Step],
    results: tuple[tuple[str, str], ...],
    extra: tuple[tuple[str, str], ...],
) -> Flow:
    """The steps that lead to results, and those that lead to what training alone computes."""
    main = _needed(steps, [value for _, value in results])
    both = _needed(steps, [value for _, value in (*results, *extra)])
    known = {step.outputs for step in main}
    late = tuple(step for step in both if step.outputs not in known)
    return Flow(tuple(main), results, late, extra)


def _returned(ports: tuple[Port, ...], sources: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((port.name, sources.get(port.value, port.value)) for port in ports)


def _needed(steps: list[Step], values: list[str]) -> list[Step]:
    """The steps that lead to values, in order."""
    live, kept = set(values), []
    for step in reversed(steps):
        if live & set(step.outputs):
            live |= set(step.inputs)
            kept.append(step)
    return kept[::-1]


def _module(graph: Graph, node: LayerNode | CallNode | ParameterNode, peel: bool) -> str:
    """The submodule or parameter of a node, by the name that its weights have."""
    path = checked_path(graph, node.shares or node.path)
    if peel and path == "logits":  # the class has a method of that name
        return f'self.{"_parameters" if isinstance(node, ParameterNode) else "_modules"}["logits"]'
    return f"self.{path}"


def _layer_step(
    graph: Graph, node: LayerNode, inputs: tuple[str, ...], peel: bool, modules: frozenset[str]
) -> Step:
    form = layer_form(graph, node)
    expression = form.functional
    if expression is None or node.path in modules:
        expression = form.forward
    if "{m}" in expression:
        expression = expression.replace("{m}", _module(graph, node, peel))
    return Step(
        inputs,
        node.outputs,
        expression,
        node.outputs,
        _is_named(node.path, snake_case(node.layer.kind), node.outputs),
        is_light(graph, node) and expression.count("{0}") == 1,
    )


def is_light(graph: Graph, node: LayerNode) -> bool:
    """Whether a layer leaves the type as it is and costs next to nothing, as activations do."""
    inputs, outputs = graph.input_types(node), graph.output_types(node)
    return len(inputs) == 1 and inputs == outputs and node.layer.cost(inputs, outputs) == 0


def _call_step(
    program: Program,
    graph: Graph,
    node: CallNode,
    inputs: tuple[str, ...],
    peel: bool,
    method: str = "",
) -> Step:
    places = ", ".join(f"{{{number}}}" for number in range(len(inputs)))
    base = snake_case(program.graphs[node.graph].name)
    called = f"{_module(graph, node, peel)}{method}({places})"
    named = _is_named(node.path, base, node.outputs)
    return Step(inputs, node.outputs, called, node.outputs, named, calls=True)


def _logits_steps(
    program: Program, graph: Graph, node: CallNode, inputs: tuple[str, ...], before: dict[str, str]
) -> list[Step]:
    """A block that ends in the activation: its `logits`, and the activation for other uses."""
    call = _call_step(program, graph, node, inputs, True, ".logits")
    raw: list[str] = []
    steps: list[Step] = []
    for value in node.outputs:
        final = final_expression(program, graph, value)
        raw.append(value if final is None else f"{value}_logits")
        if final is not None:
            before[value] = raw[-1]
            steps.append(Step((raw[-1],), (value,), final, (value,), call.named, True))
    return [call._replace(outputs=tuple(raw)), *steps]


def _parameter_step(graph: Graph, node: ParameterNode, peel: bool) -> Step:
    """A learned tensor, the same for every example: `{batch}` is any tensor with the batch."""
    rank = graph.types[node.outputs[0]].rank
    sizes = ", ".join(["len({batch})", *["-1"] * rank])
    named = _is_named(node.path, "parameter", node.outputs)
    expanded = f"{_module(graph, node, peel)}.expand({sizes})"
    return Step((), node.outputs, expanded, node.outputs, named)


def _is_named(path: str, base: str, outputs: tuple[str, ...]) -> bool:
    """Whether the spec gives the results their names, or their node."""
    automatic = re.fullmatch(re.escape(base) + r"\d+", path) is not None
    names = {path, *(f"{path}_{number}" for number in range(len(outputs)))}
    return not (automatic and set(outputs) <= names)
