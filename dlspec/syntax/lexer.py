"""Text to tokens. The patterns come from the grammar; here are only the mistakes.

Whatever stands in the text, the lexer gives tokens: what it cannot read it reports
and replaces by what was probably meant, so that the parser stumbles on nothing twice.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from dlspec.syntax.automaton import tables
from dlspec.syntax.mistakes import Mistakes, shown
from dlspec.syntax.numbers import bad_number

NAME_LIMIT = 64
DIGIT_LIMIT = 18


class Token(NamedTuple):
    """A piece of the text. `kind` is the text itself for words and signs of the grammar.

    The text is empty where the token does not stand in the source as such: a
    bracket or line end put in, or a number or string that has been reported.
    """

    kind: str
    text: str
    start: int
    end: int


# What people write who come from other languages, and what it is here.
SLIPS = {
    "=>": "->",
    "|>": "->",
    "→": "->",
    "&&": "and",
    "||": "or",
    "===": "==",
    "!==": "!=",
    "<>": "!=",
    ":=": "=",
    "^": "**",
    "×": "*",
    "−": "-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "!": "not",
}
UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)"
)
_BAD_NUMBER = r"(?P<BAD_NUMBER>\.?[0-9][0-9A-Za-z_]*(?:\.(?!\.)[0-9A-Za-z_]*)*)"
_OPEN_STRING = r'(?P<OPEN_STRING>"[^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*\\?)'
_QUOTED = r"(?P<QUOTED>'[^'\r\n]*')"
_ESCAPE = re.compile(r'\\(?:["\\nt]|u[0-9A-Fa-f]{4})|(\\u[0-9A-Fa-f]{0,3}|\\.)')
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


@cache
def pattern() -> re.Pattern[str]:
    """One pattern for every token, the grammar's terminals first where they are right."""
    terminals = dict(tables().terminals)
    slips = sorted((slip for slip in SLIPS if slip != "!"), key=len, reverse=True)
    signs = [sign for sign in tables().literals if not sign.isalpha()]
    ignored = "|".join((terminals.pop("BLANK"), terminals.pop("COMMENT")))
    parts = [
        f"(?P<IGNORED>(?:{ignored})+)",
        *(f"(?P<{name}>{pattern})" for name, pattern in terminals.items()),
        _BAD_NUMBER,
        f"(?P<SLIP>{'|'.join(map(re.escape, slips))}|!(?!=))",
        f"(?P<SIGN>{'|'.join(map(re.escape, signs))})",
        _OPEN_STRING,
        _QUOTED,
        r"(?P<OTHER>[^\W\x00-\x7f]\w*|[^\x00-\x7f\w]+|[^\n])",
    ]
    return re.compile("|".join(parts), re.DOTALL)


@cache
def keywords() -> frozenset[str]:
    """The reserved words."""
    return frozenset(word for word in tables().literals if word.isalpha())


def read(text: str, mistakes: Mistakes) -> list[Token]:
    """All tokens of a text, comments left out, line ends still in, `$END` at the end."""
    reserved = keywords()
    tokens: list[Token] = []
    add = tokens.append
    for match in pattern().finditer(text):
        kind = match.lastgroup
        start, end = match.span()
        if kind == "IGNORED":
            continue
        piece = match.group()
        if kind == "SIGN" or (kind == "NAME" and piece in reserved):
            add(Token(piece, piece, start, end))
        elif kind == "NEWLINE":
            add(Token("NEWLINE", "\n", start, end))
        elif kind in ("NAME", "TYPE_NAME", "SYMBOL"):
            if end - start > NAME_LIMIT:
                _long_name(mistakes, start, end)
            add(Token(kind, piece, start, end))
        elif kind == "NUMBER" or kind == "BAD_NUMBER":
            add(_number(mistakes, kind, piece, start, end))
        elif kind == "STRING":
            add(_string(mistakes, piece, start, end))
        else:
            _other(mistakes, tokens, str(kind), piece, start)
    add(Token("$END", "", len(text), len(text)))
    return tokens


def check_characters(text: str, mistakes: Mistakes) -> None:
    """Report every character that a spec may not contain, wherever it stands."""
    for match in UNSAFE.finditer(text):
        if mistakes.spent:
            return
        character = match.group()
        what = f"U+{ord(character):04X}"
        message = f"a spec may not contain the character {what}"
        help = "remove it"
        if character == "\r":
            message = "a carriage return (U+000D) stands without its line feed"
            help = "save the file with line ends of Unix or Windows"
        elif "\ud800" <= character <= "\udfff":
            message = f"half of a surrogate pair ({what}) is no character"
        elif character in "\u061c\u200e\u200f" or "\u202a" <= character <= "\u2069":
            message = f"{what} changes the direction of the text, so that it reads as another one"
        mistakes.error("E0002", *match.span(), message, help=help)
        mistakes.silence(match.start())


def string_value(text: str) -> str:
    """The value of a string token that has no mistakes."""
    if "\\" not in text:
        return text[1:-1]
    return _ESCAPE.sub(_unescape, text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    escape = match.group()
    return _ESCAPES[escape[1]] if escape[1] in _ESCAPES else chr(int(escape[2:], 16))


def _long_name(mistakes: Mistakes, start: int, end: int) -> None:
    mistakes.error(
        "E0707",
        start,
        end,
        f"this name has {end - start} characters",
        label=f"at most {NAME_LIMIT} are allowed",
        help="choose a shorter name",
    )


def _number(mistakes: Mistakes, kind: str, text: str, start: int, end: int) -> Token:
    """The token of a number; its text is empty where the number cannot be used."""
    good = Token("NUMBER", text, start, end)
    void = Token("NUMBER", "", start, end)
    digits = text.rstrip("%").replace("_", "")
    if kind == "BAD_NUMBER":
        bad_number(mistakes, text, start, end)
        return void
    if not digits.isdigit():
        if "e" in text.lower() and (text.endswith("%") or float(digits) == float("inf")):
            mistakes.error(
                "E0107",
                start,
                end,
                f"`{shown(text)}` cannot be a number here",
                help="numbers reach to about 1.8e308, and a percentage has no exponent",
            )
            return void
        return good
    if len(digits) > 1 and digits[0] == "0":
        mended = text.lstrip("0_") or "0"
        mistakes.error(
            "E0107",
            start,
            end,
            "a whole number does not begin with 0",
            replacement=mended if mended[0] != "%" else "0" + mended,
            title="drop the zeros",
        )
        return void
    if len(digits) > DIGIT_LIMIT:
        mistakes.error(
            "E0703",
            start,
            end,
            f"this whole number has {len(digits)} digits",
            label=f"at most {DIGIT_LIMIT} are allowed",
            help="write a large number that need not be exact as `1e20`",
        )
        return void
    return good


def _string(mistakes: Mistakes, text: str, start: int, end: int) -> Token:
    good = True
    if "\\" in text:
        for match in _ESCAPE.finditer(text):
            wrong = match.group(1)
            value = wrong is None and match.group()[1] == "u" and int(match.group()[2:], 16)
            surrogate = value and 0xD800 <= value <= 0xDFFF
            if wrong is None and not surrogate:
                continue
            good = False
            mistakes.error(
                "E0105",
                start + match.start(),
                start + match.end(),
                f"strings do not know the escape `{shown(match.group())}`",
                help=r"the escapes are `\"`, `\\`, `\n`, `\t` and `\u` with four "
                "hexadecimal digits" + (" of a character" if surrogate else ""),
            )
    return Token("STRING", text if good else "", start, end)


def _other(mistakes: Mistakes, tokens: list[Token], kind: str, text: str, start: int) -> None:
    """Report what is no token, and add what was probably meant."""
    end = start + len(text)
    if kind == "SLIP":
        right = SLIPS[text]
        mistakes.error(
            "E0101",
            start,
            end,
            f"`{text}` is written `{right}` here",
            replacement=right + (" " if right == "not" else ""),
            title=f"write `{right}`",
        )
        tokens.append(Token(right, right, start, end))
    elif kind == "OPEN_STRING":
        _open_string(mistakes, tokens, text, start)
    elif kind == "QUOTED":
        replacement = '"' + text[1:-1].replace("\\", "\\\\").replace('"', '\\"') + '"'
        mistakes.error(
            "E0101",
            start,
            end,
            "strings are written in double quotes",
            replacement=replacement,
            title="use double quotes",
        )
        tokens.append(Token("STRING", '"' + text[1:-1].replace("\\", "\\\\") + '"', start, end))
    elif text == ";":
        mistakes.error(
            "E0101",
            start,
            end,
            "a statement ends with its line, not with `;`",
            help="write one statement a line",
        )
        tokens.append(Token("NEWLINE", "", start, end))
    elif not text.isspace() and not UNSAFE.fullmatch(text):
        _foreign(mistakes, tokens, text, start)


def _open_string(mistakes: Mistakes, tokens: list[Token], text: str, start: int) -> None:
    """Report a string without its end, and add it as an empty one."""
    # The brackets at the end of the line were hardly meant to be in the string.
    end = start + len(text.rstrip("\\ \t)]},{"))
    mistakes.error(
        "E0104",
        start,
        end,
        "this string does not end on its line",
        help='close it with `"`; a line end inside a string is written `\\n`',
    )
    mistakes.silence(start)
    tokens.append(Token("STRING", "", start, end))
    tokens.extend(
        Token(sign, "", place, place + 1)
        for place, sign in enumerate(text[end - start :], end)
        if sign in ")]},{"
    )


def _foreign(mistakes: Mistakes, tokens: list[Token], text: str, start: int) -> None:
    end = start + len(text)
    if text.isascii():
        length = "`?` stands before the lower-case name of a length: `?length`"
        help = length if text == "?" else None
        mistakes.error("E0101", start, end, f"`{shown(text)}` means nothing here", help=help)
        mistakes.silence(start)
        return
    help = (
        "names are made of the letters a to z, digits and `_`; comments and strings may hold "
        "any text"
    )
    if text[0] in "“”„«»‘’":
        help = 'strings stand in straight double quotes, `"…"`'
    if not UNSAFE.search(text):
        mistakes.error(
            "E0002",
            start,
            end,
            f"`{shown(text)}` may stand in comments and strings only",
            help=help,
        )
    mistakes.silence(start)
    # `größe` comes as `gr`, `öß`, `e`: one name, of which nothing more is to be said.
    joined = tokens and tokens[-1].end == start and tokens[-1].kind in ("NAME", "TYPE_NAME")
    if joined and text.isalnum():
        before = tokens.pop()
        tokens.append(Token(before.kind, before.text + "_", before.start, end))
    elif text.isalnum():
        tokens.append(Token("NAME", "_", start, end))
