"""Muon (Jordan et al. 2024): momentum whose matrices are made orthogonal before each step.

PyTorch's own `torch.optim.Muon` takes matrices alone; this one takes filters too, as matrices of
a row for each filter, and has AdamW beside it in one optimizer for all that is no hidden matrix:
biases, scales, embeddings, the last layer. The definitions stand by themselves: the PyTorch
backend copies their source into the files that it writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def orthogonal(matrix: Tensor, steps: int, eps: float) -> Tensor:
    """About the nearest matrix with orthonormal rows or columns, by Newton and Schulz's iteration.

    In bf16, with the quintic coefficients that rise fastest at 0.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.bfloat16()
    x = x.T if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        update = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.addmm(x, update, x, beta=a)
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for hidden matrices, AdamW for the rest.

    groups: two dictionaries with `params`; `hidden` says which of the two they are.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str = "original",
        adamw_betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
            "betas": adamw_betas,
        }
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Change every weight that has a gradient."""
        for group in self.param_groups:
            change = self._matrix if group["hidden"] else self._adamw
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    change(weight, weight.grad, self.state[weight], group)

    def _matrix(
        self, weight: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(grad)
        average = state["momentum_buffer"].lerp_(grad, 1 - group["momentum"])
        update = grad.lerp(average, group["momentum"]) if group["nesterov"] else average
        rows, columns = len(weight), weight[0].numel()
        matrix = orthogonal(update.reshape(rows, columns), group["ns_steps"], group["eps"])
        if group["adjust_lr_fn"] == "original":
            ratio = math.sqrt(max(1, rows / columns))
        else:
            ratio = 0.2 * math.sqrt(max(rows, columns))
        weight.add_(matrix.reshape(weight.shape).to(weight.dtype), alpha=-group["lr"] * ratio)

    def _adamw(
        self, weight: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        if "count" not in state:
            state["count"] = 0
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        state["count"] += 1
        first, second = group["betas"]
        state["exp_avg"].lerp_(grad, 1 - first)
        state["exp_avg_sq"].mul_(second).addcmul_(grad, grad, value=1 - second)
        rate = group["lr"] / (1 - first ** state["count"])
        correction = math.sqrt(1 - second ** state["count"])
        scale = (state["exp_avg_sq"].sqrt() / correction).add_(1e-8)
        weight.addcdiv_(state["exp_avg"], scale, value=-rate)


def muon_groups(
    named: Iterable[tuple[str, nn.Parameter]], others: tuple[str, ...], **of_others: float
) -> list[dict[str, Any]]:
    """Weights in two groups: hidden matrices, and what AdamW changes.

    others: names of weights of two axes and more that are no hidden matrices; of_others: what
    these have for themselves: `weight_decay`, and `lr` with the `share` that it is of the first's.
    """
    hidden: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, weight in named:
        (hidden if weight.ndim > 1 and name not in others else rest).append(weight)
    return [
        {"params": hidden, "hidden": True, "share": 1.0},
        {"params": rest, "hidden": False, "share": 1.0, **of_others},
    ]
