"""Blocks and models that a file brings from others, and its uses of them.

`--set` reaches their parameters as arguments at the uses in the file itself, so that the used
files stay what they are and the resolved spec says what was set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from dlspec.diagnostics import Report
from dlspec.source import Source, Span
from dlspec.syntax import tree

OpenFile: TypeAlias = Callable[[str, Source, Span, Report], "tuple[Path, tree.Module] | None"]
"""Opens what `use … from "path"` names, as seen from a source; reports E0207, then None."""
MOST_FILES = 64
"""Files that one name may come through; a circle ends there, and is reported elsewhere."""


def brought(
    module: tree.Module, open_file: OpenFile, report: Report
) -> dict[str, tree.NetworkDeclaration]:
    """The blocks and models that the `use` lines of a file bring, by name."""
    found: dict[str, tree.NetworkDeclaration] = {}
    for declaration in module.declarations:
        if isinstance(declaration, tree.UseDeclaration):
            for name in declaration.names:
                network = _declared(name.id, declaration, open_file, report)
                if network is not None:
                    found[name.id] = network
    return found


def _declared(
    name: str, use: tree.UseDeclaration, open_file: OpenFile, report: Report
) -> tree.NetworkDeclaration | None:
    """The declaration that a `use` brings, through files that bring it themselves."""
    for _ in range(MOST_FILES):
        span = use.path.span
        opened = open_file(use.path.value, span.source, span, report)
        if opened is None:
            return None
        further: tree.UseDeclaration | None = None
        for declaration in opened[1].declarations:
            if isinstance(declaration, tree.NetworkDeclaration) and declaration.name.id == name:
                return declaration
            if isinstance(declaration, tree.UseDeclaration) and any(
                brought.id == name for brought in declaration.names
            ):
                further = declaration
        if further is None:
            return None
        use = further
    return None


# --- arguments ---------------------------------------------------------------------


def with_argument(
    stage: tree.TypeName | tree.Call, parameters: tuple[str, ...], name: str, value: tree.Expr
) -> tree.Call:
    """A use with one argument replaced, wherever it stands among them, or added by name."""
    callee = stage if isinstance(stage, tree.TypeName) else stage.callee
    arguments = list(stage.arguments) if isinstance(stage, tree.Call) else []
    place = place_of(tuple(arguments), parameters, name)
    if place is None:
        keyword = tree.Name(name, value.span)
        arguments.append(tree.Argument(keyword, value, None, value.span))
    else:
        arguments[place] = arguments[place]._replace(value=value, search=None)
    return tree.Call(callee, tuple(arguments), stage.span)


def place_of(
    arguments: tuple[tree.Argument, ...], parameters: tuple[str, ...], name: str
) -> int | None:
    """Which argument is that parameter's, by name or by position; None where it is not given."""
    positional = 0
    for number, argument in enumerate(arguments):
        if argument.name is not None:
            if argument.name.id == name:
                return number
        else:
            if positional < len(parameters) and parameters[positional] == name:
                return number
            positional += 1
    return None


def with_default(
    declaration: tree.Declaration, network: tree.NetworkDeclaration, name: str, value: tree.Expr
) -> tree.Declaration:
    """A declaration whose uses of a block or model say `name=value` where they said nothing."""
    parameters = tuple(parameter.name.id for parameter in network.parameters)

    def change(node: Any) -> Any:
        callee = node.callee if isinstance(node, tree.Call) else node
        if not isinstance(callee, tree.TypeName) or callee.id != network.name.id:
            return node
        arguments = node.arguments if isinstance(node, tree.Call) else ()
        if place_of(arguments, parameters, name) is not None:
            return node
        return with_argument(node, parameters, name, value)

    if isinstance(declaration, tree.LetDeclaration):
        value_ = _rebuilt(declaration.value, change)
        same = value_ is declaration.value
        return declaration if same else declaration._replace(value=value_)
    if isinstance(declaration, tree.NetworkDeclaration):
        parts = declaration.parameters, declaration.body
        made = tuple(_rebuilt(part, change) for part in parts)
        same = all(new is old for new, old in zip(made, parts, strict=True))
        return declaration if same else declaration._replace(parameters=made[0], body=made[1])
    return declaration


def _rebuilt(root: Any, change: Callable[[Any], Any]) -> Any:
    """A tree with every node replaced by what `change` makes of it, the innermost first.

    Chains of operators hang to the left, so it keeps its own stack.
    """
    made: dict[int, Any] = {}
    waiting: list[tuple[Any, bool]] = [(root, False)]
    while waiting:
        node, ready = waiting.pop()
        if not ready:
            waiting.append((node, True))
            waiting += [(child, False) for child in _children(node)]
            continue
        parts = [made.get(id(part), part) for part in node]
        if any(new is not old for new, old in zip(parts, node, strict=True)):
            node_ = type(node)(*parts) if hasattr(node, "_fields") else tuple(parts)
        else:
            node_ = node
        made[id(node)] = change(node_)
    return made[id(root)]


def _children(node: Any) -> Iterator[Any]:
    """The parts of a node that can change; the name that a call calls is no use of its own."""
    parts: Any = node
    if isinstance(node, tree.Call) and isinstance(node.callee, tree.TypeName):
        parts = node.arguments
    for part in parts:
        if isinstance(part, tuple) and not isinstance(part, Span):
            yield part


def added_arguments(before: Any, after: Any) -> Iterator[tuple[int, str]]:
    """Where the uses in one tree say more than in another: an offset and the text to insert."""
    waiting: list[tuple[Any, Any]] = [(before, after)]
    while waiting:
        old, new = waiting.pop()
        if new is old or not isinstance(new, tuple) or isinstance(new, Span):
            continue
        if _source(new) is not _source(old):
            continue  # replaced as a whole
        if isinstance(new, tree.Call) and isinstance(old, tree.TypeName):
            yield old.span.end, f"({_written(new.arguments)})"
            continue
        if isinstance(new, tree.Call) and isinstance(old, tree.Call):
            more = new.arguments[len(old.arguments) :]
            if more and old.arguments:
                yield old.arguments[-1].span.end, f", {_written(more)}"
            elif more:
                yield old.span.end - 1, _written(more)
            waiting.append((old.callee, new.callee))
            waiting += zip(old.arguments, new.arguments, strict=False)
            continue
        waiting += _pairs(old, new)


def _source(node: Any) -> Source | None:
    span = getattr(node, "span", None)
    return span.source if isinstance(span, Span) else None


def _pairs(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    return zip(old, new, strict=False)


def _written(arguments: tuple[tree.Argument, ...]) -> str:
    return ", ".join(f"{a.name.id}={a.value.span.text}" for a in arguments if a.name is not None)
