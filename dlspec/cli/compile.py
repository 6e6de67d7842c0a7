"""`dlspec compile`: the spec as PyTorch source, as an ONNX model or as the IR."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlspec.cli.exits import EnvironmentFault, system_message
from dlspec.cli.loading import chosen_model, program, set_option
from dlspec.cli.terminal import message, result

if TYPE_CHECKING:
    from dlspec.ir.graph import Graph, Program

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
    made = program(file, settings)
    if target == "ir":
        content = (made.model_dump_json(indent=2) + "\n").encode()
    elif target == "torch":
        content = _torch(made, chosen_model(made, model), no_train).encode()
    else:
        content = _onnx(made, chosen_model(made, model))
    _deliver(content, output or _place(file, target))


def _torch(program: Program, graph: Graph, no_train: bool) -> str:
    from dlspec.backends.torch import emit

    plans = [plan for plan in program.trains if plan.model == graph.key]
    return emit(program, graph.key, plan=None if no_train or not plans else plans[0])


def _onnx(program: Program, graph: Graph) -> bytes:
    from dlspec.backends.onnx import build

    return build(program, graph.key).SerializeToString()


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
