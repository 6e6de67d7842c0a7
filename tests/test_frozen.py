"""The base of the IR's classes: what it takes is what Pydantic takes, written once."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlspec.ir.arguments import Float, Fraction, PositiveInt, Size
from dlspec.ir.dims import Dim, symbol
from dlspec.ir.fields import After, Before
from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.validated import pydantic_class


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("odd")
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Part(Frozen):
    name: str
    size: Dim = 1


class Other(Frozen):
    kind: Literal["other"] = "other"


class Whole(Frozen):
    """One field of each sort that the IR has."""

    shared: ClassVar[int] = 7

    count: PositiveInt = 1
    even: Annotated[int, After(_even)] = 2
    share: Fraction = Field(0.5, description="a share")
    number: Float = 0.0
    size: Size = Field(3)
    flag: bool = False
    word: Literal["a", "b"] | None = None
    short: Annotated[tuple[int, ...], Before(_tuple), Field(min_length=1, max_length=2)] = (1,)
    pair: tuple[int, float] = (1, 2.0)
    parts: tuple[Part, ...] = ()
    table: dict[str, Part] = Field(default_factory=dict)
    returns: str = Field("x", alias="return")


class Longer(Whole):
    more: Dim


_atoms: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.sampled_from([2**31, 2**31 - 1, -(2**40)])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "b", "c"])
)
_values = _atoms | st.lists(_atoms, max_size=4).map(tuple)


@given(st.sampled_from([n for n in Whole.model_fields if n not in ("parts", "table")]), _values)
def test_a_value_fits_where_pydantic_says_so(name: str, value: Any) -> None:
    """JSON has one kind of list, so that a tuple is what it gives; all else is the same."""
    try:
        made: Any = vars(Whole(**{name: value}))[name]
    except ValueError:
        made = None
    else:
        made = (made,)
    key = Whole.model_fields[name].alias or name
    try:
        read: Any = (vars(Whole.model_validate_json(json.dumps({key: value})))[name],)
    except ValueError:
        read = None
    assert made == read
    if made is not None:
        assert type(made[0]) is type(read[0])


def test_json_goes_there_and_back() -> None:
    whole = Whole(
        count=3,
        size=(1, 2),
        parts=(Part(name="p", size=symbol("n") * 2 // 3),),
        table={"t": Part(name="t")},
    )
    text = whole.model_dump_json()
    assert json.loads(text)["return"] == "x"
    again = Whole.model_validate_json(text)
    assert again == whole
    assert type(again.parts[0]) is Part
    assert Whole.model_validate_json(json.dumps(whole.model_dump(mode="json"))) == whole


def test_equal_is_equal_whatever_made_it() -> None:
    made = [
        Part(name="p", size=4),
        Part.model_construct(size=4, name="p"),
        Part(name="p").model_copy(update={"size": 4}),
        Part.model_validate_json('{"size": 4, "name": "p"}'),
        copy.deepcopy(Part(name="p", size=4)),
        pickle.loads(pickle.dumps(Part.model_validate_json('{"size": 4, "name": "p"}'))),
    ]
    assert len(set(made)) == 1
    assert Part(name="p") != Other() and Part(name="p") != "p"
    assert repr(made[0]) == "Part(name='p', size=4)"


def test_it_cannot_be_changed() -> None:
    part = Part(name="p")
    with pytest.raises(AttributeError, match="immutable"):
        part.name = "q"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        del part.name
    first, second = Whole(), Whole()
    assert first.table is not second.table


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "needs `name`"),
        ({"name": 1}, "`name` of `Part` does not take 1"),
        ({"name": "p", "colour": "red"}, "has no field `colour`"),
        ({"name": "p", "size": "4"}, "`size` of `Part` does not take '4'"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Part(**values)


def test_fields_of_the_base_come_first_and_class_variables_are_none() -> None:
    assert list(Longer.model_fields) == [*Whole.model_fields, "more"]
    assert Longer.shared == 7
    assert Longer.model_fields["more"].is_required()


def test_the_schema_has_the_bounds() -> None:
    schema = pydantic_class(Whole).model_json_schema()
    assert schema["properties"]["count"]["minimum"] == 1
    assert schema["properties"]["count"]["exclusiveMaximum"] == 2**31
    assert schema["properties"]["share"]["description"] == "a share"
    assert schema["additionalProperties"] is False
