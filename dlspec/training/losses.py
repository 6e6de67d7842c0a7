"""The losses that PyTorch has no function for, each the mean over its batch.

Each function stands by itself: the PyTorch backend copies their source into the files that
it writes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def hinge(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How far scores are from a margin of 1 on the side of their target, 0 or 1."""
    sign = 2 * target.to(scores.dtype) - 1
    return (1 - sign * scores).clamp(min=0).mean()


def focal(scores: torch.Tensor, target: torch.Tensor, gamma: float) -> torch.Tensor:
    """Cross entropy times (1 - p)^gamma, p the share of the right class (Lin et al. 2017).

    scores: [B, classes, …]; target: class numbers [B, …].
    """
    surprise = F.cross_entropy(scores, target, reduction="none")
    return ((1 - (-surprise).exp()).pow(gamma) * surprise).mean()


def cosine_distance(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 minus the cosine of the angle between the two, over their last axis."""
    return (1 - F.cosine_similarity(output, target, dim=-1)).mean()


def ctc(scores: torch.Tensor, target: torch.Tensor, blank: int) -> torch.Tensor:
    """Connectionist temporal classification (Graves et al. 2006).

    scores: [B, length, classes]; target: class numbers [B, symbols], `blank` behind shorter ones.
    """
    steps = torch.full((len(scores),), scores.shape[1], dtype=torch.long)
    symbols = (target != blank).sum(1)
    chances = scores.log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(chances, target, steps, symbols, blank, zero_infinity=True)


def gradient_penalty(
    model: torch.nn.Module, real: torch.Tensor, fake: torch.Tensor
) -> torch.Tensor:
    """How far the model's gradient between two batches is from a norm of 1, squared.

    Gulrajani et al. 2017. real, fake: [B, …].
    """
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
    between = torch.lerp(fake.detach(), real, share).requires_grad_()
    output = model(between)
    (slope,) = torch.autograd.grad(output.sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
