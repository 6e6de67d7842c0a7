"""Where blanks stand between neighbours on a line, and where brackets may hang or hug."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.syntax.formatter.nest import Bracket, Item, Node, first_piece
from dlspec.syntax.formatter.pieces import Piece


def hugs_left(last: Node | None, node: Node, inside: str) -> bool:
    """Whether no blank stands before a node. `inside` is the bracket around it."""
    if isinstance(node, Bracket):
        # `10% (2)` would be another number without its blank.
        percentage = isinstance(last, Piece) and last.text.endswith("%")
        return node.follows and not (percentage and node.opener.kind == "(")
    if not isinstance(node, Piece):
        return False
    if node.kind == ".":  # `3.x` would be a number gone wrong
        return not (isinstance(last, Piece) and last.kind == "NUMBER")
    return node.kind in (",", ":", "**") or (node.kind == "=" and inside == "(")


def hugs_right(piece: Piece, inside: str, *, binary: bool) -> bool:
    """Whether no blank stands behind a piece; `binary` tells that an operand is before it."""
    if piece.kind == "-":
        return not binary
    return piece.kind in (".", "**") or (piece.kind == "=" and inside == "(")


def holds_one_bracket(items: Sequence[Item]) -> bool:
    """Whether all there is is one bracket, as it is or as `name=[…]`: only that is broken then."""
    nodes = items[0].nodes
    if len(items) > 1 or items[0].behind is not None or isinstance(nodes[-1], Piece):
        return False
    named = len(nodes) == 3 and isinstance(nodes[1], Piece) and nodes[1].kind == "="
    return (len(nodes) == 1 or named) and not first_piece(nodes).before


def may_hang(bracket: Bracket) -> bool:
    """Whether a fork can begin on the line of its bracket: `( A,` with `B ) -> Concat` below."""
    items = bracket.items
    return (
        bracket.opener.kind == "("
        and not bracket.follows
        and len(items) > 1
        and items[-1].behind is None
        and not first_piece(items[0].nodes).before
    )
