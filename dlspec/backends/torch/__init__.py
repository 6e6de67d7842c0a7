"""IR to readable PyTorch source. No torch is imported here."""

from __future__ import annotations

from dlspec.backends.problem import BackendProblem
from dlspec.backends.torch.loading import load_functions, load_module
from dlspec.backends.torch.module import emit_module
from dlspec.backends.torch.objectives import emit_functions
from dlspec.backends.torch.script import companions, emit

__all__ = [
    "BackendProblem",
    "companions",
    "emit",
    "emit_functions",
    "emit_module",
    "load_functions",
    "load_module",
]
