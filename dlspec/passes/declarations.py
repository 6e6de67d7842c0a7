"""The declarations of a file and of the files it uses, as a scope of names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dlspec.diagnostics import Label, Report
from dlspec.passes.context import Context, Frame, NoIt
from dlspec.passes.evaluate import evaluate
from dlspec.passes.scope import Scope, did_you_mean
from dlspec.passes.uses import OpenFile
from dlspec.passes.values import UNKNOWN, Network
from dlspec.syntax import tree


@dataclass(eq=False)
class Declarations:
    """A file's names: the scope that bodies stand in, and what is not a value."""

    scope: Scope
    networks: list[Network] = field(default_factory=list[Network])
    data: dict[str, tree.DataDeclaration] = field(default_factory=dict[str, tree.DataDeclaration])
    trains: list[tree.TrainDeclaration] = field(default_factory=list[tree.TrainDeclaration])
    broken: set[str] = field(default_factory=set[str])


def collect(
    module: tree.Module, context: Context, open_file: OpenFile, trail: tuple[Path, ...]
) -> Declarations:
    """The declarations of a file. `trail` is the chain of files that led here, for circles."""
    found = Declarations(Scope(context.scope_of_builtins, boundary=True))
    for declaration in module.declarations:
        if isinstance(declaration, tree.NetworkDeclaration):
            network = Network(declaration, found.scope)
            found.networks.append(network)
            _declare(declaration.name, network, found, context.report)
        elif isinstance(declaration, tree.DataDeclaration):
            _data(declaration, found, context.report)
        elif isinstance(declaration, tree.TrainDeclaration):
            found.trains.append(declaration)
        elif isinstance(declaration, tree.UseDeclaration):
            _use(declaration, found, context, open_file, trail)
        elif isinstance(declaration, tree.ErrorDeclaration) and declaration.name is not None:
            found.broken.add(declaration.name.id)
            if declaration.name.id not in found.scope.names:
                found.scope.bind(declaration.name.id, UNKNOWN, None, "broken")
    for declaration in module.declarations:
        if isinstance(declaration, tree.LetDeclaration):
            _let(declaration, found, context)
    return found


def _declare(
    name: tree.TypeName | tree.Name, value: Network, found: Declarations, report: Report
) -> None:
    taken = found.scope.names.get(name.id)
    if taken is not None:
        labels = [Label(taken.span, "it is declared here")] if taken.span else []
        report.error(
            "E0203",
            name.span,
            f"the name `{name.id}` is taken",
            labels=labels,
            help="choose another name",
        )
        return
    found.scope.bind(name.id, value, name.span, "declaration")


def _data(declaration: tree.DataDeclaration, found: Declarations, report: Report) -> None:
    name = declaration.name.id
    if name in found.data:
        report.error(
            "E0203",
            declaration.name.span,
            f"there is a `data {name}` already",
            labels=[Label(found.data[name].name.span, "it is declared here")],
        )
        return
    found.data[name] = declaration


def _let(declaration: tree.LetDeclaration, found: Declarations, context: Context) -> None:
    name = declaration.name
    taken = found.scope.names.get(name.id)
    if taken is not None:
        labels = [Label(taken.span, "it is declared here")] if taken.span else []
        context.report.error("E0203", name.span, f"the name `{name.id}` is taken", labels=labels)
        return
    frame = Frame(
        context,
        found.scope,
        None,
        NoIt("a `let` is a constant; it cannot use `it`"),
        arguments=True,
    )
    found.scope.bind(name.id, evaluate(declaration.value, frame), declaration.span, "let")


def _use(
    declaration: tree.UseDeclaration,
    found: Declarations,
    context: Context,
    open_file: OpenFile,
    trail: tuple[Path, ...],
) -> None:
    span = declaration.path.span
    opened = open_file(declaration.path.value, span.source, span, context.report)
    if opened is None:
        for name in declaration.names:
            found.scope.bind(name.id, UNKNOWN, None, "broken")
        return
    path, module = opened
    if path in trail:
        files = " uses ".join(f"`{p.name}`" for p in (*trail[trail.index(path) :], path))
        context.report.error("E0208", span, f"these files use each other: {files}")
        for name in declaration.names:
            found.scope.bind(name.id, UNKNOWN, None, "broken")
        return
    theirs = collect(module, context, open_file, (*trail, path))
    for name in declaration.names:
        _bring(name, theirs, declaration, found, context.report)


def _bring(
    name: tree.TypeName | tree.Name,
    theirs: Declarations,
    declaration: tree.UseDeclaration,
    found: Declarations,
    report: Report,
) -> None:
    binding = theirs.scope.names.get(name.id)
    if binding is None:
        known = [other for other, b in theirs.scope.names.items() if b.kind != "broken"]
        report.error(
            "E0207",
            name.span,
            f"`{declaration.path.value}` declares no `{name.id}`",
            help=did_you_mean(name.id, known),
        )
        found.scope.bind(name.id, UNKNOWN, None, "broken")
        return
    taken = found.scope.names.get(name.id)
    if taken is not None:
        labels = [Label(taken.span, "it is declared here")] if taken.span else []
        report.error("E0203", name.span, f"the name `{name.id}` is taken", labels=labels)
        return
    found.scope.bind(name.id, binding.value, name.span, "used")
