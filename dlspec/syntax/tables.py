"""The parse tables: made from the grammar by lark, kept as JSON, loaded without lark.

Importing lark and building the tables takes longer than everything else that
`dlspec check` does, so they are built once and stored beside this file together
with the grammar that they were built from. Where the grammar at hand is another
one, they are built afresh. `python -m dlspec.syntax.tables` rewrites the file.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

STORED = Path(__file__).with_name("tables.json")
START = "module"


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
    return build(grammar)


def read_grammar() -> str | None:
    """The text of `dlnet.lark`, from the wheel or from a clone; None where there is neither."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package, package.parent):
        path = folder / "grammar" / "dlnet.lark"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return None


def build(grammar: str) -> Tables:
    """The tables of a grammar text, by lark."""
    from lark import Lark

    lark = Lark(grammar, parser="lalr", lexer="basic", start=START, maybe_placeholders=False)
    named = {t.name: t.pattern.value for t in lark.terminals if t.pattern.type == "re"}
    literals = {t.name: t.pattern.value for t in lark.terminals if t.pattern.type == "str"}
    origins = {rule.origin.name for rule in lark.rules}
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    states, start, end = _automaton(lark)
    actions: list[dict[str, int]] = []
    gotos: list[dict[str, int]] = []
    for state in states:
        terminals = sorted(symbol for symbol in state if symbol not in origins)
        actions.append({literals.get(symbol, symbol): state[symbol][1] if state[symbol][0]
                        else -1 - rules[state[symbol][1]] for symbol in terminals})
        gotos.append({symbol: state[symbol][1] for symbol in sorted(origins & state.keys())})
    return Tables(
        grammar=grammar,
        terminals=named,
        literals=tuple(sorted(literals.values(), key=lambda text: (-len(text), text))),
        rules=tuple(Rule(str(rule.origin.name), len(rule.expansion), rule.alias)
                    for rule in lark.rules),
        start=start,
        end=end,
        actions=tuple(actions),
        gotos=tuple(gotos),
    )


def _automaton(lark: Any) -> tuple[list[dict[str, tuple[bool, Any]]], int, int]:
    """The states of lark's parse table, numbered in the order in which they are reached.

    Lark numbers them by the order of its hashes, which differs from run to run.
    This is the one place that reaches into its insides. An entry is whether it
    leads to another state, and that state or the rule to reduce by.
    """
    table = lark.parser.parser._parse_table
    order = [table.start_states[START]]
    numbers = {order[0]: 0}
    for state in order:
        for symbol in sorted(table.states[state]):
            kind, target = table.states[state][symbol]
            if kind.name == "Shift" and target not in numbers:
                numbers[target] = len(order)
                order.append(target)
    states = [{symbol: (True, numbers[target]) if kind.name == "Shift" else (False, target)
               for symbol, (kind, target) in table.states[state].items()} for state in order]
    return states, 0, numbers[table.end_states[START]]


def to_json(tables: Tables) -> str:
    """The stored form: one line a state, so that a change of the grammar can be reviewed."""
    def rows(values: Any) -> str:
        return "[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in values) + "\n]"

    parts = {name: json.dumps(value) for name, value in tables._asdict().items()}
    parts["rules"] = rows(tables.rules)
    parts["actions"] = rows(tables.actions)
    parts["gotos"] = rows(tables.gotos)
    return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in parts.items()) + "\n}\n"


def from_json(text: str) -> Tables:
    """The tables that `to_json` wrote."""
    stored = json.loads(text)
    stored["literals"] = tuple(stored["literals"])
    stored["rules"] = tuple(Rule(*rule) for rule in stored["rules"])
    stored["actions"] = tuple(stored["actions"])
    stored["gotos"] = tuple(stored["gotos"])
    return Tables(**stored)


def main() -> None:
    grammar = read_grammar()
    if grammar is None:
        sys.exit("no grammar/dlnet.lark beside the package")
    STORED.write_text(to_json(build(grammar)), encoding="utf-8", newline="\n")
    print(f"wrote {STORED.name}")


if __name__ == "__main__":
    main()
