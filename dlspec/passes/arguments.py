"""Arguments of a call against what is called: one place for layers, blocks, losses, sources …

A call is matched first (which argument is which), then its values are checked
against the fields of the class that is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from dlspec.diagnostics import Label, Report
from dlspec.ir.arguments import Expected
from dlspec.ir.dims import SymbolicDim
from dlspec.ir.fields import MISMATCH, FieldInfo, fitting
from dlspec.ir.frozen import Frozen
from dlspec.passes.scope import Scope, did_you_mean
from dlspec.passes.spellings import argument_help
from dlspec.passes.values import (
    STAGES,
    Function,
    Network,
    Tensor,
    Value,
    Word,
    contains_unknown,
    describe,
)
from dlspec.passes.whence import names_behind
from dlspec.source import Span
from dlspec.syntax import tree

Model = TypeVar("Model", bound=Frozen)


class Given(NamedTuple):
    """One argument as the call gives it, and how it was written where."""

    name: str | None
    value: Value
    span: Span
    written: tree.Expr | None = None
    scope: Scope | None = None

    @property
    def origins(self) -> tuple[Label, ...]:
        """Where the names in it were given their values."""
        return names_behind(self.written, self.scope) if self.scope is not None else ()


class Callee(NamedTuple):
    """What is called, for messages.

    text: its name · parameters: their names in order · span: the whole call · declared: where
    a spec declares it
    """

    text: str
    parameters: tuple[str, ...]
    required: frozenset[str]
    span: Span
    declared: Span | None = None

    @property
    def labels(self) -> tuple[Label, ...]:
        """Where it is declared."""
        return (Label(self.declared, "declared here"),) if self.declared is not None else ()


def match(callee: Callee, given: Sequence[Given], report: Report) -> dict[str, Given] | None:
    """Which argument is which. Reports E0301, E0302, E0304, E0305; None after any."""
    found: dict[str, Given] = {}
    good = True
    position = 0
    for argument in given:
        name = argument.name
        if name is None:
            if position >= len(callee.parameters):
                _too_many(callee, given, argument, report)
                return None
            name = callee.parameters[position]
            position += 1
        if name not in callee.parameters:
            _unknown(callee, name, argument, report)
            good = False
        elif name in found:
            report.error(
                "E0305", argument.span, f"`{name}` of `{callee.text}` is given twice", labels=()
            )
            good = False
        else:
            found[name] = argument
    missing = [n for n in callee.parameters if n in callee.required and n not in found]
    if missing and good:
        names = " and ".join(f"`{name}`" for name in missing)
        report.error(
            "E0302",
            callee.span,
            f"`{callee.text}` needs {names}",
            labels=callee.labels,
            help=f"its arguments are {signature(callee)}",
        )
    return found if good and not missing else None


def signature(callee: Callee) -> str:
    """`Conv(filters, kernel, stride=…)`: required ones bare."""
    parts = [n if n in callee.required else f"{n}=…" for n in callee.parameters]
    return f"`{callee.text}({', '.join(parts)})`"


def _too_many(callee: Callee, given: Sequence[Given], first: Given, report: Report) -> None:
    count = sum(1 for argument in given if argument.name is None)
    most = len(callee.parameters)
    takes = "no arguments" if most == 0 else f"at most {most} argument{'s' if most > 1 else ''}"
    report.error(
        "E0304",
        first.span if most else callee.span,
        f"`{callee.text}` takes {takes}; {count} are given",
        labels=callee.labels,
        help=f"its arguments are {signature(callee)}" if most else None,
    )


def _unknown(callee: Callee, name: str, argument: Given, report: Report) -> None:
    help = (
        argument_help(name, callee.parameters)
        or did_you_mean(name, callee.parameters)
        or (f"its arguments are {signature(callee)}" if callee.parameters else None)
    )
    report.error(
        "E0301",
        argument.span,
        f"`{callee.text}` has no argument `{name}`",
        labels=callee.labels,
        help=help,
    )


# --- values against the fields of a class --------------------------------------


def field_names(cls: type[Frozen]) -> tuple[str, ...]:
    """The arguments of a layer or option in positional order, as a spec writes them."""
    return tuple(field.alias or name for name, field in cls.model_fields.items() if name != "kind")


def required_names(cls: type[Frozen]) -> frozenset[str]:
    """The arguments that have no default."""
    return frozenset(
        field.alias or name for name, field in cls.model_fields.items() if field.is_required()
    )


def construct(
    cls: type[Model], text: str, span: Span, given: Sequence[Given], report: Report
) -> Model | None:
    """An object of `cls` from a call. Reports every wrong argument; None after any."""
    callee = Callee(text, field_names(cls), required_names(cls), span)
    found = match(callee, given, report)
    if found is None:
        return None
    if any(contains_unknown(argument.value) for argument in found.values()):
        return None
    fields = {field.alias or name: field for name, field in cls.model_fields.items()}
    values: dict[str, Any] = {}
    good = True
    for name, argument in found.items():
        problem = _misplaced(fields[name], name, argument.value)
        if problem is not None:
            code, message, help = problem
            report.error(
                code,
                argument.span,
                f"`{name}` of `{text}` {message}",
                labels=argument.origins,
                help=help,
            )
            good = False
        else:
            values[name] = plain(argument.value)
    if not good:
        return None
    return _fitted(cls, text, fields, values, found, report)


def _fitted(
    cls: type[Model],
    text: str,
    fields: Mapping[str, FieldInfo],
    values: Mapping[str, Any],
    found: Mapping[str, Given],
    report: Report,
) -> Model | None:
    """The object where every value fits its field's annotation."""
    names = {field.alias or name: name for name, field in cls.model_fields.items()}
    kept: dict[str, Any] = {}
    good = True
    for name, value in values.items():
        fitted = fitting(fields[name], value)
        if fitted is MISMATCH:
            report.error(
                "E0303",
                found[name].span,
                f"`{name}` of `{text}` must be "
                f"{expected(fields[name])}, not {_shown(found[name].value)}",
                labels=found[name].origins,
            )
            good = False
        kept[names[name]] = fitted
    return cls.model_construct(**kept) if good else None


def _misplaced(field: FieldInfo, name: str, value: Value) -> tuple[str, str, str | None] | None:
    """Why a value cannot stand for a field at all: (code, rest of the sentence, help)."""
    words = option_words(field.annotation)
    if isinstance(value, Tensor):
        return (
            "E0411",
            f"is a setting, not a place for {describe(value)}",
            "tensors flow through arrows: write `tensor -> Layer(…)`",
        )
    if isinstance(value, tuple) and any(isinstance(item, Tensor) for item in value):
        return (
            "E0411",
            "is a setting, not a place for tensors",
            "tensors flow through arrows: write `(a, b) -> Layer(…)`",
        )
    if isinstance(value, SymbolicDim):
        return "E0410", f"must be a fixed number; {value} is known only at run time", None
    if isinstance(value, (*STAGES, Network)):
        return "E0411", f"must be {expected(field)}, not {describe(value)}", None
    if isinstance(value, Word | Function):
        id = value.id if isinstance(value, Word) else value.name
        if id not in words:
            return "E0303", f"must be {expected(field)}, not `{id}`", did_you_mean(id, words)
    if isinstance(value, str) and value in words:
        return "E0303", "is an option, not a text", f"write `{name}={value}`, without quotes"
    return None


def plain(value: Value) -> Any:
    """A value as Pydantic takes it: option words become texts."""
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, Word):
        return value.id
    return value.name if isinstance(value, Function) else value


def option_words(annotation: Any) -> tuple[str, ...]:
    """The option words that an argument takes: `same` and `valid` for a padding."""
    origin = get_origin(annotation)
    if origin is Literal:
        return tuple(word for word in get_args(annotation) if isinstance(word, str))
    if origin is Annotated:
        return option_words(get_args(annotation)[0])
    if origin in (Union, UnionType, tuple):
        return tuple(word for part in get_args(annotation) for word in option_words(part))
    return ()


def expected(field: FieldInfo) -> str:
    """What a field takes, to stand behind "must be"."""
    for mark in field.metadata:
        if isinstance(mark, Expected):
            return mark.text
    return _expected(field.annotation)


def _expected(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *marks = get_args(annotation)
        texts = [mark.text for mark in marks if isinstance(mark, Expected)]
        return texts[0] if texts else _expected(base)
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in get_args(annotation))
    if origin in (Union, UnionType):
        return ", or ".join(_expected(part) for part in get_args(annotation))
    if origin is tuple:
        parts = get_args(annotation)
        if len(parts) == 2 and parts[1] is Ellipsis:
            return f"a list, each {_expected(parts[0])}"
        return "(" + ", ".join(_expected(part) for part in parts) + ")"
    names = {
        int: "a whole number",
        float: "a number",
        bool: "`true` or `false`",
        str: "a text in quotes",
        NoneType: "`none`",
    }
    return names.get(annotation, "another value")


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return "(" + ", ".join(_shown(item) for item in value) + ")"
    return describe(value)
