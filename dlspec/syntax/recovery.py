"""Going on behind a mistake: at the next statement, with whatever can be saved of this one.

What is saved keeps one mistake one message: the names that a broken statement
would have bound stay known, and a broken header does not hide its body.
"""

from __future__ import annotations

from typing import Any

from dlspec.source import Span
from dlspec.syntax import tree
from dlspec.syntax.brackets import CLOSERS, OPENERS
from dlspec.syntax.lexer import Token
from dlspec.syntax.parser import Parser
from dlspec.syntax.slips import explain, mend

_HEADED = ("block", "model", "data", "train")
_BODIED = ("if", "repeat", "for", "step")
_DECLARING = frozenset({*_HEADED, "use", "let", "$END"})


def recover(parser: Parser) -> None:
    """Report the token that does not fit, and bring the parser to where it can go on."""
    parser.settle()
    token = parser.token
    mistakes = parser.mistakes
    if mistakes.spent or mistakes.is_silent(parser.statement_start(), token.end):
        _resume(parser)
    elif not mend(parser):
        explain(parser)
        _resume(parser)


def _resume(parser: Parser) -> None:
    """Drop what was read of the statement or declaration, and what is left of it."""
    place = parser.partial()
    gotos = parser.tables.gotos[parser.states[place]]
    if "declaration" in gotos or "declarations" in gotos:
        _resume_declaration(parser, place)
    elif not _resume_in_body(parser, place):
        _resume_statement(parser, place)


def _cut(parser: Parser, place: int) -> tuple[list[Any], int]:
    """Take the values from `place` on off the stacks; them, and the offset where they began."""
    values = parser.values[place:]
    start = parser.extents[place][0] if values else parser.token.start
    del parser.values[place:], parser.extents[place:], parser.depths[place:]
    del parser.states[place + 1 :]
    return values, start


def _list(parser: Parser, kind: str) -> list[Any]:
    """The list of statements or declarations on top of the stack; begun where there is none."""
    state = parser.tables.gotos[parser.states[-1]].get(kind)
    if state is not None:
        parser.states.append(state)
        parser.values.append([])
        parser.extents.append((parser.token.start, parser.token.start))
        parser.depths.append(0)
    return parser.values[-1]


def _skip(parser: Parser, depth: int) -> int:
    """Go behind the line end of the statement, `depth` brackets out; where its text ended."""
    end = parser.token.start
    while True:
        token = parser.token
        if token.kind == "$END":
            return end
        parser.position += 1
        if token.kind in CLOSERS:
            depth += 1
        elif token.kind in OPENERS:
            depth -= 1
        elif token.kind == "NEWLINE" and depth <= 0:
            return end
        end = token.end


def _open_brackets(values: list[Any]) -> int:
    """How many brackets are open behind values on the stack."""
    return sum(1 for v in values if isinstance(v, Token) and v.kind in CLOSERS)


# --- statements ----------------------------------------------------------------


def _resume_statement(parser: Parser, place: int) -> None:
    first = parser.position
    values, start = _cut(parser, place)
    lines = _list(parser, "lines")
    end = _skip(parser, _open_brackets(values))
    span = parser.mistakes.span(start, max(start, end))
    saved = _saved(parser, values, span)
    lines.extend(_tapped(parser, values, first, span))
    lines.append(saved or tree.ErrorStatement(span))


def _saved(parser: Parser, values: list[Any], span: Span) -> tree.Statement | None:
    """The statement with an error in place of its value, where the names it binds were read."""
    error = tree.ErrorExpr(span)
    if len(values) < 2:
        return None
    head, second = values[0], values[1]
    if isinstance(second, Token) and second.kind == "=" and not isinstance(head, Token):
        return tree.Bind(tuple(head), error, span)
    if not (isinstance(head, Token) and isinstance(second, Token) and second.kind == "NAME"):
        return None
    name = tree.Name(second.text, parser.mistakes.span(second.start, second.end))
    unknown = tree.TypeExpr(tree.Name("float", span), (error,), span)
    if head.kind == "input":
        return tree.InputStatement(name, unknown, span)
    if head.kind == "parameter":
        return tree.ParameterStatement(name, unknown, None, span)
    if head.kind == "layer":
        return tree.LayerStatement(name, error, span)
    if head.kind in ("output", "auxiliary"):
        return tree.OutputStatement(name, error, head.kind == "auxiliary", span)
    return None


def _tapped(parser: Parser, values: list[Any], first: int, span: Span) -> list[tree.Bind]:
    """A binding for each `as name` of a broken statement, read or skipped."""
    names: list[tree.Name] = [v.name for v in values if isinstance(v, tree.As)]
    for place in range(max(first, 1), parser.position):
        token = parser.tokens[place]
        if token.kind == "NAME" and parser.tokens[place - 1].kind == "as":
            names.append(tree.Name(token.text, parser.mistakes.span(token.start, token.end)))
    return [tree.Bind((name,), tree.ErrorExpr(span), span) for name in names]


def _resume_in_body(parser: Parser, place: int) -> bool:
    """Go on in the body of a broken `if`, `repeat`, `for` or `step`, where it has one."""
    if parser.crowded:
        return False
    values = parser.values
    header = next(
        (
            i
            for i in range(len(values) - 1, place - 1, -1)
            if isinstance(values[i], Token) and values[i].kind in _BODIED
        ),
        None,
    )
    if header is None or any(isinstance(v, tree.Body) for v in values[header:]):
        return False
    keyword: Token = values[header]
    first = "NUMBER" if keyword.kind in ("if", "repeat") else "NAME"
    if first not in parser.tables.actions[parser.states[header + 1]]:
        return False  # the word stands there as a name
    brace = _brace(parser, _open_brackets(values[header:]), last=False)
    if brace is None:
        return False
    words = _header_words(parser, keyword, brace)
    _cut(parser, header + 1)
    for token in words:
        parser.feed(token)
    parser.position = brace
    return True


def _header_words(parser: Parser, keyword: Token, brace: int) -> list[Token]:
    """What a header without mistakes would have been, behind its keyword."""
    here = parser.tokens[brace].start

    def word(kind: str, text: str = "") -> Token:
        return Token(kind, text, here, here)

    if keyword.kind in ("if", "repeat"):
        return [word("NUMBER")]
    names: list[Token] = []
    place = brace - 1
    while parser.tokens[place].start > keyword.start:
        place -= 1
    for token in parser.tokens[place + 1 : brace]:
        if token.kind == "NAME":
            names.append(token)
        elif token.kind not in ("(", ","):
            break
    names = names or [word("NAME", "_")]
    if keyword.kind == "step":
        return [names[0], word("updates"), word("TYPE_NAME", "_")]
    targets = [names[0]]
    for name in names[1:]:
        targets += [word(","), name]
    return [*targets, word("in"), word("NUMBER")]


def _brace(parser: Parser, depth: int, last: bool) -> int | None:
    """The place of the `{` of a header whose rest lies ahead: the first or the last there."""
    brace = None
    for place in range(parser.position, len(parser.tokens)):
        kind = parser.tokens[place].kind
        if kind == "{" and depth == 0:
            brace = place
            if not last:
                return brace
        if kind in CLOSERS:
            depth += 1
        elif kind in OPENERS:
            depth -= 1
            if depth < 0:
                return brace
        elif kind == "NEWLINE" and depth <= 0:
            return brace
    return brace


# --- declarations --------------------------------------------------------------


def _resume_declaration(parser: Parser, place: int) -> None:
    values = parser.values[place:]
    head = values[0] if values else None
    if isinstance(head, Token) and head.kind in _HEADED:
        brace = _brace(parser, _open_brackets(values), last=True)
        if brace is not None:
            _enter_declaration(parser, place, brace)
            return
    first = parser.position
    values, start = _cut(parser, place)
    declarations = _list(parser, "declarations")
    end = _skip(parser, _open_brackets(values))
    if not values:
        _skip_to_declaration(parser)
    elif not isinstance(head, Token):
        declarations.append(head)  # it was whole; the mistake stood behind it
        return
    span = parser.mistakes.span(start, max(start, end))
    names = _declared(parser, values, first, parser.position)
    declarations.extend(tree.ErrorDeclaration(name, span) for name in names or [None])


def _enter_declaration(parser: Parser, place: int, brace: int) -> None:
    """Go on in the body of a declaration with a broken header."""
    first = parser.position
    values, _ = _cut(parser, place)
    keyword: Token = values[0]
    names = _declared(parser, values, first, brace)
    span = names[0].span if names else parser.mistakes.span(keyword.end, keyword.end)
    name = Token("TYPE_NAME", names[0].id if names else "_", span.start, span.end)
    parser.feed(Token(keyword.kind, "", keyword.start, keyword.end))
    parser.feed(name)
    if keyword.kind == "train":
        parser.feed(Token("on", "", span.end, span.end))
        parser.feed(name)
    parser.position = brace


def _declared(
    parser: Parser, values: list[Any], first: int, last: int
) -> list[tree.TypeName | tree.Name]:
    """The names that a broken declaration before the token `last` declares, if they are readable.

    `first` is the token that did not fit.
    """
    head = values[0] if values else None
    if not isinstance(head, Token) or head.kind == "train":
        return []
    place = first
    while place and parser.tokens[place - 1].start >= head.start:
        place -= 1
    names: list[tree.TypeName | tree.Name] = []
    for token in parser.tokens[place + 1 : last]:
        if token.kind in ("from", "NEWLINE"):
            break
        span = parser.mistakes.span(token.start, token.end)
        if token.kind == "TYPE_NAME":
            names.append(tree.TypeName(token.text, span))
        elif token.kind == "NAME":
            names.append(tree.Name(token.text, span))
        if names and head.kind != "use":
            break
    return names


def _skip_to_declaration(parser: Parser) -> None:
    """Leave out lines that belong to no declaration, however many there are."""
    while parser.token.kind not in _DECLARING:
        _skip(parser, 0)
