"""Which line ends count.

A line end ends a statement, except inside ( ) and [ ] and where the next line
begins with `->` or `else`. Braces inside ( ) bring line ends back.
"""

from __future__ import annotations

from dlspec.syntax.brackets import CONTINUERS, balance
from dlspec.syntax.lexer import Token
from dlspec.syntax.lines import CLOSERS, OPENERS
from dlspec.syntax.mistakes import Mistakes


def arrange(tokens: list[Token], mistakes: Mistakes) -> list[Token]:
    """The tokens that the parser sees: brackets balanced, line ends only where they count.

    One line end stands behind every statement and declaration, also before a `}`
    on the same line and at the end of the text.
    """
    out: list[Token] = []
    add = out.append
    quiet = [False]  # whether line ends count for nothing, for each open bracket
    for token in balance(tokens, mistakes):
        kind = token.kind
        last = out[-1].kind if out else "NEWLINE"
        if kind == "NEWLINE":
            if quiet[-1] or last == "NEWLINE" or last == "{":
                continue
        elif kind in CONTINUERS:
            if last == "NEWLINE" and out:
                out.pop()
        elif kind in CLOSERS:
            quiet.append(kind != "{")
        elif kind in OPENERS:
            quiet.pop()
            if kind == "}" and last != "NEWLINE" and last != "{":
                add(Token("NEWLINE", "", token.start, token.start))
        elif kind == "$END" and last != "NEWLINE":
            add(Token("NEWLINE", "", token.start, token.start))
        add(token)
    return out
