"""What the fields of an IR class take, read from their annotations, and whether a value fits.

A cold `dlspec check` uses a handful of classes once each. Reading their annotations takes
microseconds where building a Pydantic validator takes a millisecond and importing Pydantic a
hundred. The same marks build Pydantic's classes where JSON or a schema is asked for
(`dlspec.ir.validated`), so that a bound is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, cast, get_args, get_origin

REQUIRED = object()
"""The default of a field that has none."""
MISMATCH = object()
"""What `fitting` gives for a value that does not fit."""


class Mark:
    """Something that stands beside a type in `Annotated`.

    Pydantic takes it apart by this protocol of `annotated_types`.
    """

    __is_annotated_types_grouped_metadata__ = True

    def __iter__(self) -> Iterator[Any]:
        from dlspec.ir.validated import pydantic_marks

        return iter(pydantic_marks(self))


class Before(Mark):
    """`function` is applied to a value before it is checked."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


class After(Mark):
    """`function` is applied to a checked value; it raises ValueError where it refuses."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


class Json(Mark):
    """How a value is written to JSON, and read from it by the value and the reading's context."""

    def __init__(
        self, write: Callable[[Any], Any], read: Callable[[object, dict[str, Any]], Any]
    ) -> None:
        self.write = write
        self.read = read


class Rules(Mark):
    """What `Field` declares: a default, a description, bounds."""

    def __init__(
        self,
        default: Any = REQUIRED,
        *,
        default_factory: Callable[[], Any] | None = None,
        description: str = "",
        alias: str | None = None,
        discriminator: str | None = None,
        ge: float | None = None,
        gt: float | None = None,
        le: float | None = None,
        lt: float | None = None,
        min_length: int | None = None,
        max_length: int | None = None,
        finite: bool = False,
    ) -> None:
        self.default = default
        self.default_factory = default_factory
        self.description = description
        self.alias = alias
        self.discriminator = discriminator
        self.ge, self.gt, self.le, self.lt = ge, gt, le, lt
        self.min_length, self.max_length = min_length, max_length
        self.finite = finite

    def hold(self, value: Any) -> bool:
        """Whether a value of the right type is within the bounds."""
        return (
            (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
            and (self.min_length is None or len(value) >= self.min_length)
            and (self.max_length is None or len(value) <= self.max_length)
            and (not self.finite or abs(value) < float("inf"))
        )


def Field(default: Any = REQUIRED, **rules: Any) -> Any:  # noqa: N802 - as Pydantic calls it
    """The default and the rules of a field, or of a type within `Annotated`.

    default:         what stands where nothing is given; without one it must be given
    default_factory: makes the default anew each time
    description:     one line for the reference
    alias:           what a spec and JSON call it, where that is no name in Python
    discriminator:   of a union of classes, the field that says which one it is
    ge, gt, le, lt:  bounds of a number; `finite` refuses infinity and not-a-number
    min_length, max_length: bounds of a length
    """
    return Rules(default, **rules)


class FieldInfo(NamedTuple):
    """One field of a class: its bare type, what `Annotated` says beside it, and its rules."""

    annotation: Any
    metadata: tuple[Any, ...]
    rules: Rules

    @property
    def default(self) -> Any:
        return self.rules.default

    @property
    def description(self) -> str:
        return self.rules.description

    @property
    def alias(self) -> str | None:
        return self.rules.alias

    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.rules.default is REQUIRED and self.rules.default_factory is None

    def get_default(self) -> Any:
        """Its default, made anew where a factory makes it."""
        factory = self.rules.default_factory
        return self.rules.default if factory is None else factory()


def field_info(hint: Any, rules: Rules) -> FieldInfo:
    """A field of a type as annotated, `Annotated[int, Field(ge=1)]`."""
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        return FieldInfo(base, tuple(marks), rules)
    return FieldInfo(hint, (), rules)


def fitting(field: FieldInfo, value: Any) -> Any:
    """The value as the field keeps it, or MISMATCH."""
    return _marked(field.annotation, field.metadata, value)


def _marked(base: Any, marks: tuple[Any, ...], value: Any) -> Any:
    for mark in marks:
        if isinstance(mark, Before):
            value = mark.function(value)
    value = _fits(base, value)
    for mark in marks:
        if value is MISMATCH:
            break
        if isinstance(mark, Rules) and not mark.hold(value):
            return MISMATCH
        if isinstance(mark, After):
            try:
                value = mark.function(value)
            except ValueError:
                return MISMATCH
    return value


def _fits(annotation: Any, value: Any) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *marks = get_args(annotation)
        return _marked(base, tuple(marks), value)
    if origin is Literal:
        words = get_args(annotation)
        same = any(value is w or (value == w and type(value) is type(w)) for w in words)
        return value if same else MISMATCH
    if origin in (Union, UnionType):
        fitted = (_fits(part, value) for part in get_args(annotation))
        return next((found for found in fitted if found is not MISMATCH), MISMATCH)
    if origin is tuple:
        return _tuple(get_args(annotation), value)
    if origin is dict:
        return _dict(get_args(annotation), value)
    if annotation is NoneType or annotation is None:
        return None if value is None else MISMATCH
    # `True` is no int and `1.0` is no size; classes of the IR stand for those they are made from.
    plain = annotation in (int, float, bool, str)
    fits = type(value) is annotation if plain else isinstance(value, annotation)
    return value if fits else MISMATCH


def _tuple(parts: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, tuple):
        return MISMATCH
    items = cast("tuple[Any, ...]", value)
    if len(parts) == 2 and parts[1] is Ellipsis:
        wanted: tuple[Any, ...] = parts[:1] * len(items)
    else:
        wanted = parts
    if len(wanted) != len(items):
        return MISMATCH
    fitted = tuple(_fits(part, item) for part, item in zip(wanted, items, strict=True))
    return MISMATCH if any(item is MISMATCH for item in fitted) else fitted


def _dict(parts: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, dict):
        return MISMATCH
    entries = cast("dict[Any, Any]", value)
    fitted = {_fits(parts[0], key): _fits(parts[1], item) for key, item in entries.items()}
    wrong = MISMATCH in fitted or any(item is MISMATCH for item in fitted.values())
    return MISMATCH if wrong else fitted
