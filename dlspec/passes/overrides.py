"""`--set key=value`: settings from the command line, put into the syntax tree.

They replace what the spec says before anything is elaborated, so an override is
checked like any other value, and its mistakes point at the command line.
"""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.diagnostics import Report
from dlspec.ir.data import AnySource, AnyTransform
from dlspec.ir.losses import AnyLoss
from dlspec.ir.metrics import AnyMetric
from dlspec.ir.optimizers import AnyOptimizer
from dlspec.ir.schedules import AnySchedule
from dlspec.passes.options import classes_of
from dlspec.passes.scope import did_you_mean
from dlspec.source import Source, Span
from dlspec.syntax import parse, tree

_LONGEST_KEY = 200
"""Of a key that names nothing, as messages show it."""


def override(module: tree.Module, overrides: Mapping[str, str], report: Report) -> tree.Module:
    """The module with every override applied. Reports E0309 for one that names nothing."""
    for key, text in overrides.items():
        value = _parsed(key, text, report)
        if value is None:
            continue
        declarations, applied = _apply(module.declarations, key.split("."), value)
        if not applied:
            name = key if len(key) <= _LONGEST_KEY else key[: _LONGEST_KEY - 1] + "…"
            source = Source(f"--set {name}", f"{name}={text}")
            report.error(
                "E0309",
                Span(source, 0, len(name)),
                f"the spec has nothing called `{name}` to set",
                help=did_you_mean(name, _keys(module)),
            )
        module = module._replace(declarations=declarations)
    return module


def _parsed(key: str, text: str, report: Report) -> tree.Expr | None:
    source = Source(f"--set {key}", f"let value = {text}\n")
    inner = Report()
    parsed = parse(source, inner)
    for diagnostic in inner.diagnostics:
        report.add(diagnostic)
    declarations = parsed.declarations
    if inner.failed or len(declarations) != 1:
        if not inner.failed:
            report.error("E0101", Span(source, 0, len(source.text)), "a value is expected here")
        return None
    let = declarations[0]
    return let.value if isinstance(let, tree.LetDeclaration) else None


def _apply(
    declarations: tuple[tree.Declaration, ...], key: list[str], value: tree.Expr
) -> tuple[tuple[tree.Declaration, ...], bool]:
    applied = False
    result: list[tree.Declaration] = []
    for declaration in declarations:
        changed = _changed(declaration, key, value)
        applied = applied or changed is not None
        result.append(declaration if changed is None else changed)
    return tuple(result), applied


def _changed(
    declaration: tree.Declaration, key: list[str], value: tree.Expr
) -> tree.Declaration | None:
    if isinstance(declaration, tree.LetDeclaration):
        return declaration._replace(value=value) if key == [declaration.name.id] else None
    if isinstance(declaration, tree.NetworkDeclaration) and declaration.is_model:
        rest = key[1:] if key[0] == declaration.name.id else key
        return _with_default(declaration, rest[0], value) if len(rest) == 1 else None
    if isinstance(declaration, tree.TrainDeclaration) and "train" not in key[:-1]:
        return _with_model_argument(declaration, key, value)
    heads = _heads(declaration)
    if (
        key[0] in heads
        and len(key) > 1
        and isinstance(declaration, tree.DataDeclaration | tree.TrainDeclaration)
    ):
        body = _with_setting(declaration.body, key[1], key[2:], value)
        return None if body is None else declaration._replace(body=body)
    return None


def _heads(declaration: tree.Declaration) -> tuple[str, ...]:
    if isinstance(declaration, tree.DataDeclaration):
        return "data", declaration.name.id
    return ("train",) if isinstance(declaration, tree.TrainDeclaration) else ()


def _with_default(
    declaration: tree.NetworkDeclaration, name: str, value: tree.Expr
) -> tree.NetworkDeclaration | None:
    if all(parameter.name.id != name for parameter in declaration.parameters):
        return None
    parameters = tuple(
        parameter._replace(default=value, search=None) if parameter.name.id == name else parameter
        for parameter in declaration.parameters
    )
    return declaration._replace(parameters=parameters)


def _with_model_argument(
    declaration: tree.TrainDeclaration, key: list[str], value: tree.Expr
) -> tree.TrainDeclaration | None:
    """The `train` whose model is given another argument: `train Net(depth=18) on …`."""
    models = list(declaration.models)
    changed = False
    for number, model in enumerate(models):
        if not isinstance(model, tree.Call) or key[:-1] not in ([], [model.callee.span.text]):
            continue
        arguments = tuple(
            argument._replace(value=value, search=None)
            if argument.name is not None and argument.name.id == key[-1]
            else argument
            for argument in model.arguments
        )
        changed = changed or arguments != model.arguments
        models[number] = model._replace(arguments=arguments)
    return declaration._replace(models=tuple(models)) if changed else None


def _with_setting(
    body: tree.Body, name: str, rest: list[str], value: tree.Expr
) -> tree.Body | None:
    """The body with `name = value`, or with one argument of its call replaced or added."""
    statements = list(body.statements)
    for number, statement in enumerate(statements):
        if not isinstance(statement, tree.Bind) or [n.id for n in statement.names] != [name]:
            continue
        new = value if not rest else _with_argument(statement.value, rest, value)
        if new is None:
            return None
        statements[number] = statement._replace(value=new, search=None)
        return body._replace(statements=tuple(statements))
    if rest:
        return None
    # `--set train.steps=…` names a setting that the spec leaves to its default.
    added = tree.Bind((tree.Name(name, value.span),), value, value.span)
    return body._replace(statements=(*statements, added))


def _with_argument(call: tree.Expr, rest: list[str], value: tree.Expr) -> tree.Expr | None:
    if len(rest) != 1 or not isinstance(call, tree.Call | tree.Name | tree.TypeName):
        return None
    callee = call.callee if isinstance(call, tree.Call) else call
    arguments = list(call.arguments) if isinstance(call, tree.Call) else []
    new = tree.Argument(tree.Name(rest[0], value.span), value, None, value.span)
    for number, argument in enumerate(arguments):
        if argument.name is not None and argument.name.id == rest[0]:
            arguments[number] = new
            return tree.Call(callee, tuple(arguments), call.span)
    names = _argument_names(callee)
    position = names.index(rest[0]) if rest[0] in names else len(arguments)
    if position < len(arguments) and arguments[position].name is None:
        arguments[position] = tree.Argument(None, value, None, value.span)
        return tree.Call(callee, tuple(arguments), call.span)
    return tree.Call(callee, (*arguments, new), call.span)


def _argument_names(callee: tree.Name | tree.TypeName | tree.Expr) -> tuple[str, ...]:
    """The arguments, in order, of the loss, optimizer, source … that is called."""
    families = (AnyLoss, AnyOptimizer, AnySchedule, AnyMetric, AnySource, AnyTransform)
    for cls in (cls for family in families for cls in classes_of(family)):
        if isinstance(callee, tree.Name | tree.TypeName) and cls.kind_name() == callee.id:
            return cls.argument_names()
    return ()


def _keys(module: tree.Module) -> list[str]:
    """What can be set, for suggestions."""
    keys: list[str] = []
    for declaration in module.declarations:
        if isinstance(declaration, tree.LetDeclaration):
            keys.append(declaration.name.id)
        elif isinstance(declaration, tree.NetworkDeclaration) and declaration.is_model:
            keys += [parameter.name.id for parameter in declaration.parameters]
        elif isinstance(declaration, tree.DataDeclaration | tree.TrainDeclaration):
            head = _heads(declaration)[0]
            keys += [
                f"{head}.{statement.names[0].id}"
                for statement in declaration.body.statements
                if isinstance(statement, tree.Bind)
            ]
    return keys
