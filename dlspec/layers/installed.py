"""Layers of other installed packages, found by the entry point group `dlspec.layers`.

A spec cannot load code: it names a layer, and whoever installed a package has let it bring some.
This module is imported when a name is no built-in layer, since looking through what is installed
takes longer than checking a spec. A built-in layer cannot be replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple, cast

from dlspec.ir.layer import Layer

GROUP = "dlspec.layers"
_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,63}")


class Broken(NamedTuple):
    """A layer that a package offers and that cannot be used. `reason` completes "because …"."""

    name: str
    package: str
    reason: str

    def __str__(self) -> str:
        return f"the layer `{self.name}` of the package `{self.package}` cannot be used: " + (
            self.reason
        )


@cache
def _offers() -> Mapping[str, tuple[EntryPoint, ...]]:
    """What installed packages offer, by the layer's name, in the order of the names."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, _package(e))):
        found.setdefault(entry.name, []).append(entry)
    return {name: tuple(entries) for name, entries in found.items()}


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value.partition(":")[0]


def package_of(name: str) -> str | None:
    """The package that brings a layer of that name, where one does."""
    offers = _offers().get(name, ())
    return _package(offers[0]) if offers else None


def names() -> tuple[str, ...]:
    """Every name that packages offer a layer under."""
    return tuple(_offers())


@cache
def found(name: str) -> type[Layer] | Broken | None:
    """The layer that a package offers under a name; why it cannot be used; None for no offer."""
    offers = _offers().get(name)
    if offers is None:
        return None
    first, *others = offers
    package = _package(first)
    if others:
        named = " and ".join(f"`{_package(entry)}`" for entry in others)
        return Broken(name, package, f"{named} brings a layer of that name too; uninstall one")
    try:
        loaded: object = first.load()
        reason = _unfit(loaded, name)
    except (Exception, SystemExit) as problem:
        return Broken(name, package, f"`{first.value}` does not load: {described(problem)}")
    return Broken(name, package, reason) if reason else cast("type[Layer]", loaded)


def described(problem: BaseException) -> str:
    """An exception of a package in one line."""
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text[:200]}" if text else type(problem).__name__


def _unfit(loaded: object, name: str) -> str | None:
    """Why what a package offers is no whole layer, or None."""
    if not isinstance(loaded, type) or not issubclass(loaded, Layer):
        return "it is no subclass of `dlspec.layers.custom.Layer`"
    if not _NAME.fullmatch(name):
        return "a layer's name begins with a capital letter and has letters, digits and `_` alone"
    for text in ("kind", "summary", "example", "shape_rule"):
        value: Any = getattr(loaded, text, None)
        if not isinstance(value, str) or not value or "\n" in value:
            return f"its class has no `{text}` of one line"
    if loaded.kind != name:
        return f"its `kind` is `{loaded.kind}`"
    for rule in ("infer", "torch", "onnx"):
        if getattr(loaded, rule) is getattr(Layer, rule):
            return f"it has no rule `{rule}`"
    for field, info in loaded.model_fields.items():
        if not info.description:
            return f"its argument `{field}` has no description"
    return "it says that expressions make it" if loaded.operator else None
