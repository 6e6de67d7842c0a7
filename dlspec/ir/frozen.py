"""The base of every value in the IR: immutable, hashable, closed to unknown fields.

Its classes are written as Pydantic's are. Pydantic itself is imported when JSON is read or
written or a schema is asked for (`dlspec.ir.validated`): a check of a spec needs none of it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from inspect import get_annotations
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, ClassVar, Self, dataclass_transform, get_origin, get_type_hints

from dlspec.ir.fields import MISMATCH, REQUIRED, Field, FieldInfo, Rules, field_info, fitting

__all__ = ["Field", "FieldInfo", "Frozen"]


class _Fields:
    """`cls.model_fields`: annotations are evaluated when the first one is asked for."""

    def __get__(self, instance: object, owner: type[Frozen]) -> Mapping[str, FieldInfo]:
        return _fields(owner)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Frozen:
    """An immutable value with the fields that its class annotates, as a Pydantic model has them.

    Strict: `True` is no int and `1.0` is no size. The constructor takes the fields by name and
    raises ValueError where one is missing, unknown or does not fit.
    """

    # Pydantic fills the last three where it makes an object from JSON.
    __slots__ = (
        "__dict__",
        "__pydantic_extra__",
        "__pydantic_fields_set__",
        "__pydantic_private__",
    )

    model_config: ClassVar[dict[str, Any]] = {
        "frozen": True,
        "extra": "forbid",
        "strict": True,
        "defer_build": True,
        "serialize_by_alias": True,
        "validate_by_name": True,
    }
    model_fields: ClassVar[_Fields] = _Fields()
    rules_of_fields: ClassVar[dict[str, Rules]] = {}

    def __init_subclass__(cls) -> None:
        rules: dict[str, Rules] = {}
        for base in reversed(cls.__mro__[1:]):
            rules |= base.rules_of_fields if issubclass(base, Frozen) else {}
        for name, annotation in cls.__annotations__.items():
            if name.startswith("_") or _of_class(annotation):
                continue
            default = cls.__dict__.get(name, REQUIRED)
            if default is not REQUIRED:
                delattr(cls, name)
            rules[name] = default if isinstance(default, Rules) else Rules(default)
        cls.rules_of_fields = rules

    def __init__(self, **values: Any) -> None:
        fields, cls = type(self).model_fields, type(self).__name__
        names = {field.alias: name for name, field in fields.items()}
        kept: dict[str, Any] = {}
        for given, value in values.items():
            name = names.get(given, given)
            if name not in fields:
                raise ValueError(f"`{cls}` has no field `{given}`")
            kept[name] = fitting(fields[name], value)
            if kept[name] is MISMATCH:
                raise ValueError(f"`{given}` of `{cls}` does not take {value!r}")
        missing = [n for n, field in fields.items() if field.is_required() and n not in kept]
        if missing:
            raise ValueError(f"`{cls}` needs `{'`, `'.join(missing)}`")
        self._keep(kept)

    def _keep(self, values: Mapping[str, Any]) -> None:
        """Set the fields, in their order, those that are not given to their defaults."""
        own = self.__dict__
        for name, rule in self.rules_of_fields.items():
            if name in values:
                own[name] = values[name]
            elif rule.default_factory is not None:
                own[name] = rule.default_factory()
            elif rule.default is not REQUIRED:
                own[name] = rule.default

    # --- an immutable value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"`{type(self).__name__}` is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"`{type(self).__name__}` is immutable")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), _getter(type(self))(self.__dict__)))

    def __repr__(self) -> str:
        shown = (
            f"{name}={value!r}"
            for name, value in self.__dict__.items()
            if value != self.rules_of_fields[name].default
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    @classmethod
    def model_construct(cls, **values: Any) -> Self:
        """An object of values that are known to fit; nothing is checked."""
        made = cls.__new__(cls)
        made._keep(values)
        return made

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """The same with some fields replaced by values that are known to fit."""
        return self.model_construct(**{**self.__dict__, **update})

    # --- JSON, by Pydantic

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        """The fields as a dictionary, all the way down; `mode="json"` as JSON has them."""
        from dlspec.ir.validated import dumped

        return dumped(self, mode)

    def model_dump_json(self, *, indent: int | None = None) -> str:
        """The fields as JSON."""
        from dlspec.ir.validated import dumped_json

        return dumped_json(self, indent)

    @classmethod
    def model_validate_json(
        cls, data: str | bytes, *, context: Mapping[str, Any] | None = None
    ) -> Self:
        """An object from its JSON form. Raises pydantic's ValidationError where it is none."""
        from dlspec.ir.validated import validated_json

        return validated_json(cls, data, context)

    @classmethod
    def model_json_schema(cls, *, mode: Any, ref_template: str) -> dict[str, Any]:
        """The JSON schema, as Pydantic writes it."""
        from dlspec.ir.validated import pydantic_class

        return pydantic_class(cls).model_json_schema(mode=mode, ref_template=ref_template)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from dlspec.ir.validated import pydantic_class

        return handler.generate_schema(pydantic_class(cls))


def _of_class(annotation: Any) -> bool:
    """Whether an annotation is `ClassVar[…]`, written out or not."""
    if isinstance(annotation, str):
        return annotation.startswith(("ClassVar", "typing.ClassVar"))
    return annotation is ClassVar or get_origin(annotation) is ClassVar


@cache
def _fields(cls: type[Frozen]) -> Mapping[str, FieldInfo]:
    """Every field in order, the bases' first; each annotation in the module that wrote it."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        written = {
            name: annotation
            for name, annotation in get_annotations(base).items()
            if name in cls.rules_of_fields and not _of_class(annotation)
        }
        if written:
            space = vars(sys.modules[base.__module__])
            named: Any = SimpleNamespace(__annotations__=written)
            hints |= get_type_hints(named, globalns=space, include_extras=True)
    return {name: field_info(hints[name], rule) for name, rule in cls.rules_of_fields.items()}


@cache
def _getter(cls: type[Frozen]) -> Any:
    """What takes the values of all fields out of an object's dictionary at once."""
    return itemgetter(*cls.rules_of_fields) if cls.rules_of_fields else len
