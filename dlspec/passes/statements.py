"""The statements of a body that are no expressions: what each of them does."""

from __future__ import annotations

from typing import Any

from dlspec.diagnostics import Label
from dlspec.ir.starts import Start, Zeros, start_problem
from dlspec.ir.types import TensorType
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate, evaluate_flow
from dlspec.passes.stages import at_home, bind
from dlspec.passes.starts import read_start
from dlspec.passes.tensortypes import tensor_type
from dlspec.passes.values import (
    UNKNOWN,
    Composition,
    LayerStage,
    NetworkStage,
    SharedUse,
    Tensor,
    Unknown,
    Value,
    contains_unknown,
    describe,
)
from dlspec.syntax import tree


def bind_names(statement: tree.Bind, line: Frame) -> None:
    names = statement.names
    path = names[0].id if len(names) == 1 and names[0].id != "_" else None
    value = evaluate_flow(statement.value, line, path)
    if statement.search is not None:
        line.report.error(
            "E0310", statement.search.span, "search ranges belong to parameters and settings"
        )
    if len(names) == 1:
        bind(names[0], value, line)
        return
    if contains_unknown(value):
        value = tuple(UNKNOWN for _ in names)
    if not isinstance(value, tuple) or len(value) != len(names):
        has = f"{len(value)} results" if isinstance(value, tuple) else "one result"
        line.report.error(
            "E0407",
            names[0].span.to(names[-1].span),
            f"{len(names)} names for {has}",
            labels=[Label(statement.value.span, f"this has {has}")],
        )
        value = tuple(UNKNOWN for _ in names)
    for name, part in zip(names, value, strict=True):
        bind(name, part, line)


def layer(statement: tree.LayerStatement, line: Frame) -> None:
    value = evaluate(statement.value, line.as_argument())
    if isinstance(value, LayerStage):
        value = value.sharing(SharedUse(statement.name.id, line.builder))
    elif isinstance(value, NetworkStage):
        use = SharedUse(statement.name.id, line.builder)
        value = NetworkStage(value.network, value.arguments, value.span, use)
    elif not contains_unknown(value):
        what = "a pipeline" if isinstance(value, Composition) else describe(value)
        line.report.error(
            "E0411",
            statement.value.span,
            f"`layer` names one layer, block or model, not {what}",
            help="put a pipeline into a `block` of its own",
        )
        value = UNKNOWN
    bind(statement.name, value, line)


def parameter(statement: tree.ParameterStatement, line: Frame) -> None:
    type = tensor_type(statement.type, line)
    start = _start(statement, type, line)
    if type is None or isinstance(start, Unknown) or line.builder is None:
        bind(statement.name, UNKNOWN, line)
        return
    value = line.builder.parameter(statement.name.id, type, start, statement.span)
    bind(statement.name, value, line)


def _start(
    statement: tree.ParameterStatement, type: TensorType | None, line: Frame
) -> Start | Unknown:
    """How a learned tensor starts, unless it can be none. Reports E0303, E0406, E0410."""
    name = statement.name.id
    start = Zeros.model_construct()
    if statement.initial is not None:
        given = read_start(statement.initial, f"`{name}`", line, evaluate)
        if isinstance(given, Unknown):
            return UNKNOWN
        start = given or start
    if type is None:
        return UNKNOWN
    sizes = tuple(size for size in type.shape if isinstance(size, int))
    problem = start_problem(start, name, (sizes,))
    if type.dtype != "float":
        line.report.error(
            "E0406", statement.type.span, f"a learned tensor holds floats; `{name}` is {type}"
        )
    elif len(sizes) != type.rank:
        line.report.error(
            "E0410",
            statement.type.span,
            f"a learned tensor has a fixed shape; {type.shape_text()} is known only at run time",
        )
    elif problem is not None:
        span = statement.span if statement.initial is None else statement.initial.span
        line.report.error("E0303", span, problem)
    else:
        return start
    return UNKNOWN


def output(statement: tree.OutputStatement, line: Frame) -> Value | None:
    if line.builder is None:
        return None
    if statement.value is not None:
        value = evaluate_flow(statement.value, line)
    else:
        binding = line.scope.find(statement.name.id)
        if binding is not None:
            binding.used = True
        value = binding.value if binding is not None else line.current(statement.span)
    if contains_unknown(value):
        line.builder.outputs_unknown = True
        return None
    if not isinstance(value, Tensor):
        line.report.error(
            "E0411", statement.span, f"an output is one tensor, not {describe(value)}"
        )
        line.builder.outputs_unknown = True
        return None
    if not at_home((value,), statement.span, line):
        line.builder.outputs_unknown = True
        return None
    _add_output(statement, value, line)
    return None


def _add_output(statement: tree.OutputStatement, value: Tensor, line: Frame) -> None:
    builder = line.builder
    assert builder is not None
    name = statement.name.id
    if any(name == other for other, _ in (*builder.outputs, *builder.auxiliaries)):
        line.report.error("E0203", statement.name.span, f"there is an output `{name}` already")
        return
    (builder.auxiliaries if statement.auxiliary else builder.outputs).append((name, value))
    if statement.value is not None and line.scope.in_declaration(name) is None:
        if builder.drafts and value in builder.drafts[-1].outputs:
            builder.rename(value, name)
        line.scope.bind(name, value, statement.name.span, "output")


def require(statement: tree.RequireStatement, line: Frame) -> None:
    if line.builder is not None:
        line.builder.requirements.append((statement, line))


def nested_input(statement: tree.InputStatement, line: Frame) -> None:
    """Inputs are declared before a body runs; a nested one is reported here."""
    if line.scope.find(statement.name.id) is None:
        line.report.error(
            "E0109",
            statement.span,
            "an input is declared at the top level of a model or block, not inside braces",
        )


def misplaced(statement: Any, line: Frame) -> None:
    word = "minimize" if isinstance(statement, tree.MinimizeStatement) else "step"
    line.report.error("E0109", statement.span, f"`{word}` belongs in a `train`, not in a network")


def broken(statement: tree.ErrorStatement, line: Frame) -> Value | None:
    return UNKNOWN
