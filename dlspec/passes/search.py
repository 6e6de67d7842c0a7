"""Search ranges: `lr=1e-3 in log(1e-5 .. 1e-1)`. Checked always, used by `dlspec tune` alone."""

from __future__ import annotations

from collections.abc import Callable

from dlspec.passes.context import Frame
from dlspec.passes.values import UNKNOWN, Value, contains_unknown, describe
from dlspec.source import Span
from dlspec.syntax import tree


def check_search(
    value: Value, search: tree.Expr, frame: Frame, evaluate: Callable[[tree.Expr, Frame], Value]
) -> None:
    """Report E0310 unless the range is one and holds the value that stands before it."""
    inner, logarithmic = _inside_log(search)
    if isinstance(inner, tree.Range):
        low, high = evaluate(inner.start, frame), evaluate(inner.stop, frame)
        if contains_unknown(low) or contains_unknown(high) or contains_unknown(value):
            return
        _check_range(value, low, high, logarithmic, search.span, frame)
        return
    choices = evaluate(inner, frame) if not logarithmic else UNKNOWN
    if logarithmic or not isinstance(choices, tuple):
        if logarithmic or not contains_unknown(choices):
            frame.report.error(
                "E0310",
                search.span,
                "a search range is `low .. high`, `log(low .. high)` or a list of choices",
            )
        return
    if not contains_unknown(choices) and not contains_unknown(value) and value not in choices:
        frame.report.error("E0310", search.span, f"{describe(value)} is not one of the choices")


def _inside_log(search: tree.Expr) -> tuple[tree.Expr, bool]:
    if (
        isinstance(search, tree.Call)
        and isinstance(search.callee, tree.Name)
        and search.callee.id == "log"
        and len(search.arguments) == 1
    ):
        return search.arguments[0].value, True
    return search, False


def _check_range(
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
