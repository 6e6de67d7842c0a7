"""Emitted source as a class in memory, for training and tests.

Only text that the backend wrote is run here, never the text of a spec: names in it are
checked identifiers, and values the literals of numbers, strings and tuples.
"""

from __future__ import annotations

from typing import Any


def load_module(source: str) -> type[Any]:
    """The model's class, an `nn.Module`: the last class of a source that `emit_module` wrote."""
    names = _run(source, "dlspec_model", "<dlspec model>")
    classes = [v for v in names.values() if isinstance(v, type) and v.__module__ == "dlspec_model"]
    return classes[-1]


def load_functions(source: str) -> dict[str, Any]:
    """The functions of a source that `emit_functions` wrote, by the keys of their objectives."""
    names = _run(source, "dlspec_objectives", "<dlspec objectives>")
    return {key: names[name] for key, name in names["OBJECTIVES"].items()}


def _run(source: str, name: str, file: str) -> dict[str, Any]:
    """What a source defines, by name.

    Afterwards it has no `__name__`: `torch.compile` would import the module of that name.
    """
    names: dict[str, Any] = {"__name__": name}
    exec(compile(source, file, "exec"), names)  # noqa: S102
    del names["__name__"]
    return names
