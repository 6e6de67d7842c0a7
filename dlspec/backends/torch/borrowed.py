"""Functions of dlspec that emitted programs carry copies of, so that nothing is written twice.

They are taken from their files as text: no torch is imported to read them. What one uses of another
file of dlspec is to be borrowed beside it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from dlspec.backends.torch.docstrings import comment, docstring
from dlspec.backends.torch.imports import Import, used_names
from dlspec.backends.torch.printer import WIDTH

PACKAGE = Path(__file__).parents[2]


class Borrowed(NamedTuple):
    """Definitions in the order of their file, and the imports they need by bound name."""

    sources: tuple[str, ...]
    imports: Mapping[str, Import]


@cache
def borrow(file: str, *names: str) -> Borrowed:
    """Top-level definitions of a file with all that they use of it.

    file: within dlspec, `data/batches.py`; names: of functions or of constants.
    """
    text = (PACKAGE / file).read_text(encoding="utf-8")
    found: dict[str, str] = {}
    imports: dict[str, Import] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.update(_bound(node))
        elif (name := _defined(node)) is not None:
            start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            found[name] = _fitted("\n".join(text.split("\n")[start - 1 : node.end_lineno]))
    needed, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [other for other in used_names(found[name]) if other in found]
    sources = tuple(source for name, source in found.items() if name in needed)
    used = used_names("\n".join(sources))
    return Borrowed(
        sources,
        {
            name: one
            for name, one in imports.items()
            if name in used and not one.module.startswith("dlspec")
        },
    )


def _fitted(source: str) -> str:
    """A definition with its docstrings and comments at the width of emitted Python."""
    lines = source.split("\n")
    for node in reversed(list(ast.walk(ast.parse(source)))):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        if (text := ast.get_docstring(node)) is not None:
            said = node.body[0]
            place = slice(said.lineno - 1, said.end_lineno)
            if any(len(line) > WIDTH for line in lines[place]):
                lines[place] = docstring(text, said.col_offset)
    fitted: list[str] = []
    for line in lines:
        margin = len(line) - len(line.lstrip())
        long = len(line) > WIDTH and line.lstrip().startswith("# ")
        fitted += comment(line.lstrip()[2:], margin) if long else [line]
    return "\n".join(fitted)


def _defined(node: ast.stmt) -> str | None:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


def _bound(node: ast.Import | ast.ImportFrom) -> dict[str, Import]:
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name: Import(alias.name, bound=alias.asname or "")
            for alias in node.names
        }
    return {alias.name: Import(node.module or "", alias.name) for alias in node.names}
