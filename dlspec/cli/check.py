"""`dlspec check`: every mistake of specs, before a tensor exists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from dlspec.cli.exits import GOOD, SPEC
from dlspec.cli.loading import (
    compiled,
    format_option,
    rendered,
    report,
    set_option,
    spec_files,
)
from dlspec.cli.terminal import message, result
from dlspec.diagnostics.render import FORMATS

if TYPE_CHECKING:
    from dlspec.diagnostics import Diagnostic


@click.command(epilog="Example: dlspec check --warnings-as-errors lenet.dlnet specs/")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@format_option(*FORMATS)
@click.option("--fix", is_flag=True, help="Apply the safe fixes first.")
@click.option("--warnings-as-errors", is_flag=True, help="Exit with 1 for warnings too.")
@set_option
def command(
    paths: tuple[str, ...],
    format: str,
    fix: bool,
    warnings_as_errors: bool,
    settings: tuple[tuple[str, str], ...],
) -> int:
    """Report every mistake in the specs PATH..., or in all .dlnet files below folders.

    `-` reads a spec from standard input.
    """
    files = spec_files(paths)
    found = _found(files, settings)
    if fix and _fixed(found):
        found = _found(files, settings)
    if warnings_as_errors:
        found = [d._replace(severity="error") for d in found]
    if format != "text":
        result(rendered(found, format))
    elif found:
        report(found)
    else:
        result(f"{len(files)} file{'s' if len(files) > 1 else ''}, no mistakes")
    return SPEC if any(d.severity == "error" for d in found) else GOOD


def _found(files: Iterable[str], settings: Iterable[tuple[str, str]]) -> list[Diagnostic]:
    """The diagnostics of all files; those of a file that several use are listed once."""
    unique: dict[tuple[object, ...], Diagnostic] = {}
    settings = tuple(settings)
    for file in files:
        for diagnostic in compiled(file, settings).diagnostics:
            source, start, end = diagnostic.span
            key = (source.path or source.name, start, end, diagnostic.code, diagnostic.message)
            unique.setdefault(key, diagnostic)
    return list(unique.values())


def _fixed(found: Iterable[Diagnostic]) -> int:
    """Apply the safe fixes and say where. Returns how many were applied."""
    from dlspec.cli.fixing import apply_safe_fixes

    total = 0
    for name, number in apply_safe_fixes(found).items():
        message(f"{name}: {number} fix{'es' if number > 1 else ''} applied")
        total += number
    return total
