"""`dlspec fmt`: the one layout of a spec, made of its tokens and comments.

    text --parser--> tokens --pieces--> with comments --nest--> brackets --layout--> document
    --printer--> text

Line ends and blanks of the text that came in play no part, apart from empty lines between
statements and declarations. The tokens stay as they were written, so that the meaning does.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.diagnostics.model import Report
from dlspec.source import Source
from dlspec.syntax.formatter.document import BLANK, HARD, Document, Row
from dlspec.syntax.formatter.layout import own_lines, statement
from dlspec.syntax.formatter.nest import Braces, Node, Reader, first_piece
from dlspec.syntax.formatter.pieces import Piece, comments, pieces, settle_comments
from dlspec.syntax.formatter.printer import Printer
from dlspec.syntax.parse import parse, scan


def formatted(source: Source, report: Report) -> str | None:
    """The text of a spec in the one layout, or None where it has mistakes, which are reported.

    Raises RuntimeError where the result would not say the same: that is a mistake here.
    """
    found = Report()
    parse(source, found)
    for diagnostic in found.diagnostics:
        report.add(diagnostic)
    if found.failed:
        return None
    read = _pieces(source)
    said = _said(read)
    text = _laid_out(read)
    if _said(_pieces(Source(source.name, text))) != said:
        raise RuntimeError(f"the layout of {source.name} would change what it says")
    return text


def _pieces(source: Source) -> list[Piece]:
    return pieces(source.text, scan(source, Report()))


def _laid_out(read: Sequence[Piece]) -> str:
    settle_comments(read)
    printer = Printer()
    before: Sequence[Node] | None = None
    reader = Reader(read)
    for nodes in reader.lines("$END"):
        between = _between(before, first_piece(nodes), long=_is_long(nodes))
        printer.add(Row([*(between[1:] if before is None else between), statement(nodes)]))
        before = nodes
    end = _between(before, reader.last, long=False)
    printer.add(Row(end[1:] if before is None else end))
    return printer.text()


def _between(before: Sequence[Node] | None, first: Piece, *, long: bool) -> list[Document]:
    """The line ends and comments between two declarations.

    An empty line stands before and behind one with braces; where comments touch it, they
    do so still.
    """
    attached = not first.blank and not any(comment.blank for comment in first.before[1:])
    if before is not None and (_is_long(before) or (long and attached)):
        if first.before:
            first.before[0] = first.before[0]._replace(blank=True)
        elif first.kind != "$END":
            first.blank = True
    return [*own_lines(first), *([] if first.kind == "$END" else [BLANK if first.blank else HARD])]


def _is_long(nodes: Sequence[Node]) -> bool:
    first = nodes[0]
    return isinstance(nodes[-1], Braces) and not (isinstance(first, Piece) and first.kind == "let")


def _said(read: Sequence[Piece]) -> tuple[list[tuple[str, str, bool]], list[str]]:
    """What may not change: the tokens but for commas before closing brackets, and the comments."""
    tokens = [
        (piece.kind, piece.text, piece.ends)
        for piece, following in zip(read, [*read[1:], read[-1]], strict=True)
        if piece.kind != "," or following.kind not in (")", "]")
    ]
    return tokens, list(comments(read))
