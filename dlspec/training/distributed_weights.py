"""Weights that are divided among processes (FSDP), for models that one device cannot hold.

A divided tensor is a `DTensor`. On the disk all tensors are whole, so that any number of
processes can go on with a run.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from dlspec.training.distributed import World


def shard(model: nn.Module, world: World, device: torch.device) -> nn.Module:
    """Divide a model's weights among all processes, a block at a time (FSDP).

    The model may be too large for any one device: each block goes there on its own.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (world.size,))
    for block in _blocks(model):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for method in ("logits",):
        if hasattr(model, method):
            register_fsdp_forward_method(model, method)
    return model.to(device)


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The blocks of a model, inner ones first, that alone use the weights they have.

    A block is a class that the spec's own blocks became: PyTorch's modules stay whole within it.
    """
    blocks = [
        module
        for module in model.modules()
        if module is not model
        and not type(module).__module__.startswith(("torch.", "dlspec.training"))
        and any(True for _ in module.children())
    ]
    owners: dict[int, set[int]] = {}
    for module in model.modules():
        for weight in module.parameters(recurse=False):
            owners.setdefault(id(weight), set()).add(id(module))
    alone = [
        block
        for block in blocks
        if all(len(owners[id(weight)]) == 1 for weight in block.parameters())
        and any(True for _ in block.parameters())
    ]
    return alone[::-1]


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor itself; one that is divided is brought together, which all processes must do."""
    return cast(Any, tensor).full_tensor() if hasattr(tensor, "full_tensor") else tensor


def here(tensor: torch.Tensor) -> torch.Tensor:
    """What of a tensor lies in this process."""
    return cast(Any, tensor).to_local() if hasattr(tensor, "full_tensor") else tensor


def like(pattern: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """A whole tensor as `pattern` is kept: divided in the same way, or in the same layout."""
    if hasattr(pattern, "full_tensor"):
        from torch.distributed.tensor import distribute_tensor

        kept = cast(Any, pattern)
        moved = tensor.to(kept.device)
        return distribute_tensor(moved, kept.device_mesh, kept.placements, src_data_rank=None)
    if tensor.shape != pattern.shape:
        return tensor
    return torch.empty_like(pattern, dtype=tensor.dtype).copy_(tensor)


def load_weights(model: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Put whole weights into a model, divided or not. Raises as `load_state_dict` does."""
    own = model.state_dict()
    divided = {
        name: like(own[name], tensor) if hasattr(own.get(name), "full_tensor") else tensor
        for name, tensor in weights.items()
    }
    model.load_state_dict(divided)
