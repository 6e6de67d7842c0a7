"""Random sentences of the grammar, and texts with other line ends, blanks and comments."""

from __future__ import annotations

from functools import cache
from random import Random

import lark

from dlspec.diagnostics import Report
from dlspec.source import Source
from dlspec.syntax import automaton
from dlspec.syntax.brackets import DECLARATIONS
from dlspec.syntax.lexer import Token, read
from dlspec.syntax.mistakes import Mistakes
from dlspec.syntax.parse import scan
from dlspec.syntax.tables import START

WRITTEN = {
    "NAME": ("a", "b_2", "width", "axis_of_the_channels"),
    "TYPE_NAME": ("A", "Conv", "GlobalAvgPool", "ConvTranspose2D"),
    "NUMBER": ("1", "28", "1_000", "0.50", "1e-3", "10%"),
    "STRING": ('"s"', '"# no comment"', r'"\"\u00e4"'),
    "SYMBOL": ("?n", "?length"),
    "NEWLINE": ("\n",),
}
CHOSEN = {"declarations": 0.5, "lines": 0.4}
"""How often a list of statements has one more; all else is drawn evenly."""


@cache
def _rules() -> dict[str, list[tuple[str, ...]]]:
    """The grammar's rules: what each name can become, names of rules with an `@` before them."""
    parser = lark.Lark(automaton.read_grammar(), parser="lalr", lexer="basic", start=START)
    signs = {t.name: t.pattern.value for t in parser.terminals if t.pattern.type == "str"}
    rules: dict[str, list[tuple[str, ...]]] = {}
    for rule in parser.rules:
        symbols = tuple(
            signs.get(s.name, s.name) if s.is_term else f"@{s.name}" for s in rule.expansion
        )
        rules.setdefault(f"@{rule.origin.name}", []).append(symbols)
    return rules


@cache
def _heights() -> dict[str, int]:
    """How deep the shallowest derivation of each name is."""
    heights: dict[str, int] = {}
    while len(heights) < len(_rules()):
        for name, choices in _rules().items():
            known = [c for c in choices if all(s[0] != "@" or s in heights for s in c)]
            if known and name not in heights:
                heights[name] = 1 + min(_height(c, heights) for c in known)
    return heights


def _height(symbols: tuple[str, ...], heights: dict[str, int]) -> int:
    return max((heights.get(s, 0) for s in symbols), default=0)


def sentence(random: Random, length: int = 120) -> str:
    """A text that the grammar derives, on single lines with single blanks."""
    words: list[str] = []
    pending: list[tuple[str, int]] = [(f"@{START}", 0)]
    while pending:
        symbol, depth = pending.pop()
        if symbol[0] != "@":
            words.append(random.choice(WRITTEN.get(symbol, (symbol,))))
            continue
        choices = _rules()[symbol]
        tight = len(words) + len(pending) > length or depth > 60
        if tight:
            least = min(_height(c, _heights()) for c in choices)
            choices = [c for c in choices if _height(c, _heights()) == least]
        elif symbol[1:] in CHOSEN:
            more = random.random() > 0.25
            choices = [c for c in choices if bool(c) == more] or choices
        chosen = random.choice(choices)
        pending += [(s, depth + 1) for s in reversed(chosen)]
    return " ".join(words)


@cache
def _apart(before: str, behind: str) -> bool:
    """Whether two tokens are two still when nothing stands between them."""
    source = Source("pair", before + behind)
    report = Report()
    found = [token.text for token in read(source.text, Mistakes(source, report))[:-1]]
    return found == [before, behind] and not report.diagnostics


def scattered(text: str, random: Random, *, commented: bool = False) -> str:
    """The same tokens with blanks and line ends wherever they say nothing, drawn anew.

    commented: comments too, and empty lines between statements and declarations
    """
    tokens = scan(Source("text", text), Report())
    out: list[str] = []
    quiet = [False]
    number = 0
    for place, token in enumerate(tokens):
        if token.kind == "NEWLINE":
            continue
        last = tokens[place - 1] if place else None
        free = quiet[-1] or token.kind in ("->", "else", "}") or (last and last.kind == "{")
        if token.kind in DECLARATIONS:  # at the beginning of a line it begins a declaration
            free = False
        ended = last is not None and last.kind == "NEWLINE" and token.kind not in ("}", "$END")
        gap = random.choice(("", "", " ", "  ", "\t"))
        if ended or (free and random.random() < 0.3) or last is None:
            gap = random.choice(("\n", "\r\n")) if ended or last else ""
            if free and not ended:
                gap += random.choice(("", "\n", " \n\n"))
            if commented:
                gap, number = _comments(gap, random, number)
            gap += random.choice(("", " ", "      "))
        previous = next((t.text for t in reversed(tokens[:place]) if t.text.strip()), "")
        if not gap and previous and token.text and not _apart(previous, token.text):
            gap = " "
        out += [gap, token.text]
        _follow(token, quiet)
    tail = random.choice(("", "\n", "\n\n \n"))
    return (
        "".join(out) + (f" # tail {number}" if commented and random.random() < 0.3 else "") + tail
    )


def _comments(gap: str, random: Random, number: int) -> tuple[str, int]:
    """Empty lines and comments around the line end in a gap."""
    if gap and random.random() < 0.3:
        number += 1
        gap = f"{random.choice(('', '  '))}# behind {number}" + gap
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        number += 1
        gap += random.choice(("", " ", "\n")) + random.choice(("#", "# ", "#  ")) + f"{number} \n"
    return gap + random.choice(("", "", "\n", "\n\n")), number


def _follow(token: Token, quiet: list[bool]) -> None:
    """Keep account of the brackets that are open."""
    if token.kind in ("(", "[", "{"):
        quiet.append(token.kind != "{")
    elif token.kind in (")", "]", "}"):
        quiet.pop()
