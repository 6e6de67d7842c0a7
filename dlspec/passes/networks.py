"""Blocks and models made into graphs, once for each distinct use."""

from __future__ import annotations

from dlspec.diagnostics import Label
from dlspec.ir.dims import Dim, SymbolicDim, substitute
from dlspec.ir.graph import Graph
from dlspec.ir.types import TensorType
from dlspec.passes.body import note_unused, run_statements
from dlspec.passes.builder import GraphBuilder, ports
from dlspec.passes.context import Context, Frame, Instance, NoIt
from dlspec.passes.evaluate import evaluate
from dlspec.passes.promises import check_promises
from dlspec.passes.scope import Scope
from dlspec.passes.search import check_search
from dlspec.passes.stages import at_home
from dlspec.passes.tensortypes import tensor_type
from dlspec.passes.values import (
    Network,
    NetworkStage,
    Tensor,
    Value,
    Word,
    contains_unknown,
    describe,
)
from dlspec.source import Span
from dlspec.syntax import tree

_OF_A_USE = ("E03", "E04", "E07")
"""Families of mistakes that arguments or input types of a block may have brought about."""

SEVERAL_INPUTS = "`it` has no value here: there are several inputs, so name the one you mean"


def instantiate(
    stage: NetworkStage,
    inputs: tuple[TensorType, ...],
    context: Context,
    values: tuple[Tensor, ...],
) -> Instance:
    """The instance of a block or model for arguments and input types, made at its first use.

    values: what flows in, for messages
    """
    network = stage.network
    if network in context.active:
        names = [*(n.name for n in context.active[context.active.index(network) :]), network.name]
        context.report.error(
            "E0209",
            stage.span,
            f"the {network.noun} `{network.name}` uses "
            "itself: " + " uses ".join(f"`{n}`" for n in names),
        )
        return Instance(None)
    key = (network, stage.arguments, inputs, context.start)
    if key not in context.instances:
        context.active.append(network)
        context.check_nesting(stage.span)
        try:
            before = len(context.report.diagnostics)
            context.instances[key] = _build(stage, inputs, context, values)
            if stage.span != network.declaration.name.span:
                use = Label(stage.span, f"in this use of `{network.name}`")
                context.report.label_since(before, use, _OF_A_USE)
        finally:
            context.active.pop()
    return context.instances[key]


def model_inputs(stage: NetworkStage, context: Context) -> tuple[TensorType, ...] | None:
    """The declared input types of a model that stands alone. None after a mistake."""
    network = stage.network
    declared = _declared_inputs(network)
    if not declared:
        context.report.error(
            "E0211",
            network.declaration.name.span,
            f"the model `{network.name}` has no input",
            help="begin it with `input image: float[1, 28, 28]`, for example",
        )
        return None
    scope = _parameter_scope(network, stage.arguments, context, stage.span)
    if scope is None:
        return None
    frame = Frame(context, scope, None, NoIt("an input's type cannot use `it`"))
    types = [tensor_type(statement.type, frame) for statement in declared]
    found = tuple(type for type in types if type is not None)
    return found if len(found) == len(types) else None


def _declared_inputs(network: Network) -> list[tree.InputStatement]:
    return [s for s in network.declaration.body.statements if isinstance(s, tree.InputStatement)]


def _build(
    stage: NetworkStage,
    inputs: tuple[TensorType, ...],
    context: Context,
    values: tuple[Tensor, ...],
) -> Instance:
    network = stage.network
    before = len(context.report.diagnostics)
    scope = _parameter_scope(network, stage.arguments, context, stage.span)
    builder = GraphBuilder()
    if scope is None:
        return Instance(None)
    it = _bind_inputs(stage, inputs, builder, scope, context, values)
    if it is None:
        return Instance(None)
    body = Scope(scope)
    frame = Frame(context, scope, builder, it)
    result = run_statements(network.declaration.body, frame, body)
    note_unused(scope, frame)
    finished = _outputs(network, builder, result, body, context)
    if not finished or any(d.severity == "error" for d in context.report.diagnostics[before:]):
        return Instance(None)
    return _finish(network, scope, builder, context)


def _finish(network: Network, scope: Scope, builder: GraphBuilder, context: Context) -> Instance:
    key, number = network.name, 1
    while key in context.graphs:
        number += 1
        key = f"{network.name}{number}"
    declaration = network.declaration
    arguments = {p.name.id: _json(scope.names[p.name.id].value) for p in declaration.parameters}
    defaults = {
        p.name.id: p.default.id if isinstance(p.default, tree.Name) else p.default.value
        for p in declaration.parameters
        if isinstance(p.default, tree.Number | tree.Bool | tree.String)
        or (isinstance(p.default, tree.Name) and scope.find(p.default.id) is None)
    }
    graph = Graph.model_construct(
        key=key,
        name=network.name,
        is_model=declaration.is_model,
        arguments=arguments,
        defaults=defaults,
        documentation=declaration.documentation,
        inputs=ports(builder.inputs),
        nodes=builder.nodes(),
        outputs=ports(builder.outputs),
        auxiliaries=ports(builder.auxiliaries),
        types=builder.types(),
    )
    context.graphs[key] = graph
    context.spans.update({(key, path): span for path, span in builder.spans.items()})
    kept, lost = builder.lines()
    context.kept |= kept
    context.lost |= lost
    check_promises(graph, builder, network, context)
    return Instance(key, tuple(value.type for _, value in builder.outputs), builder.layers)


def _json(value: Value) -> bool | int | float | str | list[object] | None:
    """An argument as the IR keeps it, for readers; stages by their names."""
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    return value.id if isinstance(value, Word) else describe(value).replace("`", "")


# --- parameters and inputs ---------------------------------------------------------


def _parameter_scope(
    network: Network, arguments: tuple[tuple[str, Value], ...], context: Context, span: Span
) -> Scope | None:
    """The scope of a declaration with its parameters bound, defaults evaluated in order."""
    scope = Scope(network.scope, boundary=True)
    given = dict(arguments)
    frame = Frame(context, scope, None, NoIt("a default cannot use `it`"), arguments=True)
    good = True
    for parameter in network.declaration.parameters:
        name = parameter.name.id
        if name in scope.names:
            context.report.error("E0203", parameter.span, f"the parameter `{name}` stands twice")
            return None
        if name in given:
            value = given[name]
        elif parameter.default is not None:
            value = evaluate(parameter.default, frame)
            if parameter.search is not None:
                check_search(value, parameter.search, frame, evaluate)
        else:
            context.report.error(
                "E0302",
                span,
                f"`{network.name}` needs `{name}`",
                labels=[Label(parameter.span, "this parameter has no default")],
                help=f"give it with `--set {name}=…`, or write a default",
            )
            return None
        good = good and not contains_unknown(value)
        scope.bind(name, value, parameter.span, "parameter")
    return scope if good else None


def _bind_inputs(
    stage: NetworkStage,
    types: tuple[TensorType, ...],
    builder: GraphBuilder,
    scope: Scope,
    context: Context,
    values: tuple[Tensor, ...],
) -> Value | NoIt | None:
    """Make the inputs; what `it` begins as. None after a mistake."""
    network, span = stage.network, stage.span
    declared = _declared_inputs(network)
    if not declared:
        names = ["x"] if len(types) == 1 else [f"x{i + 1}" for i in range(len(types))]
        made = tuple(
            builder.input(name, type, span) for name, type in zip(names, types, strict=True)
        )
        return made[0] if len(made) == 1 else made
    if len(declared) != len(types):
        flow = "1 tensor flows" if len(types) == 1 else f"{len(types)} tensors flow"
        plural = "s" if len(declared) > 1 else ""
        context.report.error(
            "E0407",
            span,
            f"`{network.name}` has {len(declared)} input{plural}; {flow} in",
            labels=[Label(declared[0].span, "declared here")],
        )
        return None
    symbols: dict[str, Dim] = {}
    found: list[Tensor] = []
    for number, (statement, type) in enumerate(zip(declared, types, strict=True)):
        origin = [Label(v.span, f"this is {type}") for v in values[number : number + 1]]
        if not _unify(stage, statement, type, symbols, scope, context, origin):
            return None
        found.append(builder.input(statement.name.id, type, statement.span))
        kind = "input" if len(declared) == 1 else "value"
        scope.bind(statement.name.id, found[-1], statement.name.span, kind)
    return found[0] if len(found) == 1 else NoIt(SEVERAL_INPUTS)


def _unify(
    stage: NetworkStage,
    statement: tree.InputStatement,
    given: TensorType,
    symbols: dict[str, Dim],
    scope: Scope,
    context: Context,
    origin: list[Label],
) -> bool:
    """Whether a type fits a declared input, whose name must be free.

    The declaration's symbols take the sizes that stand in their place.
    """
    frame = Frame(context, scope, None, NoIt("an input's type cannot use `it`"))
    wanted = tensor_type(statement.type, frame)
    if wanted is None:
        return False
    name = statement.name
    if name.id in scope.names:
        context.report.error("E0203", name.span, f"the name `{name.id}` is taken")
        return False
    fits = wanted.dtype == given.dtype and wanted.rank == given.rank
    if fits:
        for want, have in zip(wanted.shape, given.shape, strict=True):
            if isinstance(want, SymbolicDim):
                want = substitute(want, symbols)
            if isinstance(want, SymbolicDim) and str(want)[1:].isidentifier():
                symbols[str(want)[1:]] = have
            elif want != have:
                fits = False
    if not fits:
        context.report.error(
            "E0402",
            stage.span,
            f"the input `{name.id}` of `{stage.network.name}` is {wanted}; {given} flows in",
            labels=[Label(statement.span, f"declared as {wanted}"), *origin],
        )
    return fits


def _outputs(
    network: Network, builder: GraphBuilder, result: Value, scope: Scope, context: Context
) -> bool:
    """Settle the outputs: those declared, else the last `it`. Reports E0412 where none is."""
    if builder.outputs_unknown or contains_unknown(result):
        return False
    if builder.outputs:
        return True
    values = result if isinstance(result, tuple) and result else (result,)
    if not all(isinstance(value, Tensor) for value in values):
        context.report.error(
            "E0412",
            network.declaration.name.span,
            f"the {network.noun} `{network.name}` has no value at its end",
            help="end it with a line that makes a tensor, or declare an `output`",
        )
        return False
    found = tuple(value for value in values if isinstance(value, Tensor))
    frame = Frame(context, scope, builder, NoIt(""))
    if not at_home(found, network.declaration.name.span, frame):
        return False
    for number, value in enumerate(found):
        name = "output" if len(found) == 1 else f"output{number + 1}"
        builder.outputs.append((name, value))
    return True
