"""How the metrics of a plan are counted over batches, and their figures out of the sums.

All that is counted in training is one vector of sums over examples. What waits for the device or
needs all scores at once, the confusion matrix and the area under a curve, is counted on splits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from dlspec.ir.losstargets import Comparison
from dlspec.ir.metrics import MOST_CLASSES, AnyMetric, Auroc, Averaged, TopK
from dlspec.training import metrics
from dlspec.training.distributed import World

_SUMMED: dict[str, Callable[..., torch.Tensor]] = {
    "accuracy": metrics.accuracy,
    "top_k": metrics.top_k,
    "perplexity": metrics.surprise,
    "mae": metrics.mae,
    "mse": metrics.mse,
}
_AVERAGED: dict[str, Callable[..., torch.Tensor]] = {
    "precision": metrics.precision,
    "recall": metrics.recall,
    "f1": metrics.f1,
}


class Scoring:
    """The metrics of a plan.

    compared: what they compare; output: makes the model's own output of its scores.
    """

    def __init__(
        self,
        wanted: Sequence[AnyMetric],
        compared: Comparison,
        output: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        self.compared = compared
        self.output = output
        self.wanted = wanted
        self.summed = [m for m in wanted if m.kind in _SUMMED]
        self.averaged = [m for m in wanted if isinstance(m, Averaged)]
        self.size = len(self.summed) + (3 * compared.size if self.averaged else 0)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are one number."""
        return tuple(m.kind for m in self.wanted if m.number)

    def sums(self, scores: torch.Tensor, target: torch.Tensor, count: int) -> list[torch.Tensor]:
        """What a batch of `count` examples adds, `size` numbers on the device."""
        scores, target = scores.detach(), target
        flat = self.rows(scores, target)
        found = [self._sum(metric, scores, target, flat, count) for metric in self.summed]
        if self.averaged:
            found += self.hits(*flat).flatten().unbind()
        return found

    def rows(self, scores: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores as [rows, classes] and class numbers as [rows], where classes are compared."""
        if not self.compared.rows:
            return scores, target
        assert self.compared.axis is not None
        return metrics.rows(scores, target, self.compared.axis)

    def hits(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """[3, classes or labels]: rightly called, called, there. Of `rows`."""
        if self.compared.kind == "labels":
            return metrics.label_hits(scores, target, self.compared.size)
        return metrics.class_hits(scores, target)

    def _sum(
        self,
        metric: AnyMetric,
        scores: torch.Tensor,
        target: torch.Tensor,
        flat: tuple[torch.Tensor, torch.Tensor],
        count: int,
    ) -> torch.Tensor:
        if metric.target == "values":
            return _SUMMED[metric.kind](self.output(scores), target)
        if self.compared.kind == "labels":
            return metrics.label_accuracy(scores, target)
        extra = (metric.k,) if isinstance(metric, TopK) else ()
        found = _SUMMED[metric.kind](*flat, *extra)
        return found * count / len(flat[0]) if self.compared.rows else found

    def figures(self, sums: torch.Tensor, count: int) -> dict[str, float]:
        """The figures of `count` examples, in the order of the plan. sums: on the CPU."""
        found = dict[str, float]()
        for metric, total in zip(self.summed, sums.tolist(), strict=False):
            mean = total / max(count, 1)
            found[metric.kind] = exponential(mean) if metric.kind == "perplexity" else mean
        hits = sums[len(self.summed) :].view(3, -1)
        for metric in self.averaged:
            found[metric.kind] = _AVERAGED[metric.kind](hits, metric.average).item()
        return {name: found[name] for name in self.names if name in found}


def exponential(mean: float) -> float:
    """e to the power of a mean, infinite where it is too great for a float."""
    return torch.tensor(mean, dtype=torch.float64).exp().item()


class ByClass(NamedTuple):
    """How a split did class by class.

    hits: [3, classes or labels], rightly called, called, there.
    matrix: [classes, classes], of a class (row) called what (column); None of labels and of
            very many classes.
    """

    hits: torch.Tensor
    matrix: torch.Tensor | None


class WholeSplit:
    """Counts what is counted on whole splits: `add` for every batch, then the figures."""

    def __init__(self, scoring: Scoring, by_class: bool, device: torch.device) -> None:
        self.scoring = scoring
        compared = scoring.compared
        self.ranked = [m for m in scoring.wanted if isinstance(m, Auroc)]
        named = by_class or any(m.kind == "confusion" for m in scoring.wanted)
        self.named = named and compared.kind != "values"
        squared = self.named and compared.kind == "classes" and compared.size <= MOST_CLASSES
        double = torch.float32 if device.type == "mps" else torch.float64
        self.hits = torch.zeros(3, compared.size, dtype=double, device=device)
        self.matrix = (
            torch.zeros(compared.size, compared.size, dtype=double, device=device)
            if squared
            else None
        )
        self.count = 0
        self.chances: list[torch.Tensor] = []
        self.targets: list[torch.Tensor] = []

    def add(self, scores: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch."""
        compared = self.scoring.compared
        flat = self.scoring.rows(scores, target)
        self.count += flat[1].numel() // (1 if compared.kind == "classes" else compared.size)
        if self.named:
            self.hits += self.scoring.hits(*flat)
        if self.matrix is not None:
            self.matrix += metrics.confusion(*flat)
        if self.ranked:
            labels, yes_or_no = compared.size, compared.kind == "labels"
            scores, target = flat[0].double(), flat[1]
            self.chances.append(
                scores.sigmoid().reshape(-1, labels) if yes_or_no else scores.softmax(1)
            )
            self.targets.append(target.reshape(-1, labels) if yes_or_no else target.view(-1))

    def of_all(self, world: World) -> None:
        """Take in what the other processes of a run have counted."""
        if world.alone:
            return
        self.count = int(world.sum(torch.tensor(self.count)))
        self.hits = world.sum(self.hits)
        self.matrix = None if self.matrix is None else world.sum(self.matrix)
        if self.ranked:
            self.chances = [world.joined(torch.cat(self.chances))]
            self.targets = [world.joined(torch.cat(self.targets))]

    def figures(self) -> dict[str, float]:
        """The figures that need all scores at once."""
        return {
            m.kind: metrics.auroc(self.chances, self.targets, m.average).item() for m in self.ranked
        }

    @property
    def by_class(self) -> ByClass | None:
        """How each class did, where classes were asked about. On the CPU."""
        if not self.named:
            return None
        hits = self.hits.cpu()
        if self.scoring.compared == Comparison("labels", 1):
            return _yes_and_no(hits, self.count)
        return ByClass(hits, None if self.matrix is None else self.matrix.cpu())


def _yes_and_no(hits: torch.Tensor, count: int) -> ByClass:
    """One question as two classes, no and yes."""
    right, called, there = hits.flatten().unbind()
    rightly_no = count - called - there + right
    matrix = torch.stack([rightly_no, called - right, there - right, right]).view(2, 2)
    return ByClass(torch.stack([matrix.diagonal(), matrix.sum(0), matrix.sum(1)]), matrix)
