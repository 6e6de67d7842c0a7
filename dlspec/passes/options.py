"""Named choices with arguments: `adam(lr=1e-3)`, `digits()`, `Resize(28)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

from dlspec.ir.option import Option
from dlspec.passes.arguments import Given, construct, field_names, option_words
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate
from dlspec.passes.scope import did_you_mean
from dlspec.passes.search import check_search
from dlspec.passes.values import Value, Word
from dlspec.syntax import tree

Kind = TypeVar("Kind", bound=Option)


def classes_of(union: Any) -> tuple[type[Option], ...]:
    """The classes of a discriminated union such as `AnyLoss`."""
    members = get_args(get_args(union)[0])
    return members or (get_args(union)[0],)


def option(
    expression: tree.Expr, family: str, code: str, classes: Sequence[type[Kind]], frame: Frame
) -> Kind | None:
    """The choice that an expression names, `adam` or `adam(lr=1e-3)`. None after a mistake."""
    callee = expression.callee if isinstance(expression, tree.Call) else expression
    arguments = expression.arguments if isinstance(expression, tree.Call) else ()
    if not isinstance(callee, tree.Name | tree.TypeName):
        if not isinstance(callee, tree.ErrorExpr):
            frame.report.error(
                code,
                expression.span,
                f"a {family} is named here, such as `{classes[0].kind_name()}`",
            )
        return None
    cls = next((c for c in classes if c.kind_name() == callee.id), None)
    if cls is None:
        _unknown(callee, family, code, classes, frame)
        return None
    given = _given(cls, arguments, frame)
    return construct(cls, callee.id, expression.span, given, frame.report)


def _given(cls: type[Option], arguments: Sequence[tree.Argument], frame: Frame) -> list[Given]:
    names = field_names(cls)
    fields = {field.alias or name: field for name, field in cls.model_fields.items()}
    inner = frame.as_argument()
    given: list[Given] = []
    for number, argument in enumerate(arguments):
        name = argument.name.id if argument.name is not None else None
        target = name or (names[number] if number < len(names) else "")
        words = option_words(fields[target].annotation) if target in fields else ()
        if isinstance(argument.value, tree.Name) and argument.value.id in words:
            value: Value = Word(argument.value.id)
        else:
            value = evaluate(argument.value, inner)
        if argument.search is not None:
            field = fields.get(target)
            check_search(value, argument.search, inner, evaluate, field, words)
        given.append(Given(name, value, argument.span))
    return given


def _unknown(
    callee: tree.Name | tree.TypeName,
    family: str,
    code: str,
    classes: Sequence[type[Option]],
    frame: Frame,
) -> None:
    foreign = next(
        (
            c
            for c in classes
            if _joined(callee.id) in {_joined(name) for name in (c.kind_name(), *c.aliases)}
        ),
        None,
    )
    help = (
        f"dlspec calls it `{foreign.kind_name()}`"
        if foreign is not None
        else (
            did_you_mean(callee.id, [c.kind_name() for c in classes])
            or "it is one of " + ", ".join(f"`{c.kind_name()}`" for c in classes)
        )
    )
    frame.report.error(code, callee.span, f"there is no {family} `{callee.id}`", help=help)


def _joined(name: str) -> str:
    """`MeanSquaredError` and `mean_squared_error` alike."""
    return name.replace("_", "").lower()
