"""Dimensions: integers, and polynomials over symbols for what is known only at run time.

A symbolic dimension is kept in one canonical form, so that equal sizes compare
equal. Every symbol stands for a whole number of at least 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import gcd
from typing import TypeAlias

from dlspec.ir.frozen import Frozen


class Quotient(Frozen):
    """`floor(numerator / divisor)` where the division is not known to be exact."""

    numerator: SymbolicDim
    divisor: int

    def __str__(self) -> str:
        return f"floor(({self.numerator}) / {self.divisor})"


Factor: TypeAlias = str | Quotient


class Term(Frozen):
    """`coefficient * factor * factor …`; the constant term has no factors."""

    coefficient: int
    factors: tuple[Factor, ...]


class SymbolicDim(Frozen):
    """A sum of terms with at least one symbol, sorted, without zero coefficients."""

    terms: tuple[Term, ...]

    def __add__(self, other: Dim) -> Dim:
        return _build([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        return self + (other * -1)

    def __rsub__(self, other: int) -> Dim:
        return (self * -1) + other

    def __mul__(self, other: Dim) -> Dim:
        return _build(
            Term(coefficient=a.coefficient * b.coefficient, factors=_sorted(a.factors + b.factors))
            for a in self.terms
            for b in _terms(other)
        )

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Dim:
        """Floor division by a positive int: exact where it divides, a `Quotient` of the rest."""
        whole = [t for t in self.terms if t.coefficient % divisor == 0]
        rest = [t for t in self.terms if t.coefficient % divisor != 0]
        exact = _build(Term(coefficient=t.coefficient // divisor, factors=t.factors) for t in whole)
        if not rest:
            return exact
        remainder = _build(rest)
        if isinstance(remainder, int):
            return exact + remainder // divisor
        common = gcd(divisor, *(t.coefficient for t in remainder.terms))
        if common > 1:
            remainder = _build(
                Term(coefficient=t.coefficient // common, factors=t.factors)
                for t in remainder.terms
            )
            divisor //= common
            assert isinstance(remainder, SymbolicDim)
        quotient = Quotient(numerator=remainder, divisor=divisor)
        return _build([*_terms(exact), Term(coefficient=1, factors=(quotient,))])

    def __str__(self) -> str:
        text = ""
        for term in sorted(self.terms, key=lambda t: not t.factors):
            size = abs(term.coefficient)
            names = [f"?{f}" if isinstance(f, str) else str(f) for f in term.factors]
            if size != 1 or not names:
                names.insert(0, str(size))
            sign = "-" if term.coefficient < 0 else "+"
            text += f" {sign} " + " * ".join(names)
        first = text[3:]
        return f"-{first}" if text.startswith(" -") else first


Dim: TypeAlias = int | SymbolicDim


def symbol(name: str) -> SymbolicDim:
    """The dimension `?name`."""
    return SymbolicDim(terms=(Term(coefficient=1, factors=(name,)),))


def divides(dim: Dim, divisor: int) -> bool:
    """Whether `dim` is known to be a multiple of `divisor`."""
    return all(term.coefficient % divisor == 0 for term in _terms(dim))


def exact_quotient(dim: Dim, divisor: Dim) -> Dim | None:
    """`dim / divisor` where that is known to be a whole number, else None."""
    if isinstance(divisor, int):
        return dim // divisor if divisor != 0 and divides(dim, divisor) else None
    if dim == divisor:
        return 1
    if len(divisor.terms) != 1:
        return None
    by = divisor.terms[0]
    quotients: list[Term] = []
    for term in _terms(dim):
        factors = list(term.factors)
        for factor in by.factors:
            if factor not in factors:
                return None
            factors.remove(factor)
        if term.coefficient % by.coefficient:
            return None
        quotients.append(
            Term(coefficient=term.coefficient // by.coefficient, factors=tuple(factors))
        )
    return _build(quotients)


def least(dim: Dim) -> int | None:
    """The smallest value `dim` can have with every symbol at least 1, where that is known."""
    if isinstance(dim, int):
        return dim
    if all(t.coefficient > 0 or not t.factors for t in dim.terms):
        if any(isinstance(f, Quotient) for t in dim.terms for f in t.factors):
            return None
        return sum(t.coefficient for t in dim.terms)
    return None


def product(dims: Iterable[Dim]) -> Dim:
    """The product of dimensions; 1 for none."""
    result: Dim = 1
    for dim in dims:
        result = result * dim
    return result


def substitute(dim: Dim, values: Mapping[str, Dim]) -> Dim:
    """`dim` with symbols replaced by what `values` gives for them."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for term in dim.terms:
        part: Dim = term.coefficient
        for factor in term.factors:
            if isinstance(factor, str):
                part = part * values.get(factor, symbol(factor))
            else:
                part = part * (substitute(factor.numerator, values) // factor.divisor)
        total = total + part
    return total


def symbols(dim: Dim) -> frozenset[str]:
    """The names of the symbols in `dim`."""
    found: set[str] = set()
    for term in _terms(dim):
        for factor in term.factors:
            found |= {factor} if isinstance(factor, str) else symbols(factor.numerator)
    return frozenset(found) - {""}


def shape_text(shape: Iterable[Dim]) -> str:
    """`[20, 28, ?width + 1]`."""
    return "[" + ", ".join(str(d) for d in shape) + "]"


def _terms(dim: Dim) -> tuple[Term, ...]:
    if isinstance(dim, SymbolicDim):
        return dim.terms
    return (Term(coefficient=dim, factors=()),) if dim else ()


def _sorted(factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
    return tuple(sorted(factors, key=str))


def _build(terms: Iterable[Term]) -> Dim:
    """The canonical dimension for a sum of terms: an int where no symbol is left."""
    sums: dict[tuple[Factor, ...], int] = {}
    for term in terms:
        sums[term.factors] = sums.get(term.factors, 0) + term.coefficient
    kept = {factors: c for factors, c in sums.items() if c}
    if not kept:
        return 0
    if set(kept) == {()}:
        return kept[()]
    order = sorted(kept, key=lambda factors: (len(factors), [str(f) for f in factors]))
    return SymbolicDim(terms=tuple(Term(coefficient=kept[f], factors=f) for f in order))
