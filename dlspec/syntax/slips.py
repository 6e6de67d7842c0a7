"""Mistakes that show what was meant: said with the right form, and mended on the way.

`mend` tries each known slip at the token that does not fit; where one applies,
the parser goes on as if the right thing stood there, so that the rest of the
statement is checked too. `explain` reports what is left.
"""

from __future__ import annotations

import re

from dlspec.diagnostics.model import Label
from dlspec.syntax import tree
from dlspec.syntax.brackets import DECLARATIONS
from dlspec.syntax.forgotten import hidden_header, module_in_front, nothing_called, untold_type
from dlspec.syntax.lexer import Token, keywords
from dlspec.syntax.parser import Parser
from dlspec.syntax.wording import expected, found

_STARTERS = frozenset(
    {"NUMBER", "STRING", "NAME", "TYPE_NAME", "SYMBOL", "true", "false", "none", "it"}
)
_COMPARATORS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_JOINING = frozenset({"->", "+", "-", "*", "/", "//", "%", "**", "and", "or", "..", ","})
_OF_OTHERS = {
    "def": "a reusable part is a `block Name(parameters) { … }`",
    "class": "a network is a `model Name(parameters) { … }`, a part of one a `block`",
    "import": 'declarations of another file come with `use Name from "file.dlnet"`',
    "from": 'declarations of another file come with `use Name from "file.dlnet"`',
    "return": "the value of a body is that of its last line; an output is declared with "
    "`output name = …`",
    "while": "a loop has a fixed length: `repeat n { … }` or `for x in values { … }`",
    "var": "a value gets its name with `name = …`",
    "const": "a constant of the whole file is `let name = value`",
    "network": "a network is a `model Name(parameters) { … }`",
    "function": "a reusable part is a `block Name(parameters) { … }`",
    "fn": "a reusable part is a `block Name(parameters) { … }`",
    "lambda": "a reusable part is a `block Name(parameters) { … }`",
}


def mend(parser: Parser) -> bool:
    """Whether the next token was a slip with a known meaning; it is reported and mended then."""
    return (
        module_in_front(parser)
        or _wrong_case(parser)
        or _reserved(parser)
        or untold_type(parser)
        or _sign(parser)
        or _bound_name(parser)
        or _line_end(parser)
        or _else_if(parser)
        or _nested_declaration(parser)
        or _missing_comma(parser)
    )


def explain(parser: Parser) -> None:
    """Report the next token as one that does not fit."""
    if nothing_called(parser):
        return
    token = parser.token
    following = parser.tokens[parser.position + 1] if token.kind == "NEWLINE" else None
    message = f"expected {expected(parser.expected())}, found {found(token, following)}"
    start, end = token.start, token.end
    before = parser.previous
    if following is not None and not token.text:
        start, end = following.start, following.end
    elif following is not None and before is not None:
        start, end = before.end, before.end + 1  # not behind a comment
    labels = hidden_header(parser)
    if following is None and before is not None and before.kind != "NEWLINE":
        span = parser.mistakes.span(before.start, before.end)
        if span.line < parser.mistakes.span(start, end).line:
            labels = (Label(span, "expected behind this"),)
    parser.mistakes.error("E0101", start, end, message, labels=labels, help=_help(parser))


def _replace(parser: Parser, kind: str) -> None:
    token = parser.token
    parser.tokens[parser.position] = Token(kind, token.text, token.start, token.end)


def _help(parser: Parser) -> str | None:
    token, before = parser.token, parser.previous
    for candidate in (token, before):
        if candidate is not None and candidate.text in _OF_OTHERS:
            return _OF_OTHERS[candidate.text]
    if token.kind in _COMPARATORS and not parser.accepts("=="):
        return "comparisons do not follow each other: write `a < b and b < c`"
    if token.kind == "//" or (
        token.kind == "/" and parser.tokens[parser.position + 1].kind in ("*", "**")
    ):
        return "a comment begins with `#`"
    if before is None:
        return None
    if before.kind == "TYPE_NAME" and token.kind in _STARTERS and parser.accepts("("):
        return f"arguments go in parentheses: `{before.text}({token.text})`"
    if before.kind in ("=", "{", "$END", "NEWLINE") and token.kind == "->":
        return "a pipeline begins with a stage or a value; `it` is the value of the line above"
    values = parser.values
    if token.kind == "->" and before.kind == "NAME" and isinstance(values[-1], list):
        return "several values flow on together in parentheses: `(a, b) -> Concat`"
    return None


# --- the slips ---------------------------------------------------------------------


def _wrong_case(parser: Parser) -> bool:
    """`model lenet`, `let Width`."""
    token = parser.token
    if token.kind == "NAME" and token.text not in _OF_OTHERS and parser.accepts("TYPE_NAME"):
        right, kind = camel(token.text), "TYPE_NAME"
        rule = "begins with a capital letter"
    elif token.kind == "TYPE_NAME" and parser.accepts("NAME"):
        right, kind = snake(token.text), "NAME"
        rule = "begins with a lower-case letter"
    else:
        return False
    parser.mistakes.error(
        "E0108",
        token.start,
        token.end,
        f"a name in this place {rule}",
        help=f"for example `{right}`; change it wherever it is used",
        replacement=right,
        title=f"write `{right}`",
        safe=False,
    )
    _replace(parser, kind)
    return True


def _reserved(parser: Parser) -> bool:
    """`let data = 3`, `x = input`."""
    token = parser.token
    names = parser.accepts("NAME")
    if token.kind not in keywords() or not (names or parser.accepts("TYPE_NAME")):
        return False
    if parser.accepts("NUMBER") and (
        token.kind not in DECLARATIONS | {"input", "output", "layer", "step", "parameter"}
        or parser.accepts("minimize")
    ):
        return False
    _report_reserved(parser, token)
    _replace(parser, "NAME" if names else "TYPE_NAME")
    return True


def _report_reserved(parser: Parser, token: Token) -> None:
    parser.mistakes.error(
        "E0106",
        token.start,
        token.end,
        f"`{token.kind}` is a reserved word and cannot be a name",
        help=f"choose another one, such as `{token.kind}_`",
    )


def _sign(parser: Parser) -> bool:
    """`loss: mse`, `let x == 3`, `if x = 3 { … }`, `input x = float[3]`."""
    token = parser.token
    if token.kind in (":", "==") and parser.accepts("="):
        right, message = "=", f"a value is given with `=`, not with `{token.kind}`"
    elif token.kind == "=" and parser.accepts(":"):
        right, message = ":", "a type stands behind `:`"
    elif token.kind == "=" and parser.accepts("==") and _in_condition(parser):
        right, message = "==", "a comparison is written `==`"
    else:
        return False
    parser.mistakes.error(
        "E0101", token.start, token.end, message, replacement=right, title=f"write `{right}`"
    )
    parser.tokens[parser.position] = Token(right, right, token.start, token.end)
    return True


def _in_condition(parser: Parser) -> bool:
    """Whether a condition is being read, with no bracket opened since."""
    for value in reversed(parser.values[parser.partial() :]):
        if isinstance(value, Token) and value.kind in ("if", "require", "("):
            return value.kind != "("
    return False


def _bound_name(parser: Parser) -> bool:
    """`Skip = it -> …` and `input = digits()`, noticed at the `=`."""
    token, before = parser.token, parser.previous
    if token.kind not in ("=", ":") or before is None or parser.partial() != len(parser.values) - 1:
        return False
    last = parser.values[-1]
    if last is not before and not (
        isinstance(last, tree.TypeName) and last.span.start == before.start
    ):
        return False
    if before.kind == "TYPE_NAME":
        right = snake(before.text)
        parser.mistakes.error(
            "E0108",
            before.start,
            before.end,
            "the name of a value begins with a lower-case letter",
            replacement=right,
            title=f"write `{right}`",
            help=f"for example `{right}`; change it wherever it is used",
            safe=False,
        )
    elif before.kind in keywords():
        _report_reserved(parser, before)
    else:
        return False
    del parser.values[-1], parser.extents[-1], parser.depths[-1], parser.states[-1]
    parser.feed(Token("NAME", before.text, before.start, before.end))
    if token.kind == ":":
        parser.tokens[parser.position] = Token("=", "=", token.start, token.end)
    return True


def _line_end(parser: Parser) -> bool:
    """A `{` on a line of its own, and a line that ends behind `->` or an operator."""
    token, before = parser.token, parser.previous
    if token.kind != "NEWLINE" or not token.text or before is None:
        return False
    following = parser.tokens[parser.position + 1]
    if following.kind == "{" and parser.accepts("{") and not parser.accepts("NUMBER"):
        parser.mistakes.error(
            "E0101",
            following.start,
            following.end,
            "this `{` belongs at the end of the line above",
            help="a line end ends the statement",
        )
    elif before.kind in _JOINING and parser.accepts(following.kind):
        help = "put the whole expression in parentheses"
        if before.kind == "->":
            help = "begin the next line with `->` instead"
        parser.mistakes.error(
            "E0101",
            before.start,
            before.end,
            f"a line cannot end behind `{before.kind}`",
            help=help,
        )
    else:
        return False
    parser.position += 1
    return True


def _else_if(parser: Parser) -> bool:
    """`elif`."""
    token = parser.token
    if token.text not in ("elif", "elseif", "elsif") or not parser.accepts("else"):
        return False
    parser.mistakes.error(
        "E0101",
        token.start,
        token.end,
        f"`{token.text}` is written `else if`",
        replacement="else if",
        title="write `else if`",
    )
    parser.feed(Token("else", "else", token.start, token.end))
    parser.tokens[parser.position] = Token("if", "if", token.start, token.end)
    return True


def _nested_declaration(parser: Parser) -> bool:
    """`let x = 3` and the other declarations inside a body."""
    token = parser.token
    if token.kind not in DECLARATIONS or not parser.accepts("minimize"):
        return False
    if token.kind == "let":
        parser.mistakes.error(
            "E0109",
            token.start,
            token.end,
            "`let` stands at the top level alone",
            replacement="",
            title="remove `let`",
            safe=False,
            help="inside a body write `name = value`",
        )
        parser.position += 1
        return True
    if parser.tokens[parser.position + 1].kind in ("=", ":", "=="):
        right = Token("NAME", token.text, token.start, token.end)
        _report_reserved(parser, token)
        parser.tokens[parser.position] = right
        return True
    return False


def _missing_comma(parser: Parser) -> bool:
    """`Conv(64 3)`."""
    token, before = parser.token, parser.previous
    if token.kind not in _STARTERS or before is None or not parser.accepts(","):
        return False
    if not any(
        isinstance(v, Token) and v.kind in ("(", "[") for v in parser.values[parser.partial() :]
    ):
        return False
    parser.mistakes.error(
        "E0101",
        token.start,
        token.end,
        f"expected `,` before {found(token)}",
        help="arguments and items are separated by commas",
    )
    parser.mistakes.silence(token.start)
    parser.feed(Token(",", "", before.end, before.end))
    return True


def camel(name: str) -> str:
    """A capitalised name like the given one."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) or "Name"


def snake(name: str) -> str:
    """A lower-case name like the given one."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
