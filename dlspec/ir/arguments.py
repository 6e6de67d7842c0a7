"""The types that arguments of layers, optimizers, sources … are declared with.

Each says in words what it expects, so that one place turns a refused value into
a sentence for every argument there is.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypeAlias

from dlspec.ir.fields import Before, Field


class Expected(NamedTuple):
    """What a value must be, to stand behind "must be" in a message."""

    text: str


def _number(value: object) -> object:
    """An int where a float is meant is a float; a bool is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _axis(value: object) -> object:
    """`channels` is a name for axis 0."""
    return 0 if isinstance(value, str) and value == "channels" else value


PositiveInt: TypeAlias = Annotated[
    int, Field(ge=1, lt=2**31), Expected("a whole number of at least 1")
]
NonNegativeInt: TypeAlias = Annotated[
    int, Field(ge=0, lt=2**31), Expected("a whole number of at least 0")
]
Seed: TypeAlias = Annotated[
    int, Field(ge=0, lt=2**63), Expected("a whole number from 0 to below 2^63")
]
Int: TypeAlias = Annotated[int, Field(gt=-(2**31), lt=2**31), Expected("a whole number")]
Axis: TypeAlias = Annotated[
    int,
    Before(_axis),
    Field(gt=-(2**31), lt=2**31),
    Expected("a whole number (the batch is not counted), or `channels` for 0"),
]
Float: TypeAlias = Annotated[float, Before(_number), Field(finite=True), Expected("a number")]
PositiveFloat: TypeAlias = Annotated[
    float,
    Before(_number),
    Field(gt=0, finite=True),
    Expected("a number greater than 0"),
]
NonNegativeFloat: TypeAlias = Annotated[
    float,
    Before(_number),
    Field(ge=0, finite=True),
    Expected("a number of at least 0"),
]
Fraction: TypeAlias = Annotated[
    float, Before(_number), Field(ge=0, lt=1), Expected("a number from 0 to below 1")
]
OpenFraction: TypeAlias = Annotated[
    float, Before(_number), Field(gt=0, lt=1), Expected("a number between 0 and 1")
]
Share: TypeAlias = Annotated[
    float, Before(_number), Field(ge=0, le=1), Expected("a number from 0 to 1")
]
Size: TypeAlias = Annotated[
    PositiveInt | Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=3)],
    Expected("a whole number of at least 1, or one for each spatial axis, such as (3, 5)"),
]
PaddingSize: TypeAlias = Annotated[
    NonNegativeInt | Annotated[tuple[NonNegativeInt, ...], Field(min_length=1, max_length=3)],
    Expected("a whole number of at least 0, or one for each spatial axis, such as (1, 0)"),
]
OptionalSize: TypeAlias = Annotated[
    Size | None,
    Expected("a whole number of at least 1, one for each spatial axis, or `none`"),
]
Padding: TypeAlias = Annotated[
    Literal["same", "valid"] | PaddingSize,
    Expected(
        "`same`, `valid`, a whole number of at least 0, or one for each spatial axis, "
        "such as (1, 0)"
    ),
]
