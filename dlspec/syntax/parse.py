"""The way from a source to its tree, in one function."""

from __future__ import annotations

from dlspec.diagnostics.model import Report
from dlspec.source import Source, Span
from dlspec.syntax.automaton import tables
from dlspec.syntax.layout import arrange
from dlspec.syntax.lexer import Token, check_characters, read
from dlspec.syntax.mistakes import Mistakes
from dlspec.syntax.parser import Parser
from dlspec.syntax.text import SIZE_LIMIT, too_large
from dlspec.syntax.tree import Module


def parse(source: Source, report: Report) -> Module:
    """The tree of a whole file.

    Every mistake goes to `report`; where there was one, the tree holds error nodes
    in its place and the rest of the file beside them. Never raises, whatever the text.
    """
    text = source.text
    if len(text) > SIZE_LIMIT or (len(text) > SIZE_LIMIT // 4 and _size(text) > SIZE_LIMIT):
        too_large(source, _size(text), report)
        return Module((), "", Span(source, 0, 0))
    mistakes = Mistakes(source, report)
    check_characters(text, mistakes)
    parser = Parser(_tokens(source, mistakes), tables(), mistakes)
    while not parser.run():
        # Imported where there is a mistake: a right spec is read without it.
        from dlspec.syntax.recovery import recover

        recover(parser)
    return parser.module


def scan(source: Source, report: Report) -> list[Token]:
    """The tokens of a text as the parser sees them, line ends only where they count."""
    return _tokens(source, Mistakes(source, report))


def _tokens(source: Source, mistakes: Mistakes) -> list[Token]:
    return arrange(read(source.text, mistakes), mistakes)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
