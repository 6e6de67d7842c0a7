"""The examples of a split where the model is: gathered, prepared and laid out a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from dlspec.data import Split
from dlspec.training.device import Numerics
from dlspec.training.distributed import World

Batch = dict[str, torch.Tensor]


class Examples:
    """A split as stored (uint8 images), on the device where it fits there, else in memory."""

    def __init__(self, split: Split, numerics: Numerics) -> None:
        self.count = len(split)
        self.numerics = numerics
        fields = {name: torch.from_numpy(array) for name, array in split.fields.items()}
        size = sum(field.nbytes for field in fields.values())
        self.home = numerics.device if _fits(size, numerics.device) else torch.device("cpu")
        self.fields = {name: field.to(self.home) for name, field in fields.items()}

    def gather(self, indices: torch.Tensor) -> Batch:
        """The examples with these numbers as stored, on the device of the run."""
        device = self.numerics.device
        if self.home == device:
            return {name: field.index_select(0, indices) for name, field in self.fields.items()}
        indices = indices.to(self.home)
        batch = {name: field.index_select(0, indices) for name, field in self.fields.items()}
        if device.type == "cuda":
            batch = {name: field.pin_memory() for name, field in batch.items()}
        return {name: field.to(device, non_blocking=True) for name, field in batch.items()}

    def in_order(
        self, size: int, prepare: Callable[[Batch], Batch], world: World
    ) -> Iterator[Batch]:
        """This process's shares of all examples, in batches of `size`, for evaluation."""
        for start in range(0, self.count, size):
            numbers = torch.arange(start, min(start + size, self.count), device=self.home)
            share = world.divide(len(numbers))
            yield self.lay_out(prepare(self.gather(numbers[share.rows])))

    def lay_out(self, batch: Batch) -> Batch:
        """The batch in the memory layout of the run."""
        return {name: self.numerics.lay_out(field) for name, field in batch.items()}


def _fits(size: int, device: torch.device) -> bool:
    """Whether data of `size` bytes may live on the device and leave half of it to the model."""
    return device.type != "cuda" or size < torch.cuda.mem_get_info(device)[0] // 2
