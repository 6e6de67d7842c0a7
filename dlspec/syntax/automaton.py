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

from dlspec.packaged import folder

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
    stored = from_json(STORED.read_text(encoding="utf-8"))
    if stored.grammar == grammar:
        return stored
    from dlspec.syntax.tables import build

    return build(grammar)


def read_grammar() -> str:
    """The text of `dlnet.lark`. Raises FileNotFoundError where the installation lacks it."""
    return (folder("grammar") / "dlnet.lark").read_text(encoding="utf-8")


def from_json(text: str) -> Tables:
    """The tables that `to_json` wrote."""
    stored = json.loads(text)
    stored["literals"] = tuple(stored["literals"])
    stored["rules"] = tuple(Rule(*rule) for rule in stored["rules"])
    stored["actions"] = tuple(stored["actions"])
    stored["gotos"] = tuple(stored["gotos"])
    return Tables(**stored)
