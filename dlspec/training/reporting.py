"""What a person sees while a model is trained: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from typing import Any, Literal

from dlspec.ir.metrics import SHARES

_MOST_SHOWN = 3
"""Figures beside the bar, which is one line."""


def _steerless(text: str) -> str:
    """A line with everything escaped that could steer a terminal: files give names to it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Reporter:
    """Says nothing: what library users and `--quiet` get."""

    def note(self, text: str) -> None:
        """One fact about the run."""

    def step(
        self, step: int, epoch: int, figures: dict[str, float], rate: float, memory: int
    ) -> None:
        """Where the run is: steps done, epoch from 1, running figures, examples a second, the
        most bytes in use so far."""

    def epoch(self, text: str) -> None:
        """An epoch is over."""

    def close(self) -> None:
        """The run is over."""


class LineReporter(Reporter):
    """One line a fact and an epoch, on standard error."""

    def note(self, text: str) -> None:
        sys.stderr.write(_steerless(text) + "\n")
        sys.stderr.flush()

    def epoch(self, text: str) -> None:
        self.note(text)


class BarReporter(Reporter):
    """A bar with epoch, loss, metrics, examples a second and the time left."""

    def __init__(self, first: int, steps: int, epochs: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self.epochs = epochs
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
            refresh_per_second=4,
        )
        self.task = self.bar.add_task("", total=steps, completed=first, figures="")
        self.bar.start()

    def note(self, text: str) -> None:
        self.bar.console.print(_steerless(text), markup=False, highlight=False, soft_wrap=True)

    def step(
        self, step: int, epoch: int, figures: dict[str, float], rate: float, memory: int
    ) -> None:
        shown = dict(list(figures.items())[:_MOST_SHOWN])
        text = f"{figures_text(shown)}  {rate:,.0f} samples/s  {memory_text(memory)}"
        self.bar.update(
            self.task, completed=step, figures=text, description=f"epoch {epoch}/{self.epochs}"
        )

    def epoch(self, text: str) -> None:
        self.note(text)

    def close(self) -> None:
        self.bar.stop()


def choose_reporter(
    show: Literal["auto", "nothing"], first: int, steps: int, epochs: int
) -> Reporter:
    """A bar where standard error is a terminal, lines elsewhere, nothing where so asked."""
    if show == "nothing":
        return Reporter()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return BarReporter(first, steps, epochs)
    return LineReporter()


def figures_text(figures: dict[str, float]) -> str:
    """`loss 0.1234  accuracy 97.21%`."""
    return "  ".join(f"{name} {figure_text(name, value)}" for name, value in figures.items())


def figure_text(name: str, value: float) -> str:
    """A figure as people read it."""
    if name.removeprefix("val_") in SHARES:
        return f"{value:.2%}"
    return f"{value:.4g}" if value < 1e-3 or value >= 1e4 else f"{value:.4f}"


def memory_text(size: int) -> str:
    """`412 MB`, `1.3 GB`, nothing where it is not known."""
    if size == 0:
        return ""
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def epoch_line(entry: dict[str, Any], epochs: int, names: tuple[str, ...]) -> str:
    """One line about an epoch."""
    width = len(str(epochs))
    shown = {key: entry[key] for name in names for key in (name, f"val_{name}") if key in entry}
    return (
        f"epoch {entry['epoch']:>{width}}/{epochs}  {figures_text(shown)}  "
        f"{entry['samples_per_second']:,.0f} samples/s  {memory_text(entry['memory'])}"
    )
