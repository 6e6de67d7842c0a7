"""The names that a spec's names get in Python: classes, attributes, variables."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable
from keyword import iskeyword

from dlspec.backends.problem import BackendProblem
from dlspec.ir.graph import Graph
from dlspec.ir.reserved import usable_path

LONGEST_VARIABLE = 20
"""Longer names of values give way to short ones, so that a line of `forward` stays one line."""

_TAKEN = frozenset({"self", "torch", "nn", "F", "Tensor", "math", "np", "argparse", "Path"})
_CLASS = re.compile(r"[A-Z][A-Za-z0-9_]{0,63}")
_VARIABLE = re.compile(r"[a-z_][A-Za-z0-9_]*")


def checked_path(graph: Graph, path: str) -> str:
    """The path of a node as an attribute, which is a part of its weights' names.

    Raises BackendProblem where Python or PyTorch's modules have that name already.
    """
    if not usable_path(path):
        raise BackendProblem(
            "E0203",
            f"`{path}` is a name that Python or PyTorch's modules have already, so no "
            "weights can be called that",
            graph=graph.key,
            node=path,
            help=f"call it `{path}_`" if path.isidentifier() else None,
        )
    return path


def class_name(wanted: str, taken: Iterable[str]) -> str:
    """A free name for a class: the declared name, with a number or `_` behind it where taken."""
    base = wanted if _CLASS.fullmatch(wanted) else "Block"
    if base in _TAKEN or iskeyword(base) or hasattr(builtins, base):
        base += "_"
    name, number, used = base, 1, set(taken)
    while name in used:
        number += 1
        name = f"{base}{number}"
    return name


def variable(wanted: str, taken: Iterable[str]) -> str:
    """A free name for a variable: the spec's name where it is short enough for one."""
    base = wanted if _VARIABLE.fullmatch(wanted) and len(wanted) <= LONGEST_VARIABLE else "value"
    if base in _TAKEN or iskeyword(base) or hasattr(builtins, base) or base.startswith("__"):
        base = base.strip("_") + "_"
    name, number, used = base, 1, set(taken)
    while name in used:
        number += 1
        name = f"{base}{number}"
    return name
