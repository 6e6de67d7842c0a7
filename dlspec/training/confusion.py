"""A picture of which classes were taken for which."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from dlspec.training.classes import ClassTable
from dlspec.training.durable import write_durably
from dlspec.training.settings import Evaluation

_INK = "#333333"
_NAMED = 40
"""Classes that have room for their names."""
_COUNTED = 24
"""Classes whose cells have room for a number."""


def write_confusion(folder: Path, evaluation: Evaluation) -> Path | None:
    """Draw the confusion matrix of a split into the folder of its run.

    Gives the path, None where there is no matrix. Raises OSError where the disk refuses.
    """
    table = evaluation.classes
    if table is None or table.matrix is None:
        return None
    name = "confusion" if evaluation.split == "test" else f"confusion-{evaluation.split}"
    path = folder / f"{name}.png"
    title = f"{evaluation.split} split, {evaluation.examples:,} examples"
    write_durably(path, draw_confusion(title, table))
    return path


def draw_confusion(title: str, table: ClassTable) -> bytes:
    """A PNG with a row a class; the colour is the share of the class, the number how many."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    matrix = table.matrix or ()
    count = len(matrix)
    side = 2.4 + min(0.42 * count, 0.16 * count + 4, 16)
    figure = Figure(figsize=(side + 0.8, side), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11, color=_INK, x=0.01, ha="left", fontweight="bold")
    panel: Any = figure.subplots()
    shares = [[cell / max(sum(row), 1) for cell in row] for row in matrix]
    image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    _name_axes(panel, [row.name for row in table.rows])
    if count <= _COUNTED:
        _write_counts(panel, matrix, shares)
    bar = figure.colorbar(image, ax=panel, shrink=0.7, format=_percent)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=_INK, length=0)
    bar.set_label("share of the class", fontsize=8, color=_INK)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": "dlspec"})
    return content.getvalue()


def _percent(share: float, place: int | None = None) -> str:
    return f"{share:.0%}"


def _name_axes(panel: Any, names: list[str]) -> None:
    panel.set_xlabel("called", fontsize=9, color=_INK)
    panel.set_ylabel("is", fontsize=9, color=_INK)
    panel.tick_params(labelsize=8, colors=_INK, length=0)
    for spine in panel.spines.values():
        spine.set_visible(False)
    if len(names) > _NAMED:
        return
    shown = [_plain(name) for name in names]
    panel.set_yticks(range(len(names)), labels=shown)
    longest = max(map(len, shown), default=0)
    panel.set_xticks(range(len(names)), labels=shown, rotation=90 if longest > 3 else 0)


def _plain(name: str) -> str:
    """A name at a readable length, without what matplotlib takes for mathematics."""
    name = name if len(name) <= 24 else name[:23] + "…"
    return name.replace("$", r"\$")


def _write_counts(panel: Any, matrix: Any, shares: list[list[float]]) -> None:
    for there, row in enumerate(matrix):
        for called, cell in enumerate(row):
            if cell:
                colour = "white" if shares[there][called] > 0.55 else _INK
                panel.text(
                    called, there, f"{cell:,}", ha="center", va="center", fontsize=7, color=colour
                )
