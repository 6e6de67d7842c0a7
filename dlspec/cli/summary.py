"""`dlspec summary`: what a network is made of and what it costs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from dlspec.cli.loading import chosen_model, format_option, set_option, spec
from dlspec.cli.terminal import result, wants_colour

if TYPE_CHECKING:
    from dlspec.ir.dims import Dim
    from dlspec.ir.graph import Graph, Program


@click.command(epilog="Example: dlspec summary lenet.dlnet --set classes=100")
@click.argument("file")
@click.option("--model", metavar="NAME", help="Show this model alone.")
@set_option
@format_option("text", "json")
def command(
    file: str, model: str | None, settings: tuple[tuple[str, str], ...], format: str
) -> None:
    """Show the layers of FILE's models with output shapes, parameters, multiply-adds and memory.

    Shapes are without the batch; multiply-adds and memory are for one example.
    """
    made = spec(file, settings, format)
    chosen = [made.model(chosen_model(made.program, model))] if model else made.models.values()
    if format == "json":
        import json

        result(json.dumps({"models": [one.summary() for one in chosen]}, indent=2))
        return
    for one in chosen:
        result(_table(made.program, one.graph))


def _table(program: Program, graph: Graph) -> str:
    """The summary for people, as wide as it needs to be."""
    import io

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dlspec.passes.measure import summarize, totals

    total = totals(program, graph)
    table = Table(box=SIMPLE_HEAD, show_footer=True, footer_style="bold")
    for name, foot in (("path", "total"), ("layer", ""), ("output", "")):
        table.add_column(name, foot, no_wrap=True)
    for name, dim in (("parameters", total.parameters), ("multiply-adds", total.macs)):
        table.add_column(name, _grouped(dim), justify="right", no_wrap=True)
    table.add_column("memory", _memory(total.activation_bytes), justify="right", no_wrap=True)
    for row in summarize(program, graph):
        figures = (_grouped(row.parameters), _grouped(row.macs), _memory(row.memory))
        table.add_row(*(Text(cell) for cell in (row.path, row.layer, row.output, *figures)))
    written = io.StringIO()
    colour = wants_colour(sys.stdout)
    console = Console(file=written, width=1000, force_terminal=colour, no_color=not colour)
    console.print(Text(_heading(program, graph)))
    console.print(table)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def _heading(program: Program, graph: Graph) -> str:
    from dlspec.ir.walk import documented_blocks

    inputs = ", ".join(f"{port.name}: {graph.types[port.value]}" for port in graph.inputs)
    outputs = ", ".join(f"{port.name}: {graph.types[port.value]}" for port in graph.outputs)
    lines = [f"{graph.name}   {inputs} -> {outputs}"]
    if graph.documentation:
        lines.append(graph.documentation)
    for name, text in documented_blocks(program, graph).items():
        first, *rest = text.split("\n")
        lines += [f"  {name}: {first}", *(f"    {line}" for line in rest)]
    return "\n".join(lines)


def _grouped(dim: Dim) -> str:
    return f"{dim:,}" if isinstance(dim, int) else str(dim)


def _memory(size: Dim) -> str:
    """Bytes in the unit that leaves one to four digits before the point."""
    if not isinstance(size, int):
        return f"{size} B"
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"
