"""`dlspec compile`: the spec as PyTorch source, as an ONNX model or as the IR."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlspec.cli.delivering import deliver, write
from dlspec.cli.exits import EnvironmentFault, system_message
from dlspec.cli.loading import chosen_model, set_option, spec
from dlspec.cli.terminal import message

if TYPE_CHECKING:
    from dlspec.api import Model

_SUFFIXES = {"torch": ".py", "onnx": ".onnx", "ir": ".json"}


@click.command(epilog="Example: dlspec compile lenet.dlnet -o lenet.py && python lenet.py")
@click.argument("file")
@click.option(
    "--to",
    "target",
    type=click.Choice(list(_SUFFIXES)),
    default="torch",
    show_default=True,
    help="What to write.",
)
@click.option("-o", "--output", metavar="PATH", help="Where to write it; `-` is standard output.")
@click.option("--model", metavar="NAME", help="The model to write, where the spec has several.")
@click.option("--no-train", is_flag=True, help="Write the module without its training loop.")
@set_option
def command(
    file: str,
    target: str,
    output: str | None,
    model: str | None,
    no_train: bool,
    settings: tuple[tuple[str, str], ...],
) -> None:
    """Write FILE as PyTorch source (lenet.py), as ONNX (lenet.onnx) or as the IR (printed).

    Nothing is written where a check fails. A training program on bundled data gets that data
    as a file beside it.
    """
    made = spec(file, settings)
    beside: dict[str, bytes] = {}
    if target == "ir":
        content = (made.program.model_dump_json(indent=2) + "\n").encode()
    else:
        chosen = made.model(chosen_model(made.program, model))
        content = chosen.to_onnx() if target == "onnx" else _source(chosen, no_train)
        if target == "torch" and not no_train:
            beside = _companions(chosen)
    place = output or _place(file, target)
    _deliver_beside(beside, place)
    deliver(content, place)


def _source(model: Model, no_train: bool) -> bytes:
    try:
        model.spec.program.plan_of(model.graph.key)
    except ValueError as problem:
        if not no_train:
            raise click.UsageError(
                f"{problem}, or write the module alone with --no-train."
            ) from None
    return model.to_torch(train=not no_train).encode()


def _companions(model: Model) -> dict[str, bytes]:
    """The files that the model's training program needs beside it, by name."""
    from dlspec.backends.torch import companions

    program = model.spec.program
    return companions(program, program.plan_of(model.graph.key))


def _deliver_beside(files: dict[str, bytes], output: str) -> None:
    """Write files into the folder of the result. One with other content is never replaced."""
    stream = output == "-" or (Path(output).exists() and not Path(output).is_file())
    for name, content in files.items():
        if stream:
            message(f"the program reads `{name}` from its own folder; `-o PATH` writes it there")
            continue
        place = Path(output).parent / name
        try:
            if place.exists() and place.read_bytes() == content:
                continue
            if place.exists():
                raise EnvironmentFault(
                    f"`{place}` is there already with other content, and the "
                    "program needs its own; write to another folder with `-o`"
                )
            write(place, content)
        except OSError as problem:
            raise EnvironmentFault(system_message(problem)) from problem


def _place(file: str, target: str) -> str:
    """Where the result goes unless told: into this folder under the spec's name."""
    return "-" if file == "-" or target == "ir" else Path(file).stem + _SUFFIXES[target]
