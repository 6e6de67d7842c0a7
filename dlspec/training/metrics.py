"""The figures of a split, as sums over batches that stay on the device.

A metric is counted in sums over examples, so that batches of any size, and processes, can be
added up; the figure follows from the sums. Each function stands by itself: the PyTorch backend
copies their source into the files that it writes. They count without a look at the values, which
would wait for the device: `torch.bincount`, and with it torchmetrics, would.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def rows(
    scores: torch.Tensor, target: torch.Tensor, axis: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores with their classes on an axis as [rows, classes], their target as [rows]."""
    return scores.movedim(axis, -1).flatten(0, -2), target.flatten()


def accuracy(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How many examples are classified right: scores [B, classes] beside class numbers."""
    return (scores.argmax(1) == target.view(-1)).sum()


def label_accuracy(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The share of right answers to the questions of an example, summed over the batch.

    scores: [B, …] logits, yes above 0; target: of as many values, yes above a half.
    """
    called, there = (values.reshape(len(values), -1) for values in (scores > 0, target > 0.5))
    return (called == there).float().mean(1).sum()


def top_k(scores: torch.Tensor, target: torch.Tensor, k: int) -> torch.Tensor:
    """How many examples have the right class among the `k` highest scores [B, classes]."""
    likeliest = scores.topk(min(k, scores.shape[1]), dim=1).indices
    return (likeliest == target.view(-1, 1)).any(1).sum()


def mae(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Absolute errors: the mean of each example, summed over the batch."""
    error = (output - target.to(output.dtype).view_as(output)).abs()
    return error.flatten(1).mean(1).sum() if error.ndim > 1 else error.sum()


def mse(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared errors: the mean of each example, summed over the batch."""
    error = (output - target.to(output.dtype).view_as(output)).square()
    return error.flatten(1).mean(1).sum() if error.ndim > 1 else error.sum()


def surprise(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The cross entropy of scores [B, classes] and class numbers, summed over the batch."""
    return F.cross_entropy(scores.float(), target.view(-1), reduction="sum")


def class_hits(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How often each class was called rightly, was called at all, and was there: [3, classes].

    scores: [B, classes]; target: class numbers.
    """
    called, there = scores.argmax(1), target.view(-1).long()
    none = torch.zeros(scores.shape[1], dtype=torch.long, device=scores.device)
    ones = torch.ones(len(scores), dtype=torch.long, device=scores.device)
    return torch.stack(
        [
            none.index_add(0, called, (called == there).long()),
            none.index_add(0, called, ones),
            none.index_add(0, there, ones),
        ]
    )


def label_hits(scores: torch.Tensor, target: torch.Tensor, labels: int) -> torch.Tensor:
    """The same for yes or no to each of some labels: [3, labels].

    scores: logits, yes above 0; target: of as many values, yes above a half.
    """
    called, there = (scores > 0).reshape(-1, labels), (target > 0.5).reshape(-1, labels)
    return torch.stack([(called & there).sum(0), called.sum(0), there.sum(0)])


def precision(hits: torch.Tensor, average: str) -> torch.Tensor:
    """The share of those called a class that are of it. hits: [3, classes]."""
    right, called, there = hits
    return averaged(right, called, called + there, there, average)


def recall(hits: torch.Tensor, average: str) -> torch.Tensor:
    """The share of those of a class that are called it. hits: [3, classes]."""
    right, called, there = hits
    return averaged(right, there, called + there, there, average)


def f1(hits: torch.Tensor, average: str) -> torch.Tensor:
    """The harmonic mean of precision and recall. hits: [3, classes]."""
    right, called, there = hits
    return averaged(2 * right, called + there, called + there, there, average)


def averaged(
    part: torch.Tensor,
    whole: torch.Tensor,
    seen: torch.Tensor,
    there: torch.Tensor,
    average: str,
) -> torch.Tensor:
    """One share for all classes. A class that nobody has and none is called does not count."""
    if average == "micro":
        return part.sum() / whole.sum().clamp(min=1)
    weights = there if average == "weighted" else (seen > 0).to(part.dtype)
    return (weights * part / whole.clamp(min=1)).sum() / weights.sum().clamp(min=1)


def confusion(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How many examples of a class (row) are called what (column): [classes, classes].

    scores: [B, classes]; target: class numbers.
    """
    classes = scores.shape[1]
    cells = target.view(-1).long() * classes + scores.argmax(1)
    ones = torch.ones(len(scores), dtype=torch.long, device=scores.device)
    none = torch.zeros(classes * classes, dtype=torch.long, device=scores.device)
    return none.index_add(0, cells, ones).view(classes, classes)


def auroc(
    scores: Sequence[torch.Tensor], targets: Sequence[torch.Tensor], average: str
) -> torch.Tensor:
    """The area under the curve of true over false positives, each class against the rest.

    scores: batches of chances [B, classes]; targets: batches of class numbers [B], or of 0 and 1
    [B, labels]. Classes that all or none of the examples have do not count; NaN where none does.
    """
    from torchmetrics.functional.classification import binary_auroc

    chances, target = torch.cat(list(scores)), torch.cat(list(targets))
    classes = torch.arange(chances.shape[1], device=target.device)
    there = target > 0.5 if target.ndim > 1 else target[:, None] == classes
    areas, weights = [], []
    for chance, one in zip(chances.T, there.T, strict=True):
        count = one.sum()
        if 0 < count < len(one):
            areas.append(binary_auroc(chance, one.long(), validate_args=False))
            weights.append(count if average == "weighted" else torch.ones_like(count))
    if not areas:
        return torch.tensor(float("nan"))
    shares = torch.stack(weights).double()
    return (torch.stack(areas).double() * shares).sum() / shares.sum()
