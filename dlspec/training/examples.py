"""The examples of a split where the model is: gathered, prepared and laid out a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch

from dlspec.data import Split
from dlspec.data.rows import Rows
from dlspec.training.ahead import DEPTH, Ahead, Batch
from dlspec.training.device import Numerics
from dlspec.training.distributed import World


class Examples:
    """A split as stored (uint8 images): on the device where it fits there, else in memory or,
    where it does not fit there either, on the disk.

    fields: what is on the device or in memory, as tensors.
    """

    def __init__(self, split: Split, numerics: Numerics) -> None:
        self.count = len(split)
        self.numerics = numerics
        self._rows = {name: one for name, one in split.fields.items() if isinstance(one, Rows)}
        fields = {
            name: torch.from_numpy(one)
            for name, one in split.fields.items()
            if not isinstance(one, Rows)
        }
        size = sum(field.nbytes for field in fields.values())
        at_device = not self._rows and _fits(size, numerics.device)
        self.home = numerics.device if at_device else torch.device("cpu")
        self.fields = {name: field.to(self.home) for name, field in fields.items()}
        self._ahead = Ahead(self._read) if self._rows or not at_device else None

    def expect(self, batches: Iterable[torch.Tensor]) -> None:
        """Begin to read what will be gathered next, in order, where that saves time."""
        if self._ahead is not None:
            self._ahead.expect(islice(batches, DEPTH))

    def gather(self, indices: torch.Tensor) -> Batch:
        """The examples with these numbers as stored, on the device of the run."""
        if self._ahead is None:
            return {name: field.index_select(0, indices) for name, field in self.fields.items()}
        batch = self._ahead.take(indices.to(self.home))
        device = self.numerics.device
        return {name: field.to(device, non_blocking=True) for name, field in batch.items()}

    def _read(self, indices: torch.Tensor) -> Batch:
        """The same in memory, in pages that a GPU can fetch by itself."""
        pinned = self.numerics.device.type == "cuda"
        batch = {name: field.index_select(0, indices) for name, field in self.fields.items()}
        if pinned:
            batch = {name: field.pin_memory() for name, field in batch.items()}
        for name, rows in self._rows.items():
            shape = (len(indices), *rows.shape[1:])
            batch[name] = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
            rows.read(indices.numpy(), batch[name].numpy())
        return batch

    def in_order(
        self, size: int, prepare: Callable[[Batch], Batch], world: World
    ) -> Iterator[Batch]:
        """This process's shares of all examples, in batches of `size`, for evaluation."""
        chunks = torch.arange(self.count, device=self.home).split(size)
        shares = [chunk[world.part(len(chunk)).rows] for chunk in chunks]
        for place, (chunk, share) in enumerate(zip(chunks, shares, strict=True)):
            world.divide(len(chunk))
            self.expect(islice(shares, place, None))
            yield self.lay_out(prepare(self.gather(share)))

    def lay_out(self, batch: Batch) -> Batch:
        """The batch in the memory layout of the run."""
        return {name: self.numerics.lay_out(field) for name, field in batch.items()}


def _fits(size: int, device: torch.device) -> bool:
    """Whether data of `size` bytes may live on the device and leave half of it to the model."""
    return device.type != "cuda" or size < torch.cuda.mem_get_info(device)[0] // 2
