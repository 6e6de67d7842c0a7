"""Values that differ between the uses of a block, written over its constructor's arguments.

A size that equals an argument, a multiple or a part of one, or a sum of some, is written as
that; what cannot be explained becomes an argument of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, Final, NamedTuple, TypeAlias

from dlspec.backends.torch.names import variable
from dlspec.backends.torch.printer import literal

MISSING: Final = ...
"""Stands for the value of a use that has none, and fits any."""

Values: TypeAlias = tuple[Any, ...]
"""One value for each use."""

FLOWING_IN = ("in_channels", "in_features")
"""The names for the size of the first input, of an image or of anything else."""

_LEAST_SIZE = 8
"""Smaller numbers are multiples and sums of each other by chance, as kernels are of strides."""
_MOST_SUMMED = 8


class Parameter(NamedTuple):
    """An argument of a constructor: its value in each use, and its default or `MISSING`."""

    name: str
    values: Values
    default: Any = MISSING


class Solution(NamedTuple):
    """An expression and the arguments in it."""

    names: tuple[str, ...]
    text: str


class Solver:
    """Writes values over arguments, and collects the arguments that this takes.

    known: what expressions may be made of; reserved: names that no argument can have.
    `invents` says whether any argument is not among the known ones.
    """

    def __init__(self, known: Iterable[Parameter], reserved: Iterable[str] = ()) -> None:
        self.known: dict[str, Parameter] = {one.name: one for one in known}
        self.used: set[str] = set()
        self.invents = False
        self._reserved = tuple(reserved)
        self._solved: dict[str, Solution | None] = {}

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The arguments that were used, in the order of `known`, those with defaults last."""
        found = [one for name, one in self.known.items() if name in self.used]
        return tuple(sorted(found, key=lambda one: one.default is not MISSING))

    def expression(self, values: Values, wanted: str, likely: str = "") -> str:
        """The literal of what is the same everywhere, an expression, or a new argument.

        wanted: the name of a new argument; likely: that of the argument to try first.
        """
        given = [value for value in values if value is not MISSING]
        if len({repr(value) for value in given}) <= 1:
            # What only some uses have is written as what it is there, not as a number.
            found = self._alike(values) if len(given) < len(values) else None
            return found if found is not None else literal(given[0])
        if likely in self.known and equal(values, self.known[likely].values):
            found = Solution((likely,), likely)
        else:
            found = self.solved(values) or self._new(values, wanted)
        self.used.update(found.names)
        return found.text

    def _alike(self, values: Values) -> str | None:
        """The argument that is a size where it is given, though that is one number alone."""
        for name, one in self.known.items():
            if equal(values, one.values) and all(is_size(v) or v is MISSING for v in values):
                self.used.add(name)
                return name
        return None

    def _new(self, values: Values, wanted: str) -> Solution:
        self.invents = True
        name = variable(wanted, (*self.known, *self._reserved))
        given = [value for value in values if value is not MISSING]
        filled = tuple(given[0] if value is MISSING else value for value in values)
        self.known[name] = Parameter(name, filled)
        self._solved.clear()
        return Solution((name,), name)

    def solved(self, values: Values) -> Solution | None:
        """The expression that gives these values: `width`, `4 * width`, `width + 32` …"""
        key = repr(values)
        if key not in self._solved:
            self._solved[key] = solve(values, self.known)
        return self._solved[key]


def solve(values: Values, known: Mapping[str, Parameter]) -> Solution | None:
    """The simplest expression over the known arguments that gives these values."""
    for name, one in known.items():
        if equal(values, one.values):
            return Solution((name,), name)
    for name, one in known.items():
        multiple = _factor(values, one.values)
        if multiple is not None:
            return Solution((name,), f"{multiple} * {name}")
    for name, one in known.items():
        divisor = _factor(one.values, values)
        if divisor is not None:
            return Solution((name,), f"{name} // {divisor}")
    return _sum(values, known)


def equal(values: Values, known: Values) -> bool:
    """Whether values are the known ones wherever there are any."""
    return all(
        a is MISSING or (type(a) is type(b) and a == b) for a, b in zip(values, known, strict=True)
    )


def _factor(products: Values, values: Values) -> int | None:
    """The whole number that makes products of values, greater than 1, else None."""
    pairs = [
        (product, value)
        for product, value in zip(products, values, strict=True)
        if product is not MISSING and value is not MISSING
    ]
    if not pairs or not all(is_size(value) for pair in pairs for value in pair):
        return None
    factor = pairs[0][0] // pairs[0][1]
    exact = all(product == factor * value for product, value in pairs)
    return factor if exact and factor > 1 else None


def _sum(values: Values, known: Mapping[str, Parameter]) -> Solution | None:
    """`width + growth`, or `width + 32`."""
    if not all(value is MISSING or is_size(value) for value in values):
        return None
    sizes = [(n, o.values) for n, o in known.items() if all(map(is_size, o.values))]
    for count in range(2, min(len(sizes), _MOST_SUMMED) + 1):
        for chosen in combinations(sizes[:_MOST_SUMMED], count):
            sums = tuple(map(sum, zip(*(one for _, one in chosen), strict=True)))
            if equal(values, sums):
                names = tuple(name for name, _ in chosen)
                return Solution(names, " + ".join(names))
    for name, one in sizes:
        pairs = zip(values, one, strict=True)
        rest = {value - own for value, own in pairs if value is not MISSING}
        if len(rest) == 1 and (more := rest.pop()) >= _LEAST_SIZE:
            return Solution((name,), f"{name} + {more}")
    return None


def is_size(value: object) -> bool:
    """Whether a value is a whole number that is hardly what it is by chance."""
    return type(value) is int and value >= _LEAST_SIZE
