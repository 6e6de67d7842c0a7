"""Emitted source as a class in memory, for training and tests.

Only text that the backend wrote is run here, never the text of a spec: names in it are
checked identifiers, and values the literals of numbers, strings and tuples.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any


def load_module(source: str) -> type[Any]:
    """The model's class, an `nn.Module`: the last class of a source that `emit_module` wrote."""
    module = ModuleType("dlspec_model")
    exec(compile(source, "<dlspec model>", "exec"), module.__dict__)  # noqa: S102
    return _classes(module)[-1]


def load_functions(source: str) -> dict[str, Any]:
    """The functions of a source that `emit_functions` wrote, by the keys of their objectives."""
    module = ModuleType("dlspec_objectives")
    exec(compile(source, "<dlspec objectives>", "exec"), module.__dict__)  # noqa: S102
    return {key: vars(module)[name] for key, name in vars(module)["OBJECTIVES"].items()}


def _classes(module: ModuleType) -> list[type[Any]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
