"""`dlspec summary`: what a network is made of and what it costs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from dlspec.cli.loading import chosen_model, format_option, program, set_option
from dlspec.cli.terminal import result, wants_colour

if TYPE_CHECKING:
    from dlspec.ir.dims import Dim
    from dlspec.ir.graph import Graph, Port, Program


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
    made = program(file, settings, format)
    graphs = [chosen_model(made, model)] if model else [made.graphs[key] for key in made.models]
    if format == "json":
        import json

        result(json.dumps({"models": [described(made, graph) for graph in graphs]}, indent=2))
        return
    for graph in graphs:
        result(_table(made, graph))


def described(program: Program, graph: Graph) -> dict[str, Any]:
    """A model's summary as JSON values. A size known only at run time is a text."""
    from dlspec.passes.measure import summarize, totals

    total = totals(program, graph)
    return {
        "name": graph.name,
        "inputs": [_port(graph, port) for port in graph.inputs],
        "outputs": [_port(graph, port) for port in graph.outputs],
        "auxiliaries": [_port(graph, port) for port in graph.auxiliaries],
        "parameters": _figure(total.parameters),
        "trainable_parameters": _figure(total.parameters),
        "macs": _figure(total.macs),
        "depth": total.depth,
        "memory": _figure(total.activation_bytes),
        "layers": [
            {
                "path": row.path,
                "layer": row.layer,
                "output": row.output,
                "parameters": _figure(row.parameters),
                "macs": _figure(row.macs),
                "memory": _figure(row.memory),
            }
            for row in summarize(program, graph)
        ],
    }


def _port(graph: Graph, port: Port) -> dict[str, Any]:
    type = graph.types[port.value]
    return {"name": port.name, "dtype": type.dtype, "shape": [_figure(d) for d in type.shape]}


def _figure(dim: Dim) -> int | str:
    return dim if isinstance(dim, int) else str(dim)


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
    console.print(Text(_heading(graph)))
    console.print(table)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def _heading(graph: Graph) -> str:
    inputs = ", ".join(f"{port.name}: {graph.types[port.value]}" for port in graph.inputs)
    outputs = ", ".join(f"{port.name}: {graph.types[port.value]}" for port in graph.outputs)
    lines = [f"{graph.name}   {inputs} -> {outputs}"]
    if graph.documentation:
        lines.append(graph.documentation)
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
