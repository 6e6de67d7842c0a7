"""Layers whose weights stay as they are (`freeze`).

The function stands by itself: the PyTorch backend copies its source into the files that it
writes, with that of `dlspec.ir.paths`.
"""

from __future__ import annotations

from torch import nn

from dlspec.ir.paths import covers


def freeze(model: nn.Module, patterns: tuple[str, ...]) -> None:
    """Keep the weights that patterns mean, and the running statistics beside them, as they are.

    Normalisations then compute with those statistics. To be called again after `model.train()`.
    """
    for path, weight in model.named_parameters():
        if any(covers(pattern, path) for pattern in patterns):
            weight.requires_grad_(False)
    for path, module in model.named_modules():
        if getattr(module, "running_mean", None) is not None and any(
            covers(pattern, path) for pattern in patterns
        ):
            module.eval()
