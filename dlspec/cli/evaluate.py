"""`dlspec evaluate`: the figures of a split for a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlspec.cli.exits import SPEC, EnvironmentFault, system_message
from dlspec.cli.loading import format_option
from dlspec.cli.terminal import result
from dlspec.cli.train import chosen_device, spec_of, tell_requires, told

if TYPE_CHECKING:
    from dlspec.training.classes import ClassRow, ClassTable
    from dlspec.training.settings import Evaluation

MOST_ROWS = 50
"""Classes that are printed; of more, those that did worst."""
WIDEST = 12
"""Classes whose confusion matrix is printed; of more, the most frequent mistakes."""
MISTAKES = 10


@click.command(epilog="Example: dlspec evaluate runs/lenet")
@click.argument("run")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="Which examples to measure.",
)
@click.option("--gpu", is_flag=True, help="Compute on an NVIDIA GPU; an error where there is none.")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--data", metavar="SOURCE", help="Other data than the run's: mnist:PATH …")
@click.option("--data-root", metavar="DIR", help="Where the paths of the spec start.")
@click.option("--skip-bad", is_flag=True, help="Go on without rows and images that are broken.")
@format_option("text", "json")
def command(
    run: str,
    split: str,
    gpu: bool,
    device: str | None,
    data: str | None,
    data_root: str | None,
    skip_bad: bool,
    format: str,
) -> None:
    """Measure the best weights of RUN on the test split, or another, class by class.

    On the test split every `require` is checked. The confusion matrix is drawn into RUN.
    """
    program = spec_of(Path(run), format)
    from dlspec.data import DataProblem
    from dlspec.training.confusion import write_confusion
    from dlspec.training.reopening import evaluate, reopen

    try:
        root = Path(data_root) if data_root else None
        chosen = chosen_device(gpu, device)
        opened = reopen(Path(run), program)
        evaluation = evaluate(opened, chosen, root, data, split, skip_bad=skip_bad)
        picture = write_confusion(Path(run), evaluation)
    except DataProblem as problem:
        raise told(problem) from problem
    except OSError as problem:
        raise EnvironmentFault(system_message(problem)) from problem
    _tell(evaluation, picture, format)
    if not evaluation.good:
        raise click.exceptions.Exit(SPEC)


def _tell(evaluation: Evaluation, picture: Path | None, format: str) -> None:
    table = evaluation.classes
    if format == "json":
        by_class = table.facts() if table else {"classes": None, "confusion": None}
        drawn = str(picture) if picture else None
        facts = {**evaluation.facts(), **by_class, "picture": drawn, "good": evaluation.good}
        from dlspec.training.jsontext import json_text

        result(json_text(facts))
        return
    from dlspec.training.reporting import figure_text

    result(f"{evaluation.split} split, {evaluation.examples:,} examples")
    width = max(len(name) for name in evaluation.figures)
    for name, figure in evaluation.figures.items():
        result(f"  {name:<{width}}  {figure_text(name, figure)}")
    if table is not None:
        _tell_classes(table)
        _tell_confusion(table)
    if picture is not None:
        result(f"\nconfusion matrix: {picture}")
    tell_requires(evaluation.held)


def _tell_classes(table: ClassTable) -> None:
    """Precision, recall and f1 of every class, of very many the worst."""
    shown = table.rows
    if len(shown) > MOST_ROWS:
        shown = tuple(sorted(shown, key=lambda row: row.f1)[:MOST_ROWS])
        result(f"\nthe {MOST_ROWS} of {len(table.rows):,} classes with the lowest f1")
    names = [_short(row.name) for row in shown]
    width = max(5, *map(len, names))
    result(f"\n{'class':<{width}}  precision   recall       f1  support")
    for name, row in zip(names, shown, strict=True):
        result(f"{name:<{width}}  {_figures(row)}")


def _figures(row: ClassRow) -> str:
    return f"{row.precision:>9.2%} {row.recall:>8.2%} {row.f1:>8.2%} {row.support:>8,}"


def _tell_confusion(table: ClassTable) -> None:
    """The matrix, or of many classes the mistakes that were made most."""
    if table.matrix is None:
        return
    if len(table.rows) <= WIDEST:
        names = [_short(row.name, 12) for row in table.rows]
        cells = [[f"{cell:,}" for cell in row] for row in table.matrix]
        width = max(map(len, [*names, *(cell for row in cells for cell in row)]))
        corner = "is \\ called"
        side = max(width, len(corner))
        result("\n" + "  ".join([f"{corner:<{side}}", *(f"{name:>{width}}" for name in names)]))
        for name, row in zip(names, cells, strict=True):
            result("  ".join([f"{name:<{side}}", *(f"{cell:>{width}}" for cell in row)]))
        return
    mistakes = table.confused()[:MISTAKES]
    if mistakes:
        result("\nmost frequent mistakes")
    for there, called, count in mistakes:
        result(f"  {count:>6,}  {_short(there)} called {_short(called)}")


def _short(name: str, most: int = 32) -> str:
    """A class's name, which a folder may have given, fit for a line of a terminal."""
    from dlspec.diagnostics.render.cells import printable

    name = printable(name)
    return name if len(name) <= most else name[: most - 1] + "…"
