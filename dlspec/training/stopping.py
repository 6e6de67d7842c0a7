"""Early stopping: for how long a figure has not got better.

The function stands by itself: the PyTorch backend copies its source into the files that it
writes.
"""

from __future__ import annotations

import math

from dlspec.ir.trainoptions import Patience


def epochs_without_better(figures: list[float], higher: bool, min_delta: float) -> int:
    """For how many epochs the last better figure has stood, from one figure an epoch.

    higher: whether more is better; min_delta: what counts as better is over this.
    """
    best, since = math.inf, 0
    for figure in figures:
        value = -figure if higher else figure
        better = value < best - min_delta
        best, since = (value, 0) if better else (best, since + 1)
    return since


def why_stopped(rule: Patience, figures: list[float], higher: bool) -> str | None:
    """Why a run stops after the epochs that had these figures; None where it goes on."""
    since = epochs_without_better(figures, higher, rule.min_delta)
    if not figures or since < rule.epochs:
        return None
    epoch = len(figures) - since
    best = f"than {figures[epoch - 1]:.6g} in epoch {epoch}" if epoch else "once"
    return (
        f"stopped after epoch {len(figures)}: `{rule.metric}` has not got better {best} "
        f"for {since} epoch{'s' if since > 1 else ''}"
    )
