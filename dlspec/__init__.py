"""A small language for neural networks: check, train, export and use what a `.dlnet` file says.

Names are found when they are first used, so that `import dlspec` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlspec.diagnostics import Diagnostic, SpecError

__version__ = "0.1.0"

_HOMES = {
    "Diagnostic": "dlspec.diagnostics",
    "SpecError": "dlspec.diagnostics",
}

__all__ = ["Diagnostic", "SpecError", "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'dlspec' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
