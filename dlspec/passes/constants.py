"""Arithmetic and functions on compile-time values, with bounds so that every check ends."""

from __future__ import annotations

import math
from collections.abc import Callable

from dlspec.ir.dims import Dim, SymbolicDim, exact_quotient, least
from dlspec.passes.values import UNKNOWN, Unknown, Value, Word, describe

LARGEST = 10**18
LONGEST_LIST = 100_000
EQUALITIES = ("==", "!=")
"""What any two values can be asked; a stage is not fed for it: `if norm != none { norm }`."""


class ValueProblem(Exception):
    """An operation that values do not take (E0306) or that has no result (E0307)."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


def binary(operator: str, left: Value, right: Value) -> Value:
    """The value of `left operator right` for plain values. Raises ValueProblem."""
    if operator in EQUALITIES:
        return _equal(left, right) == (operator == "==")
    if isinstance(left, tuple) and isinstance(right, tuple) and operator == "+":
        return _bounded_list(left + right)
    if isinstance(left, SymbolicDim) or isinstance(right, SymbolicDim):
        return _symbolic(operator, left, right)
    if not _number(left) or not _number(right):
        raise ValueProblem(
            "E0306",
            f"`{operator}` works on numbers and tensors, not on "
            f"{describe(right if _number(left) else left)}",
        )
    assert isinstance(left, int | float) and isinstance(right, int | float)
    if operator in _COMPARISONS:
        return _COMPARISONS[operator](left, right)
    return checked(_arithmetic(operator, left, right))


def negate(value: Value) -> Value:
    """`-value`. Raises ValueProblem."""
    if isinstance(value, SymbolicDim):
        return -value
    if not _number(value):
        raise ValueProblem("E0306", f"`-` works on numbers and tensors, not on {describe(value)}")
    assert isinstance(value, int | float)
    return -value


def checked(value: Value) -> Value:
    """The value, unless it is a number too large or no number. Raises ValueProblem."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueProblem("E0307", "the result has over 18 digits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueProblem("E0307", "the result is not a finite number")
    return value


def _number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, str) and isinstance(right, Word):
        return left == right.id
    if isinstance(left, tuple) and isinstance(right, tuple):
        # Fixed sizes are compared first: one that differs decides, whatever the others become.
        pairs = sorted(zip(left, right, strict=False), key=_at_run_time)
        return len(left) == len(right) and all(_equal(a, b) for a, b in pairs)
    if isinstance(left, int | SymbolicDim) and isinstance(right, int | SymbolicDim):
        return _equal_sizes(left, right)
    return left == right


def _at_run_time(pair: tuple[Value, Value]) -> bool:
    return any(isinstance(value, SymbolicDim) for value in pair)


def _equal_sizes(left: Dim, right: Dim) -> bool:
    """Whether two sizes are equal, where every size that the symbols can have says the same."""
    difference = left - right
    if isinstance(difference, int):
        return difference == 0
    low, high = least(difference), least(-difference)
    if (low is not None and low > 0) or (high is not None and high > 0):
        return False
    raise ValueProblem("E0410", f"whether {left} == {right} is known only at run time")


_COMPARISONS: dict[str, Callable[[int | float, int | float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _arithmetic(operator: str, left: int | float, right: int | float) -> int | float:
    try:
        if operator == "+":
            return left + right
        if operator == "-":
            return left - right
        if operator == "*":
            return left * right
        if operator == "/":
            return left / right
        if operator == "//":
            return left // right
        if operator == "%":
            return left % right
        return _power(left, right)
    except ZeroDivisionError:
        raise ValueProblem("E0307", "this divides by zero") from None
    except OverflowError:
        raise ValueProblem("E0307", "the result is not a finite number") from None


def _power(left: int | float, right: int | float) -> int | float:
    if isinstance(left, int) and isinstance(right, int) and right >= 0:
        # Decided before it is computed: 9 ** 9 ** 9 would never end.
        if abs(left) > 1 and right * math.log10(abs(left)) > 18.01:
            raise ValueProblem("E0307", "the result has over 18 digits")
        return left**right
    result: object = left**right
    if not isinstance(result, int | float):
        raise ValueProblem("E0307", "the root of a negative number is not a real number")
    return result


def _symbolic(operator: str, left: Value, right: Value) -> Value:
    """Arithmetic in which a run-time size takes part."""
    if not isinstance(left, int | SymbolicDim) or not isinstance(right, int | SymbolicDim):
        other = left if isinstance(right, SymbolicDim) else right
        raise ValueProblem(
            "E0306", f"`{operator}` cannot take a run-time size and {describe(other)}"
        )
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "//" and isinstance(right, int) and right > 0:
        return left // right
    if operator == "/":
        return _exact(left, right)
    if operator in _COMPARISONS:
        return _compare_symbolic(operator, left, right)
    raise ValueProblem("E0306", f"`{operator}` cannot take a size known only at run time")


def _exact(left: Dim, right: Dim) -> Value:
    quotient = exact_quotient(left, right)
    if quotient is None:
        shown = " / ".join(f"({dim})" if " " in str(dim) else str(dim) for dim in (left, right))
        raise ValueProblem(
            "E0410", f"{shown} cannot be proved to be a whole number", "`//` rounds down"
        )
    return quotient


def _compare_symbolic(operator: str, left: Dim, right: Dim) -> bool:
    """A comparison that holds, or fails, for every size that the symbols can have."""
    difference = left - right
    low, high = least(difference), least(-difference)
    if operator in ("<", ">="):
        if low is not None and low >= 0:
            return operator == ">="
        if high is not None and high > 0:
            return operator == "<"
    else:
        if low is not None and low > 0:
            return operator == ">"
        if high is not None and high >= 0:
            return operator == "<="
    raise ValueProblem("E0410", f"whether {left} {operator} {right} is known only at run time")


def _bounded_list(values: tuple[Value, ...]) -> tuple[Value, ...]:
    if len(values) > LONGEST_LIST:
        raise ValueProblem("E0307", f"a list of more than {LONGEST_LIST:,} items")
    return values


# --- functions ---------------------------------------------------------------


def _numbers(name: str, arguments: tuple[Value, ...]) -> list[int | float]:
    values = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple) else arguments
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) != len(values):
        wrong = next(v for v in values if not _number(v))
        raise ValueProblem("E0306", f"`{name}` takes numbers, not {describe(wrong)}")
    return numbers


def _one(name: str, arguments: tuple[Value, ...]) -> int | float:
    numbers = _numbers(name, arguments)
    if len(numbers) != 1:
        raise ValueProblem("E0304", f"`{name}` takes one number, not {len(numbers)}")
    return numbers[0]


def _extreme(name: str, choose: Callable[[list[int | float]], int | float]) -> Callable[..., Value]:
    def apply(*arguments: Value) -> Value:
        numbers = _numbers(name, arguments)
        if not numbers:
            raise ValueProblem("E0302", f"`{name}` needs at least one number")
        return choose(numbers)

    return apply


def _unary(name: str, compute: Callable[[int | float], int | float]) -> Callable[..., Value]:
    def apply(*arguments: Value) -> Value:
        try:
            return checked(compute(_one(name, arguments)))
        except (ValueError, OverflowError):
            raise ValueProblem("E0307", f"`{name}` has no result for this number") from None

    return apply


def _list(name: str, arguments: tuple[Value, ...]) -> tuple[Value, ...]:
    if len(arguments) != 1 or not isinstance(arguments[0], tuple):
        wrong = describe(arguments[0]) if len(arguments) == 1 else f"{len(arguments)} arguments"
        raise ValueProblem("E0306", f"`{name}` takes a list, not {wrong}")
    return arguments[0]


def _range(*arguments: Value) -> Value:
    bounds = [a for a in arguments if isinstance(a, int) and not isinstance(a, bool)]
    if len(bounds) != len(arguments) or not 1 <= len(bounds) <= 3:
        raise ValueProblem("E0306", "`range` takes one to three whole numbers")
    if len(bounds) == 3 and bounds[2] == 0:
        raise ValueProblem("E0307", "`range` with step 0 has no end")
    numbers = range(*bounds)
    if len(numbers) > LONGEST_LIST:
        raise ValueProblem("E0307", f"a list of more than {LONGEST_LIST:,} items")
    return tuple(numbers)


def _total(*arguments: Value) -> Value:
    return checked(sum(_numbers("sum", arguments)))


def _zip(*arguments: Value) -> Value:
    lists = [_list("zip", (a,)) for a in arguments]
    if len({len(items) for items in lists}) > 1:
        sizes = ", ".join(str(len(items)) for items in lists)
        raise ValueProblem("E0306", f"`zip` takes lists of one length; these have {sizes}")
    return tuple(zip(*lists, strict=True))


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "min": _extreme("min", min),
    "max": _extreme("max", max),
    "abs": _unary("abs", abs),
    "round": _unary("round", round),
    "floor": _unary("floor", math.floor),
    "ceil": _unary("ceil", math.ceil),
    "sqrt": _unary("sqrt", math.sqrt),
    "log2": _unary("log2", math.log2),
    "int": _unary("int", int),
    "float": _unary("float", float),
    "len": lambda *a: len(_list("len", a)),
    "sum": _total,
    "range": _range,
    "enumerate": lambda *a: tuple(enumerate(_list("enumerate", a))),
    "zip": _zip,
    "reversed": lambda *a: tuple(reversed(_list("reversed", a))),
}
"""The compile-time functions of the language by name."""


def call(name: str, arguments: tuple[Value, ...]) -> Value:
    """The value of a compile-time function. Raises ValueProblem."""
    if any(isinstance(a, Unknown) for a in arguments):
        return UNKNOWN
    return FUNCTIONS[name](*arguments)
