"""Weights of a file that a training begins with (`start_from`): by name, and never by guess.

Each function stands by itself: the PyTorch backend copies their source into the files that it
writes, with that of `dlspec.ir.paths`.
"""

from __future__ import annotations

import torch
from torch import nn

from dlspec.ir.paths import covers


def model_weights(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights among the tensors of a file: of a checkpoint the model's, averaged where they
    are."""
    if "totals" not in tensors:
        return tensors
    heads = [h for h in ("averaged.", "model.") if any(name.startswith(h) for name in tensors)]
    head = heads[0]
    return {n.removeprefix(head): t for n, t in tensors.items() if n.startswith(head)}


def take_weights(
    model: nn.Module,
    tensors: dict[str, torch.Tensor],
    fresh: tuple[str, ...],
    unused: tuple[str, ...],
) -> dict[str, list[str]]:
    """Put weights of a file into a model: every one by its name, in its shape.

    fresh: layers that start anew; unused: layers of the file that the model does not have.
    Gives the names of what was `taken`, started `fresh` and left `unused`. Raises ValueError with
    all that does not fit.
    """
    own = model.state_dict()
    anew = [name for name in own if any(covers(pattern, name) for pattern in fresh)]
    left = [
        name for name in tensors if name in anew or any(covers(pattern, name) for pattern in unused)
    ]
    wrong: list[str] = []
    taken: list[str] = []
    for name, tensor in own.items():
        if name in anew:
            continue
        found = tensors.get(name)
        if found is None or name in left:
            wrong.append(f"`{name}` is not in the file")
        elif found.shape != tensor.shape:
            wrong.append(
                f"`{name}` is {list(tensor.shape)} in the model and {list(found.shape)} in the file"
            )
        elif found.is_floating_point() != tensor.is_floating_point():
            wrong.append(f"`{name}` is {tensor.dtype} in the model and {found.dtype} in the file")
        else:
            taken.append(name)
    wrong += [f"`{n}` is in the file alone" for n in tensors if n not in own and n not in left]
    if wrong:
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise ValueError("; ".join(wrong[:4]) + more)
    with torch.no_grad():
        for name in taken:
            own[name].copy_(tensors[name])
    return {"taken": taken, "fresh": anew, "unused": left}
