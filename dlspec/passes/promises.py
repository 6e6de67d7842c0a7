"""The promises of a model: `require parameters <= 1_300_000`, checked when its graph stands."""

from __future__ import annotations

from dlspec.diagnostics import Label
from dlspec.ir.dims import SymbolicDim
from dlspec.ir.graph import Graph, Program
from dlspec.passes.builder import GraphBuilder
from dlspec.passes.context import Context, Frame
from dlspec.passes.evaluate import condition, evaluate
from dlspec.passes.measure import shares, totals
from dlspec.passes.scope import Scope
from dlspec.passes.values import Network, Value, contains_unknown
from dlspec.syntax import tree

MEASURES = ("parameters", "macs", "depth")
MOST_PARAMETERS = 10**12


def check_promises(graph: Graph, builder: GraphBuilder, network: Network, context: Context) -> None:
    """Report E0413 for every `require` that does not hold, E0705 for too many parameters."""
    if not graph.is_model and not builder.requirements:
        return
    program = Program.model_construct(graphs=context.graphs, models=(graph.key,))
    total = totals(program, graph)
    parameters = total.parameters
    if isinstance(parameters, int) and parameters > MOST_PARAMETERS:
        context.report.error(
            "E0705",
            network.declaration.name.span,
            f"`{network.name}` has {parameters:,} parameters, more than 10^12",
            labels=_heaviest(program, graph, builder),
        )
    figures: dict[str, Value] = {"parameters": parameters, "macs": total.macs, "depth": total.depth}
    for statement, line in builder.requirements:
        scope = Scope(line.scope)
        for name in MEASURES:
            if line.scope.find(name) is None:
                scope.bind(name, figures[name], None)
        frame = Frame(context, scope, None, line.it, arguments=True)
        value = evaluate(statement.condition, frame)
        if (
            not contains_unknown(value)
            and not condition(value, statement.condition, frame)
            and isinstance(value, bool)
        ):
            heavy = _heaviest(program, graph, builder)
            _broken(statement, frame, context, heavy)


def _heaviest(program: Program, graph: Graph, builder: GraphBuilder) -> tuple[Label, ...]:
    """The node with the most parameters, where there is one."""
    most, path = max(((own, path) for path, own in shares(program, graph)), default=(0, ""))
    if most == 0 or path not in builder.spans:
        return ()
    return (Label(builder.spans[path], f"{most:,} parameters are here"),)


def _broken(
    statement: tree.RequireStatement, frame: Frame, context: Context, heavy: tuple[Label, ...]
) -> None:
    labels: list[Label] = []
    parts: list[tree.Expr] = [statement.condition]
    while parts:
        part = parts.pop()
        if isinstance(part, tree.Binary):
            parts += [part.left, part.right]
        elif isinstance(part, tree.Name | tree.Attribute):
            labels.append(Label(part.span, f"this is {_figure(evaluate(part, frame))}"))
            if isinstance(part, tree.Name) and part.id == "parameters":
                labels += heavy
    context.report.error(
        "E0413",
        statement.condition.span,
        f"this does not hold: `{statement.condition.span.text}`",
        labels=labels,
    )


def _figure(value: Value) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_figure(item) for item in value) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value) if isinstance(value, float | SymbolicDim) else "a value"
