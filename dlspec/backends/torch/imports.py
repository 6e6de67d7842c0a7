"""Import lines in isort's order, for the names that a piece of code uses."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Import(NamedTuple):
    """`import module as bound` where `name` is empty, else `from module import name`."""

    module: str
    name: str = ""
    bound: str = ""


KNOWN: Mapping[str, Import] = {
    "Any": Import("typing", "Any"),
    "NDArray": Import("numpy.typing", "NDArray"),
    "argparse": Import("argparse"),
    "copy": Import("copy"),
    "load_file": Import("safetensors.torch", "load_file"),
    "math": Import("math"),
    "sys": Import("sys"),
    "Path": Import("pathlib", "Path"),
    "np": Import("numpy", bound="np"),
    "torch": Import("torch"),
    "F": Import("torch.nn.functional", bound="F"),
    "Tensor": Import("torch", "Tensor"),
    "nn": Import("torch", "nn"),
}
"""What emitted code may use, by the name it has there."""


def used_names(code: str) -> frozenset[str]:
    """The names that code reads or writes."""
    return frozenset(n.id for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name))


def import_lines(wanted: Iterable[Import]) -> list[str]:
    """The lines of a file's imports: standard library, a blank line, the rest."""
    sections: dict[bool, list[Import]] = {True: [], False: []}
    for one in set(wanted):
        sections[one.module.partition(".")[0] in sys.stdlib_module_names].append(one)
    written = [_section(section) for section in sections.values() if section]
    return "\n\n".join("\n".join(lines) for lines in written).split("\n") if written else []


def _section(section: list[Import]) -> list[str]:
    whole = sorted(one for one in section if not one.name)
    lines = [f"import {one.module}{f' as {one.bound}' if one.bound else ''}" for one in whole]
    for module in sorted({one.module for one in section if one.name}, key=str.lower):
        names = sorted(
            (one.name for one in section if one.module == module and one.name), key=_member_order
        )
        lines.append(f"from {module} import {', '.join(names)}")
    return lines


def _member_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as isort sorts the members of a module."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name
