"""The parse tables at run time: loaded from JSON, without lark.

Importing lark and building the tables takes longer than everything else that
`dlspec check` does, so they are stored together with the grammar that they were
built from (`tables.py` writes them). Where the grammar at hand is another one,
they are built afresh.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

STORED = Path(__file__).with_name("tables.json")


class Rule(NamedTuple):
    """`origin` becomes `length` symbols; `action` makes the value, or None passes the child on."""

    origin: str
    length: int
    action: str | None


class Tables(NamedTuple):
    """An LALR(1) automaton whose terminals go by their text, or by name where they vary.

    `actions[state][terminal]` is the state to shift to, or -1 - the number of the
    rule to reduce by; `gotos[state][origin]` the state after a reduction. The input
    is accepted when `end` is reached. `terminals` are patterns of the terminals that vary.
    """

    grammar: str
    terminals: dict[str, str]
    literals: tuple[str, ...]
    rules: tuple[Rule, ...]
    start: int
    end: int
    actions: tuple[dict[str, int], ...]
    gotos: tuple[dict[str, int], ...]


@cache
def tables() -> Tables:
    """The tables of the grammar at hand."""
    grammar = read_grammar()
    if STORED.is_file():
        stored = from_json(STORED.read_text(encoding="utf-8"))
        if grammar is None or stored.grammar == grammar:
            return stored
    if grammar is None:
        raise FileNotFoundError("dlspec is installed without its grammar, `dlnet.lark`")
    from dlspec.syntax.tables import build

    return build(grammar)


def read_grammar() -> str | None:
    """The text of `dlnet.lark`, from the wheel or from a clone; None where there is neither."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package, package.parent):
        path = folder / "grammar" / "dlnet.lark"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return None


def from_json(text: str) -> Tables:
    """The tables that `to_json` wrote."""
    stored = json.loads(text)
    stored["literals"] = tuple(stored["literals"])
    stored["rules"] = tuple(Rule(*rule) for rule in stored["rules"])
    stored["actions"] = tuple(stored["actions"])
    stored["gotos"] = tuple(stored["gotos"])
    return Tables(**stored)
