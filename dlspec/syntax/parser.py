"""The LR driver: tokens and tables to a tree, going on behind each mistake.

A loop over shift and reduce with stacks of its own: no recursion, one step a
token and reduction. Beside each value stand its outer extent, which includes
parentheses, and its depth in the tree.
"""

from __future__ import annotations

from typing import Any

from dlspec.source import Span
from dlspec.syntax import tree
from dlspec.syntax.actions import ACTIONS
from dlspec.syntax.bodies import Bodies
from dlspec.syntax.lexer import Token
from dlspec.syntax.mistakes import Mistakes
from dlspec.syntax.tables import Tables

# A tree may be this deep, so that walking it recursively is safe. Brackets are
# limited to 64 levels before; what else nests without brackets weighs so much
# that 64 levels of it reach the limit too. The links of a chain weigh 1.
DEPTH_LIMIT = 256
_WEIGHTS = {"unary": 4, "power": 4, "choice": 4, "binary": 1, "call": 1, "attribute": 1,
            "index": 1, "pipeline": 1, "list_of": 1, "tuple_of": 1, "repeat": 1, "loop": 1}


class Parser:
    """The stacks of one run over the tokens of one text."""

    def __init__(self, tokens: list[Token], tables: Tables, mistakes: Mistakes) -> None:
        self.tokens = tokens
        self.tables = tables
        self.mistakes = mistakes
        self.bodies = Bodies(mistakes)
        self.position = 0
        self.states = [tables.start]
        self.values: list[Any] = []
        self.extents: list[tuple[int, int]] = []
        self.depths: list[int] = []
        self._rules = [(rule.origin, rule.length,
                        ACTIONS[rule.action] if rule.action else None,
                        _WEIGHTS.get(rule.action or "", 0)) for rule in tables.rules]

    def run(self) -> tree.Module:
        """Parse all tokens; what cannot be parsed is reported and stands as an error node."""
        while self.states[-1] != self.tables.end:
            token = self.tokens[self.position]
            if self.feed(token):
                self.position += 1
            elif self.states[-1] != self.tables.end:
                self.mistakes.error("E0101", token.start, token.end, "something else was expected here")
                return tree.Module((), "", Span(self.bodies.source, 0, 0))
        return self.values[0]

    def feed(self, token: Token) -> bool:
        """Reduce as far as a token allows and shift it; False where it does not fit."""
        actions, states = self.tables.actions, self.states
        while True:
            action = actions[states[-1]].get(token.kind)
            if action is None:
                return False
            if action >= 0:
                states.append(action)
                self.values.append(token)
                self.extents.append((token.start, token.end))
                self.depths.append(0)
                return True
            self._reduce(-1 - action, token)

    def _reduce(self, number: int, token: Token) -> None:
        origin, length, action, weight = self._rules[number]
        states = self.states
        if length == 1 and action is None:
            states[-1] = self.tables.gotos[states[-2]][origin]
            return
        values, extents, depths = self.values, self.extents, self.depths
        if length:
            extent = (extents[-length][0], extents[-1][1])
            children = values[-length:]
            depth = max(depths[-length:]) + weight
            del values[-length:], extents[-length:], depths[-length:], states[-length:]
        else:
            extent, children, depth = (token.start, token.start), [], 0
        span = Span(self.bodies.source, *extent)
        if depth > DEPTH_LIMIT:
            self._too_deep(span)
            value, depth = tree.ErrorExpr(span), 0
        else:
            value = action(self.bodies, children, span)  # pyright: ignore
        states.append(self.tables.gotos[states[-1]][origin])
        values.append(value)
        extents.append(extent)
        depths.append(depth)
