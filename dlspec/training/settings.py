"""What `train` is told beside the spec, and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from dlspec.ir.metrics import SHARES
from dlspec.ir.training import Requirement
from dlspec.training.classes import ClassTable
from dlspec.training.distributed import World


class TrainOptions(NamedTuple):
    """How and where to train. Nothing here changes what the spec means.

    folder:           of the run: new or empty, or the run to go on with where `resume` is true.
    device:           `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
    data_root:        where the paths of the spec start.
    data:             a source in the stead of the spec's, as `mnist:PATH`.
    cache_limit:      bytes of memory for decoded images; None is half of what is free.
    skip_bad:         whether to go on without rows and images that cannot be used.
    checkpoint_every: seconds between checkpoints; None lets saving take at most 5% of the time.
    channels_last:    memory layout of images; None takes what is faster.
    speed:            how steps are computed; `auto` measures it for the device at hand.
    rewrites:         whether to compute faster in ways that leave every value the same.
    texts:            the spec's files by their names, kept in the run.
    world:            the processes of the run; None asks the environment, as torchrun sets it.
    shard:            whether the weights are divided among the processes (FSDP).
    test:             whether to measure the test split at the end.
    after_epoch:      is given what the log says of each epoch; what it raises ends the run.
    show:             progress on standard error: a bar on a terminal, lines elsewhere, or nothing.
    """

    folder: Path
    resume: bool = False
    device: str = "auto"
    data_root: Path = Path()
    data: str | None = None
    cache_limit: int | None = None
    skip_bad: bool = False
    checkpoint_every: float | None = None
    channels_last: bool | None = None
    speed: Literal["auto", "eager", "compile", "graphs"] = "auto"
    rewrites: bool = True
    texts: Mapping[str, str] = MappingProxyType({})
    world: World | None = None
    shard: bool = False
    show: Literal["auto", "nothing"] = "auto"
    test: bool = True
    after_epoch: Callable[[dict[str, Any]], None] | None = None


class Held(NamedTuple):
    """A `require` of a `train` beside the figure it was compared with."""

    requirement: Requirement
    figure: float
    holds: bool

    def __str__(self) -> str:
        r = self.requirement
        verdict = "holds" if self.holds else "does not hold"
        limit, figure = f"{r.value:g}", f"{self.figure:.6g}"
        if r.metric in SHARES:
            limit, figure = f"{100 * r.value:g}%", f"{100 * self.figure:.6g}%"
        return f"`require {r.metric} {r.operator} {limit}` {verdict}: it is {figure}"


class Evaluation(NamedTuple):
    """The figures of a split, the `require`s checked on them, and how each class did."""

    examples: int
    figures: dict[str, float]
    held: tuple[Held, ...]
    split: str = "test"
    classes: ClassTable | None = None

    @property
    def good(self) -> bool:
        return all(held.holds for held in self.held)

    def facts(self) -> dict[str, Any]:
        """The same for JSON, which has no NaN."""
        return {
            "split": self.split,
            "examples": self.examples,
            "metrics": {name: finite(figure) for name, figure in self.figures.items()},
            "requires": [
                {
                    "metric": h.requirement.metric,
                    "operator": h.requirement.operator,
                    "value": h.requirement.value,
                    "figure": finite(h.figure),
                    "holds": h.holds,
                }
                for h in self.held
            ],
        }


def finite(figure: float) -> float | None:
    """A figure as JSON can hold it."""
    return figure if math.isfinite(figure) else None


class Run(NamedTuple):
    """A finished run: `history` has one entry an epoch; `test` is None without a test split."""

    folder: Path
    steps: int
    history: tuple[dict[str, Any], ...]
    test: Evaluation | None
    samples_per_second: float
    skipped: int = 0
    """How many rows and images could not be used."""
