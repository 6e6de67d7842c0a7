"""The IR's classes as Pydantic models: what reads and writes JSON, and gives the JSON schema.

Each class gets a Pydantic class of its own, made when it is first asked for, with the very
fields, bounds and defaults of the class; what Pydantic then makes are objects of the class itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar

import annotated_types as bounds
import pydantic
from pydantic import BaseModel, ConfigDict, create_model
from pydantic.fields import FieldInfo

from dlspec.ir.fields import REQUIRED, After, Before, Json, Mark, Rules
from dlspec.ir.frozen import Frozen

Value = TypeVar("Value", bound=Frozen)


class _Twin(BaseModel):
    """The base of the Pydantic classes: their schema makes objects of the class they stand for."""

    model_config = ConfigDict(defer_build=True)
    original: ClassVar[type[Frozen]]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        schema = handler(source)
        handler.resolve_ref_schema(schema)["cls"] = cls.original
        return schema


@cache
def pydantic_class(cls: type[Frozen]) -> type[BaseModel]:
    """The Pydantic class of an IR class."""
    base = type(
        cls.__name__,
        (_Twin,),
        {
            "__module__": cls.__module__,
            "__doc__": cls.__doc__,
            "__annotations__": {},
            "model_config": ConfigDict(**cls.model_config),  # type: ignore[typeddict-item]
            "original": cls,
        },
    )
    fields: dict[str, Any] = {
        name: (_annotated(field.annotation, field.metadata), _declared(field.rules))
        for name, field in cls.model_fields.items()
    }
    return create_model(cls.__name__, __base__=base, __module__=cls.__module__, **fields)


def _annotated(annotation: Any, marks: tuple[Any, ...]) -> Any:
    return Annotated[annotation, *marks] if marks else annotation


def _declared(rules: Rules) -> FieldInfo:
    """A field's default and names; its bounds stand in its type."""
    default: dict[str, Any] = {}
    if rules.default_factory is not None:
        default["default_factory"] = rules.default_factory
    elif rules.default is not REQUIRED:
        default["default"] = rules.default
    return pydantic.Field(**default, alias=rules.alias, description=rules.description or None)


def pydantic_marks(mark: Mark) -> Iterable[Any]:
    """What Pydantic calls a mark of ours."""
    if isinstance(mark, Before):
        yield pydantic.BeforeValidator(mark.function)
    elif isinstance(mark, After):
        yield pydantic.AfterValidator(mark.function)
    elif isinstance(mark, Json):
        yield pydantic.PlainSerializer(mark.write)
        yield pydantic.PlainValidator(_reader(mark))
    elif isinstance(mark, Rules):
        yield from _bounds(mark)


def _reader(mark: Json) -> Any:
    def read(value: object, info: pydantic.ValidationInfo) -> Any:
        return mark.read(value, dict(info.context or {}))

    return read


def _bounds(rules: Rules) -> Iterable[Any]:
    kinds = {
        "ge": bounds.Ge,
        "gt": bounds.Gt,
        "le": bounds.Le,
        "lt": bounds.Lt,
        "min_length": bounds.MinLen,
        "max_length": bounds.MaxLen,
    }
    for name, kind in kinds.items():
        bound = getattr(rules, name)
        if bound is not None:
            yield kind(bound)
    if rules.finite:
        yield pydantic.AllowInfNan(False)
    if rules.discriminator is not None:
        yield pydantic.Discriminator(rules.discriminator)


def dumped(value: Frozen, mode: str) -> dict[str, Any]:
    """The fields of an object, and of those in it, as a dictionary."""
    return _built(type(value)).__pydantic_serializer__.to_python(value, mode=mode)


def dumped_json(value: Frozen, indent: int | None) -> str:
    """The fields of an object, and of those in it, as JSON."""
    return _built(type(value)).__pydantic_serializer__.to_json(value, indent=indent).decode()


def validated_json(cls: type[Value], data: str | bytes, context: Mapping[str, Any] | None) -> Value:
    """An object from JSON. Raises pydantic's ValidationError where it does not fit."""
    return _built(cls).__pydantic_validator__.validate_json(data, context=context)


@cache
def _built(cls: type[Frozen]) -> type[BaseModel]:
    """The Pydantic class with its validator and serializer, which it else makes when used."""
    made = pydantic_class(cls)
    made.model_rebuild(force=True)
    return made
