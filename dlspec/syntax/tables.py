"""The parse tables, made from the grammar by lark and kept as JSON.

`python -m dlspec.syntax.tables` rewrites the file after a change of the grammar.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from lark import Lark

from dlspec.syntax.automaton import STORED, Rule, Tables, read_grammar

START = "module"


def build(grammar: str) -> Tables:
    """The tables of a grammar text, by lark."""
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
        actions.append(
            {
                literals.get(symbol, symbol): state[symbol][1]
                if state[symbol][0]
                else -1 - rules[state[symbol][1]]
                for symbol in terminals
            }
        )
        gotos.append({symbol: state[symbol][1] for symbol in sorted(origins & state.keys())})
    return Tables(
        grammar=grammar,
        terminals=named,
        literals=tuple(sorted(literals.values(), key=lambda text: (-len(text), text))),
        rules=tuple(
            Rule(str(rule.origin.name), len(rule.expansion), rule.alias) for rule in lark.rules
        ),
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
    states = [
        {
            symbol: (True, numbers[target]) if kind.name == "Shift" else (False, target)
            for symbol, (kind, target) in table.states[state].items()
        }
        for state in order
    ]
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


def main() -> None:
    STORED.write_text(to_json(build(read_grammar())), encoding="utf-8", newline="\n")
    sys.stdout.write(f"wrote {STORED.name}\n")


if __name__ == "__main__":
    main()
