"""`dlspec compile`: the spec as PyTorch source, as an ONNX model or as the IR."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlspec.cli.exits import EnvironmentFault, system_message
from dlspec.cli.loading import chosen_model, set_option, spec
from dlspec.cli.terminal import message, result

if TYPE_CHECKING:
    from dlspec.api import Model

_SUFFIXES = {"torch": ".py", "onnx": ".onnx", "ir": ".json"}


@click.command(epilog="Example: dlspec compile lenet.dlnet -o lenet.py && python lenet.py")
@click.argument("file")
@click.option(
    "--to", "target", type=click.Choice(list(_SUFFIXES)), default="torch", show_default=True,
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

    Nothing is written where a check fails.
    """
    made = spec(file, settings)
    if target == "ir":
        content = (made.program.model_dump_json(indent=2) + "\n").encode()
    else:
        chosen = made.model(chosen_model(made.program, model))
        content = chosen.to_onnx() if target == "onnx" else _source(chosen, no_train)
    _deliver(content, output or _place(file, target))


def _source(model: Model, no_train: bool) -> bytes:
    return model.to_torch(train=not no_train).encode()


def _place(file: str, target: str) -> str:
    """Where the result goes unless told: into this folder under the spec's name."""
    return "-" if file == "-" or target == "ir" else Path(file).stem + _SUFFIXES[target]


def _deliver(content: bytes, output: str) -> None:
    if output == "-":
        _print(content)
        return
    from dlspec.training.durable import write_durably

    try:
        write_durably(Path(output), content)
    except OSError as problem:
        raise EnvironmentFault(system_message(problem)) from problem
    message(f"wrote {output}")


def _print(content: bytes) -> None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        stream = click.get_binary_stream("stdout")
        stream.write(content)
        stream.flush()
        return
    result(text)
