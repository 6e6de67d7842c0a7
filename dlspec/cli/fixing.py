"""`dlspec check --fix`: writing the safe fixes into the files they are about."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dlspec.cli.rewriting import rewrite
from dlspec.diagnostics import Diagnostic, Fix
from dlspec.pipeline import STANDARD
from dlspec.source import Source


def apply_safe_fixes(diagnostics: Iterable[Diagnostic]) -> dict[str, int]:
    """Apply the safe fixes; of fixes that overlap, the first in the file alone.

    Returns how many were applied to each file by its name. Text that did not come from
    a file, packaged specs, and files that changed meanwhile, are left alone.
    Raises OSError where a file cannot be written.
    """
    by_source: dict[Source, list[Fix]] = {}
    for diagnostic in diagnostics:
        fix = diagnostic.fix
        if fix is None or not fix.safe or fix.span.source.path is None:
            continue
        if not fix.span.source.name.startswith(STANDARD):
            by_source.setdefault(fix.span.source, []).append(fix)
    applied: dict[str, int] = {}
    for source, fixes in by_source.items():
        number = _apply(source, fixes)
        if number:
            applied[source.name] = number
    return applied


def _apply(source: Source, fixes: list[Fix]) -> int:
    path = source.path
    assert path is not None
    head, text = _read(path)
    if text != source.text:
        return 0
    chosen = _without_overlaps(fixes)
    for fix in reversed(chosen):
        text = text[: fix.span.start] + fix.replacement + text[fix.span.end :]
    rewrite(path.resolve(), head + text.encode("utf-8"))
    return len(chosen)


def _read(path: Path) -> tuple[bytes, str]:
    """The byte order mark of a file, where it has one, and its text."""
    content = path.read_bytes()
    head = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    return head, content[len(head) :].decode("utf-8")


def _without_overlaps(fixes: list[Fix]) -> list[Fix]:
    chosen: list[Fix] = []
    for fix in sorted(set(fixes), key=lambda f: (f.span.start, f.span.end)):
        if not chosen or fix.span.start >= chosen[-1].span.end:
            chosen.append(fix)
    return chosen
