"""Which statements belong in which body, told as soon as the body is read."""

from __future__ import annotations

from typing import TypeVar

from dlspec.source import Span
from dlspec.syntax import tree
from dlspec.syntax.mistakes import Mistakes

_OfNetworks = (tree.LayerStatement, tree.ParameterStatement, tree.InputStatement,
               tree.OutputStatement)
_OfTraining = (tree.MinimizeStatement, tree.StepStatement)
Placed = TypeVar("Placed", tree.LayerStatement, tree.ParameterStatement, tree.InputStatement,
                 tree.OutputStatement, tree.RequireStatement, tree.MinimizeStatement,
                 tree.StepStatement)


class Bodies:
    """Gathers the statements that do not belong everywhere until their body is known."""

    def __init__(self, mistakes: Mistakes) -> None:
        self.source = mistakes.source
        self.mistakes = mistakes
        self._placed: list[tree.Statement] = []

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def placed(self, statement: Placed) -> Placed:
        """Keep a statement in mind, to be judged with the body around it."""
        self._placed.append(statement)
        return statement

    def of_network(self, keyword: str, body: tree.Body) -> tree.Body:
        """The body of a `block` or `model`, without what belongs to training."""
        return self._judge(body, body, _OfTraining, f"a `{keyword}`", "it belongs in a `train`")

    def of_data(self, body: tree.Body) -> tree.Body:
        """The body of a `data`: settings alone."""
        wrong = (*_OfNetworks, *_OfTraining, tree.RequireStatement, tree.ExprStatement)
        return self._judge(body, body, wrong, "a `data`", "settings are written `name = value`")

    def of_train(self, body: tree.Body) -> tree.Body:
        """The body of a `train`: settings, what is required and minimized, and steps."""
        wrong = (*_OfNetworks, tree.ExprStatement)
        help = "settings are written `name = value`; computations belong in a `step`"
        return self._judge(body, body, wrong, "a `train`", help)

    def of_step(self, body: tree.Body) -> tree.Body:
        """The body of a `step`: computations, settings and what is minimized."""
        wrong = (*_OfNetworks, tree.StepStatement, tree.RequireStatement)
        inside = [s for s in self._placed if s.span.start >= body.span.start]
        kept = [s for s in self._placed if s.span.start < body.span.start]
        self._placed = inside
        body = self._judge(body, body, wrong, "a `step`", None)
        self._placed = kept
        return body

    def ordered(self, arguments: tuple[tree.Argument, ...]) -> tuple[tree.Argument, ...]:
        """The arguments of a call, which come by position first and then by name."""
        named = False
        for argument in arguments:
            named = named or argument.name is not None
            if named and argument.name is None:
                span = argument.span
                self.mistakes.error("E0101", span.start, span.end,
                                    "an argument by position stands behind one by name",
                                    help="give it its name too, or put it first")
                break
        return arguments

    def _judge(self, body: tree.Body, outer: tree.Body, wrong: tuple[type, ...], place: str,
               help: str | None) -> tree.Body:
        found = [s for s in (*body.statements, *self._placed) if isinstance(s, wrong)]
        self._placed = []
        if not found:
            return body
        for statement in {s.span: s for s in found}.values():
            self._report(statement, place, help)
        statements = tuple(tree.ErrorStatement(s.span) if isinstance(s, wrong) else s
                           for s in body.statements)
        return tree.Body(statements, body.span)

    def _report(self, statement: tree.Statement, place: str, help: str | None) -> None:
        span = statement.span
        value = statement.value if isinstance(statement, tree.ExprStatement) else None
        if isinstance(value, tree.ErrorExpr):
            return
        word = span.text.split(None, 1)[0]
        message = f"`{word}` does not belong in {place}"
        if value is not None:
            message = f"{place} holds no computations"
        if isinstance(value, tree.Binary) and value.operator == "==":
            sign = value.operator_span
            self.mistakes.error("E0101", sign.start, sign.end, "a setting is given with `=`",
                                replacement="=", title="write `=`")
            return
        self.mistakes.error("E0109", span.start, min(span.end, span.start + len(word))
                            if value is None else span.end, message, help=help)
