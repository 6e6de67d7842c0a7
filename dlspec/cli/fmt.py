"""`dlspec fmt`: the one layout of specs, written into their files or only compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dlspec.cli.exits import ENVIRONMENT, GOOD, SPEC, system_message
from dlspec.cli.loading import format_option, report, spec_bytes, spec_files
from dlspec.cli.terminal import message, result

if TYPE_CHECKING:
    from dlspec.diagnostics import Diagnostic


class Outcome(NamedTuple):
    """What became of a file. `before` and `after` are None where it could not be read.

    `status` is `unchanged`, `reformatted`, `would_reformat`, `invalid` (it has mistakes, and
    was left as it is) or `unwritable`.
    """

    file: str
    status: str
    before: str | None = None
    after: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def differs(self) -> bool:
        return self.status in ("reformatted", "would_reformat")


@click.command(epilog="Example: dlspec fmt --check lenet.dlnet specs/")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where a file would change.")
@click.option("--diff", is_flag=True, help="Like --check, and print what would change.")
@format_option("text", "json")
def command(paths: tuple[str, ...], check: bool, diff: bool, format: str) -> int:
    """Lay out the specs PATH..., or all .dlnet files below folders, in the one canonical way.

    Comments are kept, and so is the meaning. Files with mistakes are left as they are.
    `-` reads a spec from standard input and writes it to standard output.
    """
    if any(path.endswith(".json") for path in paths):
        raise click.UsageError("`dlspec fmt` lays out .dlnet files; a .json file has no layout.")
    dry = check or diff
    outcomes = _outcomes(paths, dry=dry)
    if format == "json":
        result(_json(outcomes, diff=diff))
    else:
        report([d for outcome in outcomes for d in outcome.diagnostics])
        _tell(outcomes, check=check, diff=diff)
    return _code(outcomes, dry=dry)


def _outcomes(paths: Sequence[str], *, dry: bool) -> list[Outcome]:
    """Lay out all files without garbage collection: no cycles are made, and it halves the speed."""
    import gc

    files = spec_files(paths)
    gc.disable()
    try:
        return [_outcome(file, dry=dry) for file in files]
    finally:
        gc.enable()


def _outcome(file: str, *, dry: bool) -> Outcome:
    """Lay out a file, and write it unless `dry`. What stands in no file is not written."""
    from dlspec.cli.rewriting import rewrite
    from dlspec.diagnostics import Report
    from dlspec.syntax import decode
    from dlspec.syntax.formatter import formatted

    data = spec_bytes(file)
    path = None if file == "-" else Path(file)
    found = Report()
    source = decode("<stdin>" if path is None else file, data, found, path)
    after = None if source is None else formatted(source, found)
    if source is None or after is None:
        return Outcome(file, "invalid", diagnostics=found.ordered())
    before = data.decode("utf-8")  # with its byte order mark, which goes
    if after == before:
        return Outcome(file, "unchanged", before, after)
    if dry:
        return Outcome(file, "would_reformat", before, after)
    try:
        if path is not None:
            rewrite(path, after.encode("utf-8"))
    except OSError as problem:
        problem.filename = file
        message(f"Error: {system_message(problem)}")
        return Outcome(file, "unwritable", before, after)
    return Outcome(file, "reformatted", before, after)


def _code(outcomes: Sequence[Outcome], *, dry: bool) -> int:
    if any(outcome.status == "unwritable" for outcome in outcomes):
        return ENVIRONMENT
    wrong = any(o.status == "invalid" or (dry and o.differs) for o in outcomes)
    return SPEC if wrong else GOOD


# --- what is said of it ----------------------------------------------------------


def _tell(outcomes: Sequence[Outcome], *, check: bool, diff: bool) -> None:
    """Text for a person: what standard input became, or differences, or a summary."""
    dry = check or diff
    for outcome in outcomes:
        if diff and outcome.differs:
            result(_difference(outcome))
        elif check and outcome.differs:
            result(f"Would reformat: {_name(outcome)}")
        elif outcome.file == "-" and outcome.after is not None and not dry:
            result(outcome.after)
    if not any(outcome.file == "-" for outcome in outcomes) or dry:
        # Of a difference, standard output holds the difference alone, for `patch`.
        (message if diff else result)(_summary(outcomes, dry=dry))


def _summary(outcomes: Sequence[Outcome], *, dry: bool) -> str:
    """`2 files reformatted, 3 files left unchanged`."""
    words = {
        "reformatted": "reformatted",
        "would_reformat": "would be reformatted",
        "unchanged": "already formatted" if dry else "left unchanged",
        "invalid": "with mistakes, left unchanged",
        "unwritable": "not written",
    }
    counts = {status: sum(o.status == status for o in outcomes) for status in words}
    return ", ".join(
        f"{number} file{'s' if number > 1 else ''} {words[status]}"
        for status, number in counts.items()
        if number
    )


def _json(outcomes: Sequence[Outcome], *, diff: bool) -> str:
    import json

    from dlspec.diagnostics.render.as_json import as_value

    files: list[dict[str, Any]] = []
    for outcome in outcomes:
        said: dict[str, Any] = {"file": _name(outcome), "status": outcome.status}
        if diff:
            said["diff"] = _difference(outcome)
        if outcome.file == "-":
            said["text"] = outcome.after
        files.append(said)
    found = [as_value(d) for outcome in outcomes for d in outcome.diagnostics]
    return json.dumps({"files": files, "diagnostics": found}, indent=2)


def _name(outcome: Outcome) -> str:
    return "<stdin>" if outcome.file == "-" else outcome.file


def _difference(outcome: Outcome) -> str:
    """The change as a unified diff, "" where there is none."""
    import difflib

    if outcome.before is None or outcome.after is None:
        return ""
    name = _name(outcome)
    before, after = (_lines(text) for text in (outcome.before, outcome.after))
    return "".join(_ended(difflib.unified_diff(before, after, name, name)))


def _lines(text: str) -> list[str]:
    """The lines of a text with their ends; other than `splitlines`, at `\\n` alone."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _ended(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
