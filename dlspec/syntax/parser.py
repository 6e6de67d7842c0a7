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
from dlspec.syntax.automaton import Tables
from dlspec.syntax.lexer import Token
from dlspec.syntax.mistakes import Mistakes

# A tree may be this deep, so that walking it recursively is safe. Brackets are
# limited to 64 levels before; what else nests without brackets weighs so much
# that 64 levels of it reach the limit too. The links of a chain weigh 1.
DEPTH_LIMIT = 256
# What is begun and not ended; nothing within the other limits comes near.
STACK_LIMIT = 4096
_WEIGHTS = {
    "unary": 4,
    "power": 4,
    "choice": 4,
    "binary": 1,
    "call": 1,
    "attribute": 1,
    "index": 1,
    "pipeline": 1,
    "list_of": 1,
    "tuple_of": 1,
    "repeat": 1,
    "loop": 1,
}

# In a state that knows one of these, a statement or declaration may begin.
LISTS = frozenset({"lines", "statement", "declarations", "declaration"})


class Parser:
    """The stacks of one run over the tokens of one text."""

    def __init__(self, tokens: list[Token], tables: Tables, mistakes: Mistakes) -> None:
        self.tokens = tokens
        self.tables = tables
        self.mistakes = mistakes
        self.position = 0
        self.states = [tables.start]
        self.values: list[Any] = []
        self.extents: list[tuple[int, int]] = []
        self.depths: list[int] = []
        self._rules = [
            (
                rule.origin,
                rule.length,
                ACTIONS[rule.action] if rule.action else None,
                _WEIGHTS.get(rule.action or "", 0),
            )
            for rule in tables.rules
        ]
        self._passing = [rule.action is None for rule in tables.rules]
        self._passed: dict[tuple[int, int, str], int] = {}

    def run(self) -> bool:
        """Parse on until the end (True) or until a token does not fit (False)."""
        while self.feed(self.tokens[self.position]):
            self.position += 1
        return self.states[-1] == self.tables.end

    @property
    def module(self) -> tree.Module:
        """The tree, after the end."""
        return self.values[0]

    @property
    def token(self) -> Token:
        """The token that is next."""
        return self.tokens[self.position]

    @property
    def previous(self) -> Token | None:
        """The token that was read last."""
        return self.tokens[self.position - 1] if self.position else None

    def feed(self, token: Token) -> bool:
        """Reduce as far as a token allows and shift it; False where it does not fit."""
        actions, states = self.tables.actions, self.states
        while True:
            action = actions[states[-1]].get(token.kind)
            if action is None:
                return False
            if action >= 0:
                if len(states) > STACK_LIMIT:
                    self._too_deep(Span(self.mistakes.source, token.start, token.end))
                    return False
                states.append(action)
                self.values.append(token)
                self.extents.append((token.start, token.end))
                self.depths.append(0)
                return True
            if self._passing[-1 - action]:
                self._pass_on(token.kind)
            else:
                self._reduce(-1 - action, token)

    def _pass_on(self, kind: str) -> None:
        """Make all reductions that only rename, such as atom to chain to operand, in one step."""
        states = self.states
        key = (states[-2], states[-1], kind)
        state = self._passed.get(key)
        if state is None:
            below, state = states[-2:]
            while True:
                action = self.tables.actions[state].get(kind, 0)
                if action >= 0 or not self._passing[-1 - action]:
                    break
                state = self.tables.gotos[below][self._rules[-1 - action][0]]
            self._passed[key] = state
        states[-1] = state

    def accepts(self, kind: str) -> bool:
        """Whether a token of a kind would fit here, without taking it."""
        actions, gotos, rules = self.tables.actions, self.tables.gotos, self._rules
        states = self.states
        kept = len(states)  # of the true stack; `above` stands on it
        above: list[int] = []
        while True:
            action = actions[above[-1] if above else states[kept - 1]].get(kind)
            if action is None or action >= 0:
                return action is not None
            origin, length, _, _ = rules[-1 - action]
            taken = min(length, len(above))
            if taken:
                del above[-taken:]
            kept -= length - taken
            above.append(gotos[above[-1] if above else states[kept - 1]][origin])

    def expected(self) -> list[str]:
        """The kinds of all tokens that would fit here."""
        return [kind for kind in self.tables.actions[self.states[-1]] if self.accepts(kind)]

    def settle(self) -> None:
        """Reduce what is complete whatever comes next, such as a body behind its `}`.

        After a token that does not fit, so that all that is closed is off the stacks.
        """
        while True:
            actions = set(self.tables.actions[self.states[-1]].values())
            number = -1 - actions.pop() if len(actions) == 1 else -1
            if number < 0 or self._passing[number]:
                return
            self._reduce(number, self.token)

    @property
    def crowded(self) -> bool:
        """Whether so much is begun and not ended that nothing more should be."""
        return len(self.states) > STACK_LIMIT // 2

    def partial(self) -> int:
        """Where in `values` the statement or declaration begins that is being read."""
        gotos = self.tables.gotos
        place = len(self.states) - 1
        while not LISTS & gotos[self.states[place]].keys():
            place -= 1
        return place

    def statement_start(self) -> int:
        """The offset at which the statement or declaration begins that is being read."""
        place = self.partial()
        return self.extents[place][0] if place < len(self.extents) else self.token.start

    def _too_deep(self, span: Span) -> None:
        start = max(span.end - 1, span.start)
        if not self.mistakes.is_silent(self.statement_start(), span.end):
            self.mistakes.error(
                "E0701",
                start,
                span.end,
                "this is nested too deeply, or a chain of too many operators",
                help="bind a name to a part of it, on a line of its own",
            )
        self.mistakes.silence(span.start)

    def _reduce(self, number: int, token: Token) -> None:
        origin, length, action, weight = self._rules[number]
        states = self.states
        values, extents, depths = self.values, self.extents, self.depths
        if length:
            extent = (extents[-length][0], extents[-1][1])
            children = values[-length:]
            depth = max(depths[-length:]) + weight
            del values[-length:], extents[-length:], depths[-length:], states[-length:]
        else:
            extent, children, depth = (token.start, token.start), [], 0
        span = Span(self.mistakes.source, *extent)
        if depth > DEPTH_LIMIT:
            self._too_deep(span)
            value, depth = tree.ErrorExpr(span), 0
        else:
            value = action(self.mistakes, children, span)  # pyright: ignore
        states.append(self.tables.gotos[states[-1]][origin])
        values.append(value)
        extents.append(extent)
        depths.append(depth)
