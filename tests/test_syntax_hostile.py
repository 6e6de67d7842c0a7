"""The parser on anything at all: no exception, never slow, and it accepts what lark accepts."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from time import process_time

import lark
import pytest
from hypothesis import given
from hypothesis import strategies as st
from syntax_trees import nodes, parsed
from test_syntax import EVERYTHING

from dlspec.diagnostics import Report
from dlspec.source import Source
from dlspec.syntax import automaton, decode, parse
from dlspec.syntax.layout import arrange
from dlspec.syntax.lexer import Token, read
from dlspec.syntax.mistakes import Mistakes
from dlspec.syntax.tables import START

PIECES = [
    *automaton.tables().literals,
    "\n",
    "\n",
    "\n",
    " ",
    "a",
    "b",
    "Conv",
    "Model",
    "3",
    "0.5",
    "10%",
    '"s"',
    "?n",
    "# c\n",
    '"',
    "'",
    "\\",
    ";",
    "é",
    "\x00",
    "\r\n",
    "1.",
    "=>",
]
WORDS = re.findall(r'"(?:[^"\\\n]|\\.)*"|[A-Za-z_0-9]+|[^\sA-Za-z_0-9]|\s+', EVERYTHING)


def check(text: str) -> bool:
    """Parse a text and hold what is true of every tree; whether there was no mistake."""
    module, diagnostics = parsed(text)
    assert len(diagnostics) <= 100
    wrong = [n for n in nodes(module) if type(n).__name__.startswith("Error")]
    assert diagnostics or not wrong
    for diagnostic in diagnostics:
        span = diagnostic.span
        assert 0 <= span.start <= span.end <= len(text) + 1
        assert diagnostic.message.isprintable()
        assert diagnostic.severity == "error"
        for label in diagnostic.labels:
            assert 0 <= label.span.start <= label.span.end <= len(text)
        if diagnostic.fix is not None:
            assert diagnostic.fix.replacement != span.text
    return not diagnostics


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    report = Report()
    source = decode("test", data, report)
    assert (source is None) == bool(report.diagnostics)
    if source is not None:
        check(source.text)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    check(text)
    check(f"model A {{\n{text}\n}}")


@given(st.lists(st.sampled_from(PIECES), max_size=60), st.booleans())
def test_any_pieces_of_the_language(pieces: list[str], spaced: bool) -> None:
    text = (" " if spaced else "").join(pieces)
    check(text)
    check(f"model A {{\n{text}\n}}")


@pytest.mark.parametrize(
    "lines",
    [
        "] f( step s updates A  else  { =",
        "in\n for i in [\n + as ) } ,",
        "[\n for i in  not\n f( , = ( - }",
        "x = if b {\n X\n } Conv(width, 1)\n C",
        "for (i n) of range(3) { i -> Dense(3) x }",
    ],
)
def test_texts_that_once_hung(lines: str) -> None:
    assert not check(f"model A {{\n{lines}\n}}")


@given(
    st.lists(
        st.tuples(st.integers(0, len(WORDS) - 1), st.sampled_from([*PIECES, ""]), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
def test_any_edits_of_a_spec(edits: list[tuple[int, str, bool]]) -> None:
    words = list(WORDS)
    for place, piece, instead in edits:
        words[place] = piece if instead else words[place] + piece
    check("".join(words))


# --- lark as the oracle ---------------------------------------------------------------


@cache
def oracle() -> tuple[lark.Lark, dict[str, str]]:
    """Lark's own parser, and its names for the words and signs of the grammar."""
    parser = lark.Lark(automaton.read_grammar(), parser="lalr", lexer="basic", start=START)
    return parser, {t.pattern.value: t.name for t in parser.terminals if t.pattern.type == "str"}


def lark_accepts(tokens: list[Token]) -> bool:
    parser, names = oracle()
    interactive = parser.parse_interactive("")
    try:
        for token in tokens[:-1]:
            interactive.feed_token(lark.Token(names.get(token.kind, token.kind), token.text))
        interactive.feed_eof()
    except lark.exceptions.UnexpectedInput:
        return False
    return True


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "B",
                "3",
                "->",
                "+",
                "-",
                "(",
                ")",
                "[",
                "]",
                ",",
                "=",
                "\n",
                "{",
                "}",
                "if ",
                " else ",
                "a = ",
                "repeat 2 ",
                "for i in ",
                " in ",
                " as ",
                "not ",
                ".",
                "..",
                "input x: ",
                "output y",
                "step s updates A ",
                "require ",
                "f(",
                "x=",
            ]
        ),
        max_size=12,
    )
)
def test_lark_accepts_what_the_driver_accepts(pieces: list[str]) -> None:
    text = "model A {\n" + " ".join(pieces) + "\n}"
    report = Report()
    source = Source("test", text)
    tokens = arrange(read(text, Mistakes(source, report)), Mistakes(source, report))
    if report.diagnostics:
        return  # brackets were mended: the tokens are not what is written
    assert check(text) == (lark_accepts(tokens) and not _by_meaning(text))


def _by_meaning(text: str) -> bool:
    """Whether there is a mistake that the grammar leaves to the tree's functions."""
    return any("by position" in d.message for d in parsed(text)[1])


# --- time -----------------------------------------------------------------------------

LONG: dict[str, Callable[[int], str]] = {
    "parentheses": lambda n: "let x = " + "(" * n + "a" + ")" * n,
    "open parentheses": lambda n: "model A { " + "(" * n,
    "open braces": lambda n: "model A " + "{" * n,
    "closing": lambda n: "model A { " + ")" * n,
    "crossed": lambda n: "model A {" + "(}{)" * (n // 4) + "}",
    "mixed": lambda n: "model A {" + "({]" * (n // 3) + "}",
    "minus": lambda n: "let x = " + "-" * n + "a",
    "minus over a chain": lambda n: "let x = " + "- " * (n // 4) + "(" + "1+" * (n // 4) + "1)",
    "minus on lines": lambda n: "model A { " + "-\n" * (n // 2) + "x }",
    "power": lambda n: "let x = " + "2**" * (n // 3) + "2",
    "sum": lambda n: "let x = " + "2+" * (n // 2) + "2",
    "attributes": lambda n: "let x = a" + ".a" * (n // 2),
    "pipeline": lambda n: "let x = a" + "-> A " * (n // 5),
    "else if": lambda n: "model A { if a {b}" + " else if a {b}" * (n // 14) + " }",
    "digits": lambda n: "let x = " + "1" * n + "a",
    "separated digits": lambda n: "let x = " + "1_" * (n // 2) + "a",
    "fraction": lambda n: "let x = 0." + "1" * n,
    "points": lambda n: "let x = " + "1." * (n // 2),
    "exponent": lambda n: "let x = 1e" + "1" * n,
    "name": lambda n: "let " + "x" * n + " = 1",
    "capitalised name": lambda n: "model " + "X" * n + " { }",
    "symbol": lambda n: "let x = ?" + "x" * n,
    "symbols": lambda n: "let x = " + "?" * n,
    "string": lambda n: 'let x = "' + "x" * n + '"',
    "open string": lambda n: 'let x = "' + "x" * n,
    "escapes": lambda n: 'let x = "' + "\\n" * (n // 2),
    "wrong escapes": lambda n: 'let x = "' + "\\q" * (n // 2) + '"',
    "quotes": lambda n: "let x = " + '"' * n,
    "single quotes": lambda n: "let x = " + "'" * n,
    "comment": lambda n: "#" + "x" * n,
    "comments": lambda n: "#\n" * (n // 2) + "let x = 1",
    "blanks": lambda n: " " * n,
    "lines": lambda n: "\n" * n,
    "semicolons": lambda n: "model A { " + ";" * n + " }",
    "control characters": lambda n: "\x00" * n,
    "carriage returns": lambda n: "\r" * n,
    "letters": lambda n: "é " * (n // 2),
    "arguments": lambda n: "let x = f(" + "1," * (n // 2) + ")",
    "no commas": lambda n: "let x = f(" + "1 " * (n // 2) + ")",
    "mistakes": lambda n: "model A {\n" + "x y\n" * (n // 4) + "}",
    "mistakes at the top": lambda n: "x y\n" * (n // 4),
    "open lines": lambda n: "model A {\n" + "f(3\n" * (n // 4) + "}",
    "open models": lambda n: "model A {\n" * (n // 10),
    "wrong headers": lambda n: "model a b {}\n" * (n // 13),
    "elif": lambda n: "model A { if a {b}" + " elif a {b}" * (n // 11) + " }",
    "lets": lambda n: "let x = 3\n" * (n // 10),
}


def seconds(text: str) -> float:
    report = Report()
    source = Source("test", text)
    start = process_time()
    parse(source, report)
    return process_time() - start


@pytest.mark.parametrize("long", LONG.values(), ids=LONG.keys())
def test_time_grows_with_the_length_alone(long: Callable[[int], str]) -> None:
    """Ten times the text takes about ten times as long; quadratic would be a hundred times."""
    short, middle, whole = (long(n) for n in (1_000, 10_000, 100_000))
    seconds(short)
    before = max(min(seconds(middle) for _ in range(2)), 0.005)
    after = seconds(whole)
    assert after < 40 * before, f"{before:.4f} s, then {after:.4f} s"


def test_the_patterns_of_the_grammar_are_linear() -> None:
    starts = {
        "NAME": "a",
        "TYPE_NAME": "A",
        "SYMBOL": "?a",
        "NUMBER": "1",
        "STRING": '"',
        "COMMENT": "#",
        "BLANK": " ",
        "NEWLINE": "\r",
    }
    assert starts.keys() == automaton.tables().terminals.keys()
    for name, start in starts.items():
        pattern = re.compile(automaton.tables().terminals[name])
        for filler in ("1", "1_", "1.", "a", "\\", '\\"', "e1", "%", " ", "\r", "\n"):
            text = start + filler * 100_000
            began = process_time()
            pattern.match(text)
            assert process_time() - began < 0.5, (name, filler)
