"""The summary of a model as text: a table as wide as it needs to be, or as a terminal allows."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from shutil import get_terminal_size
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlspec.cli.terminal import wants_colour
from dlspec.diagnostics.render.cells import printable, width
from dlspec.ir.dims import Dim
from dlspec.ir.graph import Graph, Program
from dlspec.passes.measure import Totals, totals
from dlspec.passes.outline import Row, outline

UNLIMITED = 10_000
"""Characters on a line of what is no terminal."""
SHORTEST = 8
"""Characters that are left of a path, however narrow the terminal is."""


class _Form(NamedTuple):
    """What a table leaves out to be narrower: the memory, digits, the beginnings of paths."""

    memory: bool = True
    digits: bool = True
    longest: int = UNLIMITED


def summary_text(program: Program, graph: Graph, depth: int) -> str:
    """The summary of a model.

    depth: levels of blocks to unfold; 0 shows every block as one row
    """
    room = get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else UNLIMITED
    total = totals(program, graph)
    rows = outline(program, graph, depth)
    table = _fitting(rows, total, room)
    parts = [_heading(program, graph, room), table, *_blocks(program, rows), _foot(total)]
    written = io.StringIO()
    colour = wants_colour(sys.stdout)
    for part in parts:
        # A table that is too wide all the same is printed whole: cut figures would lie.
        wide = max(room, _width(part)) if isinstance(part, Table) else room
        console = Console(file=written, width=wide, force_terminal=colour, no_color=not colour)
        console.print(part)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def _heading(program: Program, graph: Graph, room: int) -> Text:
    inputs = ", ".join(f"{port.name}: {graph.types[port.value]}" for port in graph.inputs)
    outputs = ", ".join(f"{port.name}: {graph.types[port.value]}" for port in graph.outputs)
    text = f"{graph.name}   {inputs} -> {outputs}"
    if width(text) > room:
        text = f"{graph.name}\n  {inputs}\n  -> {outputs}"
    lines = [text, graph.documentation or program.documentation]
    return Text("\n".join(_printable(line) for line in lines if line))


def _fitting(rows: tuple[Row, ...], total: Totals, room: int) -> Table:
    """The fullest form of the table that has room."""
    form = _Form()
    for form in (_Form(), _Form(memory=False), _Form(memory=False, digits=False)):
        if _width(_table(rows, total, form)) <= room:
            return _table(rows, total, form)
    over = _width(_table(rows, total, form)) - room
    longest = max((len(row.path) for row in rows), default=0)
    return _table(rows, total, form._replace(longest=max(SHORTEST, longest - over)))


def _width(table: Table) -> int:
    return Console(width=UNLIMITED).measure(table).maximum


def _table(rows: tuple[Row, ...], total: Totals, form: _Form) -> Table:
    figure = _grouped if form.digits else _short
    heads = ["path", "layer", "output", "parameters", "multiply-adds", "memory"]
    if not form.digits:
        heads[3:5] = "params", "macs"
    feet = ["total", "", "", *map(figure, (total.parameters, total.macs))]
    feet.append(_memory(total.activation_bytes))
    lines = [_cells(row, form) for row in rows]
    table = Table(box=SIMPLE_HEAD, show_footer=True, footer_style="bold")
    for number in range(6 if form.memory else 5):
        column = [heads[number], feet[number], *(line[number] for line in lines)]
        table.add_column(
            heads[number],
            feet[number],
            justify="right" if number > 2 else "left",
            no_wrap=True,
            width=max(map(width, column)),  # found here, as rich would look at each cell thrice
        )
    for row, line in zip(rows, lines, strict=True):
        cells = map(Text, line[: len(table.columns)])
        table.add_row(*cells, style="bold" if row.kind == "heading" else None)
    return table


def _cells(row: Row, form: _Form) -> list[str]:
    figure = _grouped if form.digits else _short
    layer = f"{row.layer} ×{row.repeat}" if row.repeat > 1 else row.layer
    figures = [figure(row.parameters), figure(row.macs), _memory(row.memory)]
    if row.kind == "heading":  # its layers stand below it, with figures of their own
        figures = [""] * 3
    return [_cut(row.path, form.longest), layer, row.output, *figures]


def _blocks(program: Program, rows: tuple[Row, ...]) -> Iterator[Text]:
    """What the comments of the blocks in the table say, each once."""
    said: dict[str, str] = {}
    for row in rows:
        if row.graph:
            text = program.graphs[row.graph].documentation
            said.setdefault(row.layer, " ".join(text.split()))
    lines = [f"{name}: {text}" for name, text in said.items() if text]
    if lines:
        yield Text("\n".join(_printable(f"  {line}") for line in lines) + "\n")


def _foot(total: Totals) -> Text:
    weights = total.parameters * 4
    return Text(
        f"  weights {_memory(weights)} in float32, activations {_memory(total.activation_bytes)} "
        f"an example, depth {total.depth}"
    )


def _printable(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


def _cut(path: str, length: int) -> str:
    """The end of a path, which tells more than its beginning."""
    return path if len(path) <= length else "…" + path[1 - length :]


def _grouped(dim: Dim) -> str:
    return f"{dim:,}" if isinstance(dim, int) else str(dim)


def _short(dim: Dim) -> str:
    """Three digits and a unit, `25.6 M`."""
    if not isinstance(dim, int) or dim < 1000:
        return str(dim)
    amount, unit = float(dim), ""
    for unit in ("k", "M", "G", "T", "P"):  # noqa: B007
        amount /= 1000
        if amount < 999.5:
            break
    return f"{amount:.3g} {unit}" if amount < 999.5 else f"{amount:.0f} {unit}"


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
