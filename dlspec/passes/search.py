"""Search ranges: `lr=1e-3 in log(1e-5 .. 1e-1)`. Checked always, used by `dlspec tune` alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dlspec.ir.fields import MISMATCH, FieldInfo, fitting
from dlspec.ir.search import Search
from dlspec.passes.context import Frame
from dlspec.passes.values import Value, Word, contains_unknown, describe
from dlspec.source import Span
from dlspec.syntax import tree

FORMS = "a search range is `low .. high`, `log(low .. high)` or a list of choices"


def check_search(
    value: Value,
    search: tree.Expr,
    frame: Frame,
    evaluate: Callable[[tree.Expr, Frame], Value],
    field: FieldInfo | None = None,
    words: Sequence[str] = (),
) -> None:
    """Keep a range that holds the value before it; report E0310 for anything else.

    field: what the value is for, where that is known: every end and choice must fit it.
    words: the option words that may stand there.
    """
    inner, logarithmic = _inside_log(search)
    if isinstance(inner, tree.Range):
        low, high = evaluate(inner.start, frame), evaluate(inner.stop, frame)
        if contains_unknown(low) or contains_unknown(high) or contains_unknown(value):
            return
        if _fit((low, high), (inner.start.span, inner.stop.span), field, frame):
            _keep_range(value, low, high, logarithmic, search.span, frame)
    elif logarithmic or not isinstance(inner, tree.ListExpr):
        frame.report.error("E0310", search.span, FORMS)
    else:
        choices = [
            Word(item.id)
            if isinstance(item, tree.Name) and item.id in words
            else evaluate(item, frame)
            for item in inner.items
        ]
        if not any(map(contains_unknown, (*choices, value))):
            _keep_choices(value, choices, inner, field, frame)


def as_text(expression: tree.Expr) -> str:
    """A choice as it is written, on one line."""
    return " ".join(expression.span.text.split())


def _inside_log(search: tree.Expr) -> tuple[tree.Expr, bool]:
    if (
        isinstance(search, tree.Call)
        and isinstance(search.callee, tree.Name)
        and search.callee.id == "log"
        and len(search.arguments) == 1
    ):
        return search.arguments[0].value, True
    return search, False


def _fit(
    values: Sequence[Value], spans: Sequence[Span], field: FieldInfo | None, frame: Frame
) -> bool:
    """Whether all of them can stand where the field's value does."""
    for value, span in zip(values, spans, strict=True):
        plain = value.id if isinstance(value, Word) else value
        if field is not None and fitting(field, plain) is MISMATCH:
            frame.report.error("E0310", span, f"{describe(value)} cannot stand here")
            return False
    return True


def _keep_choices(
    value: Value,
    choices: Sequence[Value],
    written: tree.ListExpr,
    field: FieldInfo | None,
    frame: Frame,
) -> None:
    if value not in choices:
        frame.report.error("E0310", written.span, f"{describe(value)} is not one of the choices")
    elif _fit(choices, [item.span for item in written.items], field, frame):
        texts = tuple(as_text(item) for item in written.items)
        frame.context.ranges[written.span] = Search(
            key="", written=written.span.text, value=texts[choices.index(value)], choices=texts
        )


def _keep_range(
    value: Value, low: Value, high: Value, logarithmic: bool, span: Span, frame: Frame
) -> None:
    numbers = [
        v for v in (low, high, value) if isinstance(v, int | float) and not isinstance(v, bool)
    ]
    if len(numbers) != 3:
        frame.report.error("E0310", span, "a search range `low .. high` is for numbers")
        return
    least, most, start = numbers
    if least >= most:
        frame.report.error("E0310", span, f"the range {least} .. {most} is empty")
    elif logarithmic and least <= 0:
        frame.report.error("E0310", span, "a logarithmic range begins above 0")
    elif not least <= start <= most:
        frame.report.error(
            "E0310", span, f"the value {start} is outside its range {least} .. {most}"
        )
    else:
        frame.context.ranges[span] = Search(
            key="", written=span.text, value=start, low=least, high=most, log=logarithmic
        )
