"""A picture of how a run went: loss and metrics, in training and on the validation split."""

from __future__ import annotations

import io
import math
from typing import Any

from dlspec.ir.metrics import SHARES
from dlspec.training.reporting import figure_text

_TRAINING, _VALIDATION, _INK, _GRID = "#2f6db5", "#e0762f", "#333333", "#e4e4e4"

_ABREAST = 4


def draw_curves(
    title: str,
    history: list[dict[str, Any]],
    windows: list[dict[str, Any]],
    names: tuple[str, ...],
) -> bytes:
    """A PNG with one panel a figure.

    history: one entry an epoch: `epoch`, each figure by name, `val_` before the name for
             the validation split; windows: entries within epochs with `position` (epochs
             done, a fraction) and `loss`; names: the figures.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(names), _ABREAST)
    lines = math.ceil(len(names) / columns)
    figure = Figure(figsize=(5.2 * columns, 3.7 * lines + 0.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12, color=_INK, x=0.01, ha="left", fontweight="bold")
    panels = figure.subplots(lines, columns, squeeze=False).flatten()
    for panel, name in zip(panels, names, strict=False):
        _draw_panel(panel, name, history, windows if name == "loss" else [])
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": "dlspec"})
    return content.getvalue()


def _draw_panel(
    panel: Any, name: str, history: list[dict[str, Any]], windows: list[dict[str, Any]]
) -> None:
    from matplotlib.ticker import PercentFormatter

    if windows:
        panel.plot(
            [w["position"] for w in windows],
            [w["loss"] for w in windows],
            color=_TRAINING,
            alpha=0.25,
            linewidth=1,
        )
    ends: list[tuple[float, float, str]] = []
    for key, label, colour in (
        (name, "training", _TRAINING),
        (f"val_{name}", "validation", _VALIDATION),
    ):
        points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
        if not points:
            continue
        epochs, values = zip(*points, strict=True)
        panel.plot(
            epochs, values, color=colour, linewidth=1.8, marker="o", markersize=3.5, label=label
        )
        ends.append((values[-1], epochs[-1], colour))
    _label_ends(panel, name, sorted(ends))
    panel.set_title(name.replace("_", " "), fontsize=10, color=_INK, loc="left")
    panel.set_xlabel("epoch", fontsize=9, color=_INK)
    if name == "loss" and _spans_decades(history):
        panel.set_yscale("log")
    if name in SHARES:
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.tick_params(which="both", labelsize=8, colors=_INK, length=0)
    panel.grid(True, color=_GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.margins(x=0.12)
    for side in ("top", "right", "left", "bottom"):
        panel.spines[side].set_visible(False)
    if panel.get_legend_handles_labels()[0]:
        panel.legend(frameon=False, fontsize=8, labelcolor=_INK, loc="center right")


def _label_ends(panel: Any, name: str, ends: list[tuple[float, float, str]]) -> None:
    """Write the last figures beside their points, the lower one below, so that none overlap."""
    for number, (value, epoch, colour) in enumerate(ends):
        lift = 0 if len(ends) == 1 else 5 if number else -5
        panel.annotate(
            figure_text(name, value),
            (epoch, value),
            color=colour,
            fontsize=8,
            xytext=(6, lift),
            textcoords="offset points",
            va="center",
        )


def _spans_decades(history: list[dict[str, Any]]) -> bool:
    losses = [entry[key] for entry in history for key in ("loss", "val_loss") if key in entry]
    return bool(losses) and min(losses) > 0 and max(losses) > 20 * min(losses)
