"""`--set key=value`: settings from the command line, put into the syntax tree.

They replace what the spec says before anything is elaborated, so an override is
checked like any other value, and its mistakes point at the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dlspec.diagnostics import Report
from dlspec.passes.scope import did_you_mean
from dlspec.passes.searches import argument_names
from dlspec.passes.uses import OpenFile, brought, place_of, with_argument, with_default
from dlspec.source import Source, Span
from dlspec.syntax import parse, tree

_LONGEST_KEY = 200
"""Of a key that names nothing, as messages show it."""
_MOST_LISTED = 8
"""Of what can be set, in the help of a message."""


def override(
    module: tree.Module, overrides: Mapping[str, str], open_file: OpenFile, report: Report
) -> tree.Module:
    """The module with every override applied. Reports E0309 for one that names nothing."""
    used = brought(module, open_file, report) if overrides else {}
    for key, text in overrides.items():
        value = _parsed(key, text, report)
        if value is None:
            continue
        changed = _applied(module, used, key.split("."), value)
        if changed is None:
            _report_unknown(module, used, key, text, report)
        else:
            module = changed
    return module


def _report_unknown(
    module: tree.Module,
    used: Mapping[str, tree.NetworkDeclaration],
    key: str,
    text: str,
    report: Report,
) -> None:
    name = key if len(key) <= _LONGEST_KEY else key[: _LONGEST_KEY - 1] + "…"
    source = Source(f"--set {name}", f"{name}={text}")
    parts = key.split(".")
    given = list(_reached(used, parts, blocks=True))
    if given:
        report.error(
            "E0309",
            Span(source, 0, len(name)),
            f"every use of `{given[0]}` in the file gives `{parts[-1]}` itself",
            help="an override replaces defaults, and what a `train` gives its model",
        )
        return
    keys = list(dict.fromkeys(_keys(module, used)))
    listed = ", ".join(f"`{known}`" for known in keys[:_MOST_LISTED])
    more = ", …" if len(keys) > _MOST_LISTED else ""
    report.error(
        "E0309",
        Span(source, 0, len(name)),
        f"the spec has nothing called `{name}` to set",
        help=did_you_mean(name, keys) or (f"it has {listed}{more}" if keys else None),
    )


def _applied(
    module: tree.Module,
    used: Mapping[str, tree.NetworkDeclaration],
    key: list[str],
    value: tree.Expr,
) -> tree.Module | None:
    """The module with one override; None where it names nothing.

    A name alone is that of a `let`, a setting or the parameter of models; of blocks only where
    no model has it, since their parameters often share the names of those of models.
    """
    own = {
        declaration.name.id: declaration
        for declaration in module.declarations
        if isinstance(declaration, tree.NetworkDeclaration)
    }
    networks = {**used, **own}
    for blocks in (False, True):
        reached = _reached(networks, key, blocks)
        changed = tuple(
            _changed(declaration, key, value, reached, used) for declaration in module.declarations
        )
        pairs = zip(changed, module.declarations, strict=True)
        if any(new is not old for new, old in pairs):
            return module._replace(declarations=changed)
    return None


def _reached(
    networks: Mapping[str, tree.NetworkDeclaration], key: list[str], blocks: bool
) -> dict[str, tree.NetworkDeclaration]:
    """The models, or the blocks too, that have the parameter that a key names."""
    name = key[-1]
    if len(key) == 2 and key[0] in networks:
        chosen = {key[0]: networks[key[0]]}
    elif len(key) == 1:
        chosen = {n: one for n, one in networks.items() if one.is_model or blocks}
    else:
        return {}
    return {n: one for n, one in chosen.items() if name in _names(one)}


def _names(network: tree.NetworkDeclaration) -> tuple[str, ...]:
    return tuple(parameter.name.id for parameter in network.parameters)


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


def _changed(
    declaration: tree.Declaration,
    key: list[str],
    value: tree.Expr,
    reached: Mapping[str, tree.NetworkDeclaration],
    used: Mapping[str, tree.NetworkDeclaration],
) -> tree.Declaration:
    """A declaration with an override, itself where that does not concern it.

    reached: the blocks and models whose parameter it is, those that the file uses among them.
    """
    for name, network in reached.items():
        if name in used and network is used[name]:
            declaration = with_default(declaration, network, key[-1], value)
    if isinstance(declaration, tree.LetDeclaration):
        return declaration._replace(value=value) if key == [declaration.name.id] else declaration
    if isinstance(declaration, tree.NetworkDeclaration):
        own = reached.get(declaration.name.id)
        return declaration if own is None else _with_default(declaration, key[-1], value)
    if isinstance(declaration, tree.TrainDeclaration):
        declaration = _with_model_arguments(declaration, key[-1], value, reached, used)
    heads = _heads(declaration)
    if (
        key[0] in heads
        and len(key) > 1
        and isinstance(declaration, tree.DataDeclaration | tree.TrainDeclaration)
    ):
        body = _with_setting(declaration.body, key[1], key[2:], value)
        return declaration if body is None else declaration._replace(body=body)
    return declaration


def _heads(declaration: tree.Declaration) -> tuple[str, ...]:
    if isinstance(declaration, tree.DataDeclaration):
        return "data", declaration.name.id
    return ("train",) if isinstance(declaration, tree.TrainDeclaration) else ()


def _with_default(
    declaration: tree.NetworkDeclaration, name: str, value: tree.Expr
) -> tree.NetworkDeclaration:
    parameters = tuple(
        parameter._replace(default=value, search=None) if parameter.name.id == name else parameter
        for parameter in declaration.parameters
    )
    return declaration._replace(parameters=parameters)


def _with_model_arguments(
    declaration: tree.TrainDeclaration,
    name: str,
    value: tree.Expr,
    reached: Mapping[str, tree.NetworkDeclaration],
    used: Mapping[str, tree.NetworkDeclaration],
) -> tree.TrainDeclaration:
    """A `train` whose models get another argument: `train Net(depth=18) on …`.

    One that the file declares itself has the value as its default already.
    """
    models = list(declaration.models)
    for number, model in enumerate(models):
        callee = model.callee if isinstance(model, tree.Call) else model
        network = reached.get(callee.id) if isinstance(callee, tree.TypeName) else None
        if network is None:
            continue
        parameters = _names(network)
        arguments = model.arguments if isinstance(model, tree.Call) else ()
        given = place_of(arguments, parameters, name) is not None
        if given or network is used.get(network.name.id):
            models[number] = with_argument(model, parameters, name, value)
    same = all(new is old for new, old in zip(models, declaration.models, strict=True))
    return declaration if same else declaration._replace(models=tuple(models))


def _with_setting(
    body: tree.Body, name: str, rest: list[str], value: tree.Expr
) -> tree.Body | None:
    """The body with `name = value`, or with one argument of its call replaced or added."""
    statements = list(body.statements)
    for number, statement in enumerate(statements):
        if isinstance(statement, tree.StepStatement) and statement.name.id == name and rest:
            inner = _with_setting(statement.body, rest[0], rest[1:], value)
            if inner is None:
                return None
            statements[number] = statement._replace(body=inner)
            return body._replace(statements=tuple(statements))
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
    if isinstance(call, tree.Pipeline) and len(rest) == 2:
        return _with_stage(call, rest[0], rest[1], value)
    if len(rest) != 1 or not isinstance(call, tree.Call | tree.Name | tree.TypeName):
        return None
    callee = call.callee if isinstance(call, tree.Call) else call
    arguments = list(call.arguments) if isinstance(call, tree.Call) else []
    new = tree.Argument(tree.Name(rest[0], value.span), value, None, value.span)
    for number, argument in enumerate(arguments):
        if argument.name is not None and argument.name.id == rest[0]:
            arguments[number] = new
            return tree.Call(callee, tuple(arguments), call.span)
    names = argument_names(callee)
    position = names.index(rest[0]) if rest[0] in names else len(arguments)
    if position < len(arguments) and arguments[position].name is None:
        arguments[position] = tree.Argument(None, value, None, value.span)
        return tree.Call(callee, tuple(arguments), call.span)
    return tree.Call(callee, (*arguments, new), call.span)


def _with_stage(
    pipeline: tree.Pipeline, stage: str, name: str, value: tree.Expr
) -> tree.Expr | None:
    """`data.transform.Resize.size`: an argument of one stage of several."""
    stages = list(pipeline.stages)
    for number, one in enumerate(stages):
        callee = one.callee if isinstance(one, tree.Call) else one
        if isinstance(callee, tree.TypeName) and callee.id == stage:
            new = _with_argument(one, [name], value)
            if new is None:
                return None
            stages[number] = new
            return pipeline._replace(stages=tuple(stages))
    return None


def _keys(module: tree.Module, used: Mapping[str, tree.NetworkDeclaration]) -> Iterator[str]:
    """What can be set, for suggestions: settings and parameters first, then of which block."""
    networks = [d for d in module.declarations if isinstance(d, tree.NetworkDeclaration)]
    networks += used.values()
    for network in networks:
        if network.is_model:
            yield from _names(network)
    for declaration in module.declarations:
        if isinstance(declaration, tree.LetDeclaration):
            yield declaration.name.id
        for head in _heads(declaration)[:1]:
            yield from (f"{head}.{name}" for name in _settings(declaration))
    for network in networks:
        yield from (f"{network.name.id}.{name}" for name in _names(network))


def _settings(declaration: tree.Declaration) -> Iterator[str]:
    if isinstance(declaration, tree.DataDeclaration | tree.TrainDeclaration):
        for statement in declaration.body.statements:
            if isinstance(statement, tree.Bind):
                yield statement.names[0].id
