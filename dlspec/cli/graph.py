"""`dlspec graph`: the picture of a network."""

from __future__ import annotations

from pathlib import Path

import click

from dlspec.cli.delivering import deliver
from dlspec.cli.loading import chosen_model, set_option, spec
from dlspec.cli.unfolding import depth_of, unfolding_options

FORMATS = ("svg", "png", "dot", "mmd")


@click.command(epilog="Example: dlspec graph resnet.dlnet -o resnet.svg")
@click.argument("file")
@click.option("-o", "--output", metavar="PATH", help="Where to write it; `-` is standard output.")
@click.option(
    "--to", "format", type=click.Choice(FORMATS), help="What to write, where PATH does not tell."
)
@unfolding_options
@click.option("--model", metavar="NAME", help="The model to draw, where the spec has several.")
@set_option
def command(
    file: str,
    output: str | None,
    format: str | None,
    expand: bool,
    depth: int | None,
    model: str | None,
    settings: tuple[tuple[str, str], ...],
) -> None:
    """Draw a model of FILE with shapes on its edges: `.svg`, `.png`, `.dot` or `.mmd` (Mermaid).

    Each block is one box; `--expand` unfolds them. Equal blocks in a row are one box with ×n.
    """
    kind = format or _format(output)
    made = spec(file, settings)
    graph = chosen_model(made.program, model)
    deliver(
        made.model(graph).to_picture(kind, depth=depth_of(expand, depth)),
        _place(file, output, kind),
    )


def _format(output: str | None) -> str:
    """The format that a path asks for by its ending; SVG where there is no path."""
    if output is None or output == "-":
        return "svg"
    ending = Path(output).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        endings = ", ".join(f"`.{format}`" for format in FORMATS)
        raise click.UsageError(
            f"`{output}` does not tell what to write: it ends in none of {endings}, "
            "and there is no `--to`."
        )
    return ending


def _place(file: str, output: str | None, format: str) -> str:
    """Where the picture goes unless told: into this folder under the spec's name."""
    if output is not None:
        return output
    return "-" if file == "-" else f"{Path(file).stem}.{format}"
