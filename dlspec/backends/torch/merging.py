"""Expressions of `forward` that differ between uses in numbers, over attributes of the class."""

from __future__ import annotations

import re

from dlspec.backends.torch.solver import MISSING, Solver
from dlspec.ir.reserved import usable_path

_NUMBER = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.}:])")
_WORD = re.compile(r"(?<![\w.\"'])[A-Za-z_]\w*")


def without_numbers(expression: str) -> str:
    """An expression with its numbers left out: what two uses share."""
    return _NUMBER.sub("#", expression)


class Attributes:
    """The arguments that `forward` reads, by their names as attributes.

    paths: the names of submodules, which no attribute can have.
    """

    def __init__(self, paths: frozenset[str]) -> None:
        self._paths = paths
        self.names: dict[str, str] = {}

    def merged(self, texts: tuple[str | None, ...], solver: Solver, wanted: str) -> str:
        """One expression for the texts of all uses; None stands for a use without one."""
        present = [text for text in texts if text is not None]
        if len(set(present)) == 1:
            return present[0]
        pieces = _NUMBER.split(present[0])
        numbers = [_NUMBER.findall(text) if text is not None else None for text in texts]
        whole = [pieces[0]]
        for place, piece in enumerate(pieces[1:]):
            values = tuple(MISSING if n is None else _value(n[place]) for n in numbers)
            whole += [self._read(solver.expression(values, wanted), solver), piece]
        return "".join(whole)

    def _read(self, expression: str, solver: Solver) -> str:
        """An expression over arguments as one over the attributes that keep them."""

        def attribute(found: re.Match[str]) -> str:
            name = found.group()
            if name not in solver.known:
                return name
            self.names[name] = self._free(name)
            return f"self.{self.names[name]}"

        text = _WORD.sub(attribute, expression)
        return f"({text})" if " " in text else text

    def _free(self, name: str) -> str:
        while not usable_path(name) or name in self._paths:
            name += "_"
        return name


def _value(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)
