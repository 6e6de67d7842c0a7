"""A picture of a study: how the best figure grew, and what each setting had to do with it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

from dlspec.ir.search import Search
from dlspec.training.reporting import SHARES
from dlspec.tuning.study import Trial

_DONE, _BEST, _GIVEN_UP, _INK, _GRID = "#2f6db5", "#e0762f", "#9a9a9a", "#333333", "#e4e4e4"
_COLUMNS = 3


def draw_study(
    title: str, trials: Sequence[Trial], searches: Sequence[Search], metric: str, higher: bool
) -> bytes:
    """A PNG: the trials in their order, then one panel a setting."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = 1 + len(searches)
    columns = min(count, _COLUMNS)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(4.4 * columns, 3.5 * rows + 0.3), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12, color=_INK, x=0.01, ha="left", fontweight="bold")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    shown = [trial for trial in trials if trial.value is not None]
    _draw_order(panels[0], shown, higher)
    for panel, search in zip(panels[1:], searches, strict=False):
        _draw_setting(panel, shown, search)
    for panel in panels[:count]:
        _dress(panel, metric, shown)
    for panel in panels[count:]:
        panel.set_visible(False)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": "dlspec"})
    return content.getvalue()


def _draw_order(panel: Any, trials: Sequence[Trial], higher: bool) -> None:
    """The figure of every trial, and the best so far as a line."""
    _scatter(panel, [(trial, float(trial.number)) for trial in trials])
    best: list[tuple[int, float]] = []
    for trial in trials:
        if trial.state == "complete" and trial.value is not None:
            last = best[-1][1] if best else trial.value
            best.append((trial.number, (max if higher else min)(last, trial.value)))
    if best:
        numbers, values = zip(*best, strict=True)
        panel.step(numbers, values, where="post", color=_BEST, linewidth=1.6, label="best so far")
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.set_title("trial", fontsize=10, color=_INK, loc="left")
    if panel.get_legend_handles_labels()[0]:
        panel.legend(frameon=False, fontsize=8, labelcolor=_INK)


def _draw_setting(panel: Any, trials: Sequence[Trial], search: Search) -> None:
    """The figure of every trial over one setting."""
    if search.choices:
        _scatter(panel, [(t, search.choices.index(t.settings[search.key]) * 1.0) for t in trials])
        labels = [choice if len(choice) < 16 else choice[:15] + "…" for choice in search.choices]
        panel.set_xticks(range(len(labels)), labels)
        panel.set_xlim(-0.6, len(labels) - 0.4)
    else:
        if search.log:
            panel.set_xscale("log")
        _scatter(panel, [(trial, float(trial.settings[search.key])) for trial in trials])
    panel.set_title(search.key, fontsize=10, color=_INK, loc="left")


def _scatter(panel: Any, points: Sequence[tuple[Trial, float]]) -> None:
    for state, colour, label in (("complete", _DONE, "trained"), ("pruned", _GIVEN_UP, "given up")):
        chosen = [(x, trial.value) for trial, x in points if trial.state == state]
        if chosen:
            xs, ys = zip(*chosen, strict=True)
            panel.scatter(xs, ys, color=colour, s=18, label=label, linewidths=0)


def _dress(panel: Any, metric: str, trials: Sequence[Trial]) -> None:
    from matplotlib.ticker import PercentFormatter

    values = [trial.value for trial in trials if trial.value is not None]
    if metric in SHARES:
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    elif values and min(values) > 0 and max(values) > 20 * min(values):
        panel.set_yscale("log")
    panel.set_ylabel(metric.replace("_", " "), fontsize=9, color=_INK)
    panel.tick_params(which="both", labelsize=8, colors=_INK, length=0)
    panel.grid(True, color=_GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        panel.spines[side].set_visible(False)
