"""`dlspec summary`: what a network is made of and what it costs."""

from __future__ import annotations

import click

from dlspec.cli.loading import chosen_model, format_option, set_option, spec
from dlspec.cli.terminal import result
from dlspec.cli.unfolding import depth_of, unfolding_options


@click.command(epilog="Example: dlspec summary lenet.dlnet --set classes=100")
@click.argument("file")
@click.option("--model", metavar="NAME", help="Show this model alone.")
@unfolding_options
@set_option
@format_option("text", "json")
def command(
    file: str,
    model: str | None,
    expand: bool,
    depth: int | None,
    settings: tuple[tuple[str, str], ...],
    format: str,
) -> None:
    """Show the layers of FILE's models with output shapes, parameters, multiply-adds and memory.

    A block is one row, equal blocks in a row too; `--expand` shows what is in them. Shapes are
    without the batch; multiply-adds and memory are for one example. JSON holds all layers.
    """
    levels = depth_of(expand, depth)
    made = spec(file, settings, format)
    chosen = [made.model(chosen_model(made.program, model))] if model else made.models.values()
    if format == "json":
        import json

        result(json.dumps({"models": [one.summary() for one in chosen]}, indent=2))
        return
    from dlspec.cli.summary_table import summary_text

    result("\n\n".join(summary_text(made.program, one.graph, levels) for one in chosen))
