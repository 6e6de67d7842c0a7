"""A small language for neural networks: check, train, export and use what a `.dlnet` file says.

Names are found when they are first used, so that `import dlspec` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlspec.api import Model, Spec, load, loads, train
    from dlspec.diagnostics import Diagnostic, SpecError

__version__ = "0.1.0"

__all__ = ["Diagnostic", "Model", "Spec", "SpecError", "__version__", "load", "loads", "train"]

_DIAGNOSTICS = {"Diagnostic", "SpecError"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'dlspec' has no attribute {name!r}")
    home = "dlspec.diagnostics" if name in _DIAGNOSTICS else "dlspec.api"
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
