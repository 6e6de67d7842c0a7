"""`dlspec predict`: an exported model on images, arrays or rows. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlspec.cli.exits import GOOD
from dlspec.cli.loading import format_option
from dlspec.cli.terminal import message, result

if TYPE_CHECKING:
    from dlspec.inference.inputs import Example, Reader
    from dlspec.inference.results import Prediction

_LARGEST_INPUT = 2**30


@click.command(epilog="Example: dlspec predict lenet.onnx digit.png --top 3")
@click.argument("model", metavar="MODEL.onnx")
@click.argument("inputs", metavar="INPUT…", nargs=-1, required=True)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many of the likeliest classes to print.  [default: 3]",
)
@format_option("text", "json")
def command(model: str, inputs: tuple[str, ...], top: int | None, format: str) -> int:
    """Run MODEL on each INPUT: images, folders of images, `.npy` arrays, rows of `.csv` files.

    `-` reads an image from standard input. An INPUT that cannot be used is reported, the
    others are predicted all the same, and the exit code is then that of the first problem.
    """
    from dlspec.inference import InferenceProblem, Predictor

    predictor = Predictor(model, ranks=top is not None)
    code, found = GOOD, []
    for outcome in predictor.predict(_examples(predictor.reader(), inputs), top or 3):
        if isinstance(outcome, InferenceProblem):
            _report(outcome)
            code = code or outcome.exit_code
        elif format == "json":
            found.append(outcome.as_json())
        else:
            result(_text(outcome))
    if format == "json":
        import json

        result(json.dumps({"predictions": found}, indent=2, ensure_ascii=False))
    return code


def _examples(reader: Reader, inputs: tuple[str, ...]) -> Iterator[Example]:
    for name in inputs:
        if name == "-":
            content = sys.stdin.buffer.read(_LARGEST_INPUT)
            yield reader.image(content, "<stdin>")
        else:
            yield from reader.examples(Path(name))


def _report(problem: Exception) -> None:
    from dlspec.diagnostics.render.cells import printable

    message(f"Error: {printable(str(problem))}")
    help = getattr(problem, "help", None)
    if help:
        message(f"help: {printable(help)}")


def _text(prediction: Prediction) -> str:
    """A prediction for people: its classes as a table, its numbers on a line."""
    from dlspec.diagnostics.render.cells import printable, width

    lines = [printable(prediction.input)]
    if prediction.top:
        names = [printable(rank.description or "") for rank in prediction.top]
        wide = max(width(name) for name in ("description", *names))
        lines.append(f"  class  {'description' + ' ' * (wide - 11)}  probability")
        for rank, name in zip(prediction.top, names, strict=True):
            padded = name + " " * (wide - width(name))
            lines.append(f"  {rank.number:>5}  {padded}  {rank.probability:>11.2%}")
    for name, array in prediction.values.items():
        numbers = " ".join(f"{value:.6g}" for value in array.reshape(-1).tolist())
        lines.append(f"  {printable(name)}: {numbers}")
    return "\n".join(lines)
