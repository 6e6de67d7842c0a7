"""Emitted source as a class in memory, for training and tests.

Only text that `emit_module` wrote is run here, never the text of a spec: names in it are
checked identifiers, and values the literals of numbers, strings and tuples.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any


def load_module(source: str) -> type[Any]:
    """The model's class, an `nn.Module`: the last class of a source that `emit_module` wrote."""
    module = ModuleType("dlspec_model")
    exec(compile(source, "<dlspec model>", "exec"), module.__dict__)  # noqa: S102
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return classes[-1]
