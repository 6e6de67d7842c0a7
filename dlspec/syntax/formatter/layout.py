"""Expressions and bodies as documents: what stands on a line, and where it may be broken.

A row of nodes is nested only where lines may end in it: at the stages of pipelines, in
brackets, between the operators in them, and in braces.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dlspec.syntax.formatter.document import (
    BLANK,
    HARD,
    SOFT,
    SPACE,
    Alone,
    Behind,
    Choice,
    Document,
    Group,
    IfBroken,
    Indent,
    Row,
    Stages,
)
from dlspec.syntax.formatter.nest import (
    Braces,
    Bracket,
    Branches,
    Item,
    Node,
    first_piece,
    is_operand,
)
from dlspec.syntax.formatter.pieces import BREAKING, Piece
from dlspec.syntax.formatter.spacing import holds_one_bracket, hugs_left, hugs_right, may_hang

BRACES_LIMIT = 84
"""The most that `if … { … } else { … }` and the like may take on one line."""


def expression(nodes: Sequence[Node], inside: str) -> Document:
    """A row of nodes. `inside` is the bracket around it: in `(` and `[` lines end freely."""
    places = _loosest(nodes, inside)
    if not places:
        return _row(nodes, inside)
    bounds = [-1, *places, len(nodes)]
    operands = [nodes[before + 1 : end] for before, end in pairwise(bounds)]
    parts = [expression(operand, inside) for operand in operands]
    signs = [node for place in places if isinstance(node := nodes[place], Piece)]
    if signs[0].kind == "->":
        closed = [not isinstance(operand[-1], Piece) for operand in operands]
        braced = isinstance(operands[-1][-1], Braces | Branches)
        return Stages(parts, [_piece(sign) for sign in signs], closed, braced=braced)
    simple = not any(_loosest(operand, inside) for operand in operands)
    tight = signs[0].kind == ".." and inside == "index" and simple
    rest: list[Document] = []
    for sign, part in zip(signs, parts[1:], strict=True):
        rest += [SOFT if tight else SPACE, _piece(sign), "" if tight else " ", part]
    return Group(Row([parts[0], Indent(Row(rest))]))


def _loosest(nodes: Sequence[Node], inside: str) -> list[int]:
    """The places of the loosest operators before which a line may be broken."""
    found: list[int] = []
    loosest = len(BREAKING) if inside != "{" else 0
    for place, node in enumerate(nodes):
        level = BREAKING.get(node.kind) if isinstance(node, Piece) else None
        if level is None or level > loosest or not place or not is_operand(nodes[place - 1]):
            continue
        if level < loosest:
            found.clear()
            loosest = level
        found.append(place)
    return found


def _row(nodes: Sequence[Node], inside: str) -> Document:
    """Nodes one behind the other, with blanks where they belong."""
    parts: list[Document] = []
    last: Node | None = None
    tight = True
    for node in nodes:
        if not tight and not hugs_left(last, node, inside):
            parts.append(" ")
        parts.append(_node(node, inside))
        binary = last is not None and is_operand(last)
        tight = isinstance(node, Piece) and hugs_right(node, inside, binary=binary)
        last = node
    return parts[0] if len(parts) == 1 else Row(parts)


def _node(node: Node, inside: str) -> Document:
    if isinstance(node, Piece):
        return _piece(node)
    if isinstance(node, Bracket):
        return _bracket(node)
    if isinstance(node, Braces):
        return Group(Row(_braces(node)), BRACES_LIMIT)
    return _branches(node, inside)


def _piece(piece: Piece) -> Document:
    """A piece with its comments."""
    if not piece.before and piece.behind is None:
        return piece.text
    parts: list[Document] = [Alone(comment.text) for comment in piece.before]
    parts.append(piece.text)
    if piece.behind is not None:
        parts.append(Behind(piece.behind))
    return Row(parts)


# --- brackets ------------------------------------------------------------------


def _bracket(bracket: Bracket) -> Document:
    opener, closer = _piece(bracket.opener), bracket.closer
    inside = "index" if bracket.opener.kind == "[" and bracket.follows else bracket.opener.kind
    items = [expression(item.nodes, inside) for item in bracket.items]
    end = [part for comment in closer.before for part in (HARD, Alone(comment.text))]
    closer.before = []
    free = bracket.opener.behind is None and not end
    if not items:
        inner = [] if free else [Indent(Row(end)), HARD]
        return Row([opener, *inner, _piece(closer)])
    single = len(items) == 1 and bracket.opener.kind == "(" and not bracket.follows
    if free and not (single and bracket.comma) and holds_one_bracket(bracket.items):
        return Row([opener, items[0], _piece(closer)])
    listed = _listed(bracket.items, items)
    last: list[Document] = [_last_comma(bracket, single=single)]
    if bracket.items[-1].behind is not None:
        last.append(Behind(bracket.items[-1].behind))
    inner = Indent(Row([SOFT, *listed, *last, *end]))
    broken = Row([opener, inner, SOFT, _piece(closer)])
    if free and may_hang(bracket):
        end_together = Group(Row([Indent(Row(listed[-1:])), SPACE, _piece(closer)]))
        hanging = Row([opener, " ", Indent(Row(listed[:-1])), end_together])
        return Group(Choice(hanging, broken))
    return Group(broken)


def _listed(items: Sequence[Item], documents: Sequence[Document]) -> list[Document]:
    """Items with a comma and a line end between them."""
    parts = [documents[0]]
    for item, document in zip(items, documents[1:], strict=False):
        comment = [Behind(item.behind)] if item.behind is not None else []
        parts += [",", *comment, SPACE, document]
    return parts


def _last_comma(bracket: Bracket, *, single: bool) -> Document:
    """The comma behind the last item: `(a,)` needs it, `(a)` and `x[i]` cannot have one."""
    if single:
        return "," if bracket.comma else ""
    subscript = bracket.opener.kind == "[" and bracket.follows and len(bracket.items) == 1
    return "" if subscript and not bracket.comma else IfBroken(",")


# --- braces --------------------------------------------------------------------


def _branches(node: Branches, inside: str) -> Document:
    """An `if` with its `else`, a `repeat` or a `for`: all braces on one line, or none."""
    parts: list[Document] = []
    for branch in node.branches:
        if parts:
            parts.append(" ")
        parts += [expression(branch.head, inside), " ", *_braces(branch.body)]
    return Group(Row(parts), BRACES_LIMIT)


def _braces(braces: Braces, *, standing: bool = False, settings: bool = False) -> list[Document]:
    """Braces and their statements; on lines of their own where they are `standing`."""
    opener, closer, statements = _piece(braces.opener), braces.closer, braces.statements
    if settings:
        _align(statements)
    lines: list[Document] = []
    for nodes in statements:
        first = first_piece(nodes)
        lines += own_lines(first)
        lines += [BLANK if first.blank else HARD, statement(nodes)]
    lines += own_lines(closer)
    if not lines and braces.opener.behind is None:
        return [opener, _piece(closer)]
    alone = len(lines) == 2 and braces.opener.behind is None and not standing
    end = SPACE if alone and len(statements) == 1 else HARD
    return [opener, Indent(Row([end, *lines[1:]])), end, _piece(closer)]


def own_lines(piece: Piece) -> list[Document]:
    """The comments before a piece, taken off it, each behind a line end."""
    lines: list[Document] = []
    for comment in piece.before:
        lines += [BLANK if comment.blank else HARD, Alone(comment.text)]
    piece.before = []
    return lines


def statement(nodes: Sequence[Node]) -> Document:
    """A statement or declaration. The braces of declarations and steps are always broken."""
    first, last = nodes[0], nodes[-1]
    kind = first.kind if isinstance(first, Piece) else ""
    if kind not in ("block", "model", "data", "train", "step") or not isinstance(last, Braces):
        return expression(nodes, "{")
    settings = kind in ("data", "train")
    head = expression(nodes[:-1], "{")
    return Row([head, " ", *_braces(last, standing=True, settings=settings)])


def _align(statements: Sequence[Sequence[Node]]) -> None:
    """Bring the `=` of settings below each other, as far as no empty line is between them."""
    run: list[Piece] = []
    for nodes in statements:
        first = first_piece(nodes)
        if first.blank or any(comment.blank for comment in first.before):
            _pad(run)
            run = []
        sign = nodes[1] if len(nodes) > 1 else None
        if isinstance(sign, Piece) and sign.kind == "=":
            run.append(first)
    _pad(run)


def _pad(names: Sequence[Piece]) -> None:
    longest = max((len(name.text) for name in names), default=0)
    for name in names:
        name.text = name.text.ljust(longest)
