"""Syntax trees as short texts, walked and compared without their spans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlspec.diagnostics import Diagnostic, Report
from dlspec.source import Source, Span
from dlspec.syntax import parse, tree


def parsed(text: str) -> tuple[tree.Module, tuple[Diagnostic, ...]]:
    report = Report()
    module = parse(Source("test.dlnet", text), report)
    return module, report.ordered()


def good(text: str) -> tree.Module:
    module, diagnostics = parsed(text)
    assert not diagnostics, [(d.code, d.message, d.span.text) for d in diagnostics]
    return module


def body(text: str) -> tuple[tree.Statement, ...]:
    """The statements of a block with this text in its braces."""
    (declaration,) = good(f"block B {{\n{text}\n}}\n").declarations
    assert isinstance(declaration, tree.NetworkDeclaration)
    return declaration.body.statements


def value(text: str) -> tree.Expr:
    """The expression that a text is; line ends in it count for nothing."""
    (declaration,) = good(f"let x = ({text}\n)\n").declarations
    assert isinstance(declaration, tree.LetDeclaration)
    return declaration.value


def is_node(part: object) -> bool:
    return isinstance(part, tuple) and hasattr(part, "_fields") and not isinstance(part, Span)


def nodes(part: Any) -> Iterator[Any]:
    """Every node below and including a part of a tree."""
    pending = [part]
    while pending:
        part = pending.pop()
        if is_node(part):
            yield part
        if isinstance(part, tuple) and not isinstance(part, Span):
            pending.extend(part)


def bare(part: Any) -> Any:
    """A part of a tree as plain tuples: class names and fields, without spans and comments."""
    if isinstance(part, Span):
        return None
    if is_node(part):
        fields = part._asdict().items()
        return (type(part).__name__, *(bare(f) for name, f in fields if name != "documentation"))
    if isinstance(part, tuple):
        return tuple(bare(item) for item in part)
    return part


def show(node: Any) -> str:
    """An expression with every operation in parentheses."""
    match node:
        case tree.Number(number, _, percent):
            return f"{number * 100:g}%" if percent else repr(number)
        case tree.String(text, _):
            return repr(text)
        case tree.Bool(truth, _):
            return str(truth).lower()
        case tree.NoneValue():
            return "none"
        case tree.It():
            return "it"
        case tree.Name(name, _) | tree.TypeName(name, _):
            return name
        case tree.Symbol(name, _):
            return "?" + name
        case tree.ListExpr(items, _):
            return "[" + " ".join(map(show, items)) + "]"
        case tree.TupleExpr(items, _):
            return "tuple(" + " ".join(map(show, items)) + ")"
        case tree.Argument(name, argument, search, _):
            text = show(argument) + (f" in {show(search)}" if search else "")
            return f"{name.id}={text}" if name else text
        case tree.Call(callee, arguments, _):
            return f"{show(callee)}({' '.join(map(show, arguments))})"
        case tree.Attribute(owner, name, _):
            return f"{show(owner)}.{name.id}"
        case tree.Index(owner, subscript, _):
            return f"{show(owner)}[{show(subscript)}]"
        case tree.Unary(operator, operand, _):
            return f"({operator} {show(operand)})"
        case tree.Binary(operator, left, right, _, _):
            return f"({show(left)} {operator} {show(right)})"
        case tree.Range(start, stop, _):
            return f"({show(start)} .. {show(stop)})"
        case tree.As(named, name, _):
            return f"({show(named)} as {name.id})"
        case tree.Pipeline(stages, _):
            return "(" + " -> ".join(map(show, stages)) + ")"
        case tree.Body(statements, _):
            return "{" + "; ".join(map(show, statements)) + "}"
        case tree.If(condition, then, otherwise, _):
            text = f"if {show(condition)} {show(then)}"
            return text + (f" else {show(otherwise)}" if otherwise else "")
        case tree.Repeat(times, inside, _):
            return f"repeat {show(times)} {show(inside)}"
        case tree.For(targets, values, inside, _):
            return f"for {' '.join(map(show, targets))} in {show(values)} {show(inside)}"
        case tree.ExprStatement(shown, _):
            return show(shown)
        case tree.Bind(names, shown, _, search):
            text = f"{' '.join(map(show, names))} = {show(shown)}"
            return text + (f" in {show(search)}" if search else "")
        case tree.TypeExpr(dtype, dimensions, _):
            return dtype.id + ("" if dimensions is None else f"[{' '.join(map(show, dimensions))}]")
        case tree.LayerStatement(name, shown, _):
            return f"layer {name.id} = {show(shown)}"
        case tree.InputStatement(name, kind, _):
            return f"input {name.id}: {show(kind)}"
        case tree.ParameterStatement(name, kind, initial, _):
            return f"parameter {name.id}: {show(kind)}" + (f" = {show(initial)}" if initial else "")
        case tree.OutputStatement(name, shown, auxiliary, _):
            text = f"{'auxiliary' if auxiliary else 'output'} {name.id}"
            return text + (f" = {show(shown)}" if shown else "")
        case tree.RequireStatement(condition, _):
            return f"require {show(condition)}"
        case tree.MinimizeStatement(shown, _):
            return f"minimize {show(shown)}"
        case tree.StepStatement(name, updates, every, inside, _):
            text = f"step {name.id} updates {' '.join(map(show, updates))}"
            return text + (f" every {show(every)}" if every else "") + f" {show(inside)}"
        case tree.ErrorStatement() | tree.ErrorExpr():
            return "ERROR"
        case _:
            raise AssertionError(type(node))
