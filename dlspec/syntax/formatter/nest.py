"""What brackets and braces hold: the shape that the layout follows.

The formatter lays out the tokens themselves, so that it can lose or change none; of the
grammar it needs to know only what stands inside what.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dlspec.syntax.formatter.pieces import BREAKING, ENDS, Piece
from dlspec.syntax.lexer import keywords


class Item(NamedTuple):
    """What stands between two commas, and the comment behind it on its line."""

    nodes: list[Node]
    behind: str | None


class Bracket(NamedTuple):
    """`( … )` or `[ … ]`. `follows` tells that it is a call, an index or parameters."""

    opener: Piece
    items: list[Item]
    closer: Piece
    comma: bool
    follows: bool


class Braces(NamedTuple):
    """`{ … }` and the statements in it."""

    opener: Piece
    statements: list[list[Node]]
    closer: Piece


class Branch(NamedTuple):
    """`if condition { … }`, `else { … }`, `repeat n { … }` or `for x in values { … }`."""

    head: list[Node]
    body: Braces


class Branches(NamedTuple):
    """An `if` with everything that belongs to it, a `repeat` or a `for`."""

    branches: list[Branch]


Node = Piece | Bracket | Braces | Branches


def first_piece(nodes: Sequence[Node]) -> Piece:
    """The piece that a row of nodes begins with."""
    node = nodes[0]
    while not isinstance(node, Piece):
        node = node.branches[0].head[0] if isinstance(node, Branches) else node.opener
    return node


def last_piece(nodes: Sequence[Node]) -> Piece:
    """The piece that a row of nodes ends with."""
    node = nodes[-1]
    if isinstance(node, Branches):
        return node.branches[-1].body.closer
    return node if isinstance(node, Piece) else node.closer


def is_operand(node: Node) -> bool:
    """Whether a node ends an operand, so that a sign behind it has two sides."""
    return not isinstance(node, Piece) or node.kind in ENDS


class Reader:
    """Reads pieces into nodes, from the first to the last."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._place = 0

    @property
    def last(self) -> Piece:
        """The piece that was read last."""
        return self._pieces[self._place - 1]

    def lines(self, end: str) -> Iterator[list[Node]]:
        """The statements or declarations up to a piece of the kind `end`, which is read last."""
        while self._next.kind != end:
            nodes = [self._node(None, "{")]
            while not last_piece(nodes).ends:
                nodes.append(self._node(nodes[-1], "{"))
            yield nodes
        self._take()

    def _take(self) -> Piece:
        self._place += 1
        return self._pieces[self._place - 1]

    @property
    def _next(self) -> Piece:
        return self._pieces[self._place]

    def _node(self, last: Node | None, inside: str) -> Node:
        """The node that comes next. `inside` is the bracket around it."""
        piece = self._take()
        if piece.kind in ("(", "["):
            return self._bracket(piece, last is not None and is_operand(last))
        if piece.kind == "{":
            return self._braces(piece)
        if piece.kind in keywords() and self._is_name(piece, last, inside):
            piece.kind = "NAME"
        if piece.kind in ("if", "repeat", "for"):
            return self._branches(piece, inside)
        return piece

    def _is_name(self, piece: Piece, last: Node | None, inside: str) -> bool:
        if isinstance(last, Piece) and last.kind == ".":
            return True
        if piece.kind == "step":  # `activation=step`, but `step critic updates Critic`
            return self._next.kind != "NAME"
        return inside == "(" and self._next.kind == "="

    def _bracket(self, opener: Piece, follows: bool) -> Bracket:
        closer = ")" if opener.kind == "(" else "]"
        items: list[Item] = []
        comma = False
        while self._next.kind != closer:
            nodes = [self._node(None, opener.kind)]
            while self._next.kind not in (",", closer):
                nodes.append(self._node(nodes[-1], opener.kind))
            comma = self._next.kind == ","
            last = self._take() if comma else last_piece(nodes)
            items.append(Item(nodes, last.behind))
            last.behind = None
        return Bracket(opener, items, self._take(), comma, follows)

    def _braces(self, opener: Piece) -> Braces:
        statements = list(self.lines("}"))
        return Braces(opener, statements, self.last)

    def _branches(self, keyword: Piece, inside: str) -> Branches:
        branches = [self._branch([keyword], inside)]
        while self._next.kind == "else" and not branches[-1].body.closer.ends:
            otherwise, following = self._take(), self._take()
            if following.kind == "if":
                branches.append(self._branch([otherwise, following], inside))
            else:
                branches.append(Branch([otherwise], self._braces(following)))
        return Branches(branches)

    def _branch(self, head: list[Node], inside: str) -> Branch:
        """A branch: where no operand is awaited, braces are its body."""
        while self._next.kind != "{" or _awaits_operand(head[-1]):
            head.append(self._node(head[-1], inside))
        return Branch(head, self._braces(self._take()))


def _awaits_operand(node: Node) -> bool:
    return isinstance(node, Piece) and (node.kind in BREAKING or node.kind not in ENDS)
