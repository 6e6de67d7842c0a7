"""The trials of a study as text: a line each when it is over, a table at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlspec.diagnostics.render.cells import printable

if TYPE_CHECKING:
    from dlspec.tuning.study import Trial
    from dlspec.tuning.tuning import Tuned

_ORDER = {"complete": 0, "pruned": 1, "failed": 2}
_LONGEST = 60


def trial_line(trial: Trial, trials: int, metric: str, best: Trial | None) -> str:
    """One line about a trial that is over."""
    from dlspec.training.reporting import figure_text

    width = len(str(trials))
    chosen = "  ".join(f"{key} = {text}" for key, text in trial.settings.items())
    head = f"trial {trial.number:>{width}}/{trials}  "
    if trial.state == "failed" or trial.value is None:
        return printable(f"{head}failed: {trial.reason}  {chosen}")
    figure = f"{metric} {figure_text(metric, trial.value)}"
    note = f" ({trial.reason})" if trial.reason else ""
    so_far = ""
    if best is not None and best.value is not None and best.number != trial.number:
        so_far = f"  best {figure_text(metric, best.value)} in trial {best.number}"
    return printable(f"{head}{figure}{note}  {chosen}{so_far}")


def trials_text(tuned: Tuned) -> str:
    """One line a trial under the names of what was searched."""
    names = _short([search.key for search in tuned.searches])
    rows = [("trial", tuned.metric, *names, "epochs", "")]
    rows += [_row(trial, tuned) for trial in sorted(tuned.trials, key=lambda t: _rank(t, tuned))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.rjust(width) for text, width in zip(row[:-1], widths, strict=False))
        + (f"  {row[-1]}" if row[-1] else "")
        for row in rows
    ]
    return "\n".join(lines)


def _row(trial: Trial, tuned: Tuned) -> tuple[str, ...]:
    from dlspec.training.reporting import figure_text

    figure = "" if trial.value is None else figure_text(tuned.metric, trial.value)
    chosen = [trial.settings.get(search.key, "") for search in tuned.searches]
    note = trial.reason if trial.state != "failed" else f"failed: {trial.reason}"
    if trial.number == tuned.best.number:
        note = "best"
    note = printable(note if len(note) <= _LONGEST else note[: _LONGEST - 1] + "…")
    return str(trial.number), figure, *chosen, str(len(trial.values) or ""), note


def _rank(trial: Trial, tuned: Tuned) -> tuple[float, ...]:
    value = math.inf if trial.value is None else trial.value
    return _ORDER[trial.state], -value if tuned.higher else value, trial.number


def _short(keys: Sequence[str]) -> list[str]:
    """The last words of keys where they tell them apart."""
    last = [key.rpartition(".")[2] for key in keys]
    return [one if last.count(one) == 1 else key for one, key in zip(last, keys, strict=True)]
