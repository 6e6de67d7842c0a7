"""Values against the annotations of a class, without building Pydantic's validator for it.

A cold `dlspec check` uses a handful of classes once each. Reading their annotations
takes microseconds where building a validator takes a millisecond, and the bounds are
the same ones: Pydantic's constraints, read from the same fields.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import annotated_types as bounds
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

MISMATCH = object()
"""What `fitting` gives for a value that does not fit."""


def readable(cls: type[BaseModel]) -> bool:
    """Whether the annotations say all there is; validators of a class's own need Pydantic."""
    decorators = cls.__pydantic_decorators__
    return not (
        decorators.model_validators
        or decorators.field_validators
        or decorators.root_validators
        or decorators.validators
    )


def fitting(field: FieldInfo, value: Any) -> Any:
    """The value as the field keeps it, or MISMATCH."""
    return _marked(field.annotation, field.metadata, value)


def _marked(base: Any, marks: list[Any] | tuple[Any, ...], value: Any) -> Any:
    for mark in marks:
        if isinstance(mark, BeforeValidator):
            function: Any = mark.func
            value = function(value)
    value = _fits(base, value)
    if value is MISMATCH:
        return MISMATCH
    for mark in _constraints(marks):
        if not _holds(mark, value):
            return MISMATCH
    return value


def _constraints(marks: list[Any] | tuple[Any, ...]) -> list[Any]:
    found: list[Any] = []
    for mark in marks:
        found.extend(mark.metadata if isinstance(mark, FieldInfo) else [mark])
    return found


def _holds(mark: Any, value: Any) -> bool:
    if isinstance(mark, bounds.Ge):
        return value >= mark.ge
    if isinstance(mark, bounds.Gt):
        return value > mark.gt
    if isinstance(mark, bounds.Le):
        return value <= mark.le
    if isinstance(mark, bounds.Lt):
        return value < mark.lt
    if isinstance(mark, bounds.MinLen):
        return len(value) >= mark.min_length
    if isinstance(mark, bounds.MaxLen):
        return len(value) <= mark.max_length
    finite = getattr(mark, "allow_inf_nan", None) is False
    return not finite or abs(value) < float("inf")


def _fits(annotation: Any, value: Any) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *marks = get_args(annotation)
        return _marked(base, marks, value)
    if origin is Literal:
        return (
            value
            if any(
                value is w or (value == w and type(value) is type(w)) for w in get_args(annotation)
            )
            else MISMATCH
        )
    if origin in (Union, UnionType):
        for part in get_args(annotation):
            fitted = _fits(part, value)
            if fitted is not MISMATCH:
                return fitted
        return MISMATCH
    if origin is tuple:
        return _tuple(get_args(annotation), value)
    if annotation is NoneType or annotation is None:
        return None if value is None else MISMATCH
    return value if type(value) is annotation else MISMATCH


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
