"""What is searched: the ranges of a spec as Optuna's distributions, and back to its texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlspec.ir.graph import CallNode, Program
from dlspec.ir.search import Search
from dlspec.ir.training import TrainPlan

DIGITS = 6
"""Of a fraction that was drawn: what is tried is what is printed and written down."""


def searches_of(program: Program, plan: TrainPlan) -> tuple[Search, ...]:
    """The ranges that matter to a plan: its own, its data's, and those of the networks in it."""
    networks = set(_networks(program, plan.models))
    data = {"data", plan.data} if len(program.data) == 1 else {plan.data}
    return tuple(
        search
        for search in program.searches
        if search.key.partition(".")[0] in {"train"} | data | networks
    )


def _networks(program: Program, keys: Sequence[str]) -> Iterator[str]:
    waiting, seen = list(keys), set[str]()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        graph = program.graphs[key]
        yield graph.name
        waiting += [node.graph for node in graph.nodes if isinstance(node, CallNode)]


def distributions(searches: Sequence[Search]) -> dict[str, Any]:
    """Optuna's distribution of every range, by its key."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, Any] = {}
    for search in searches:
        low, high = search.low, search.high
        if low is None or high is None:
            found[search.key] = CategoricalDistribution(search.choices)
        elif isinstance(low, int) and isinstance(high, int) and isinstance(search.value, int):
            found[search.key] = IntDistribution(low, high, log=search.log)
        else:
            found[search.key] = FloatDistribution(float(low), float(high), log=search.log)
    return found


def combinations(searches: Sequence[Search], most: int) -> list[dict[str, Any]] | None:
    """Every combination of values, where there are at most so many; None where there are more."""
    found: list[dict[str, Any]] = [{}]
    for search in searches:
        low, high = search.low, search.high
        values: Sequence[Any] = search.choices
        if low is not None and high is not None:
            if not all(isinstance(end, int) for end in (low, high, search.value)):
                return None
            values = range(int(low), int(high) + 1)
        if len(found) * len(values) > most:
            return None
        found = [{**one, search.key: value} for one in found for value in values]
    return found


def settings(searches: Sequence[Search], values: Mapping[str, Any]) -> dict[str, str]:
    """The values of a trial as `--set` takes them."""
    return {search.key: _text(search, values[search.key]) for search in searches}


def _text(search: Search, value: Any) -> str:
    if isinstance(value, str) or value == search.value or isinstance(value, int):
        return str(value)
    rounded = f"{value:.{DIGITS}g}"
    assert search.low is not None and search.high is not None
    return rounded if search.low <= float(rounded) <= search.high else repr(value)
