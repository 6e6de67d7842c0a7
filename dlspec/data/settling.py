"""Whether the decoded images of a data set come into memory or stay on the disk."""

from __future__ import annotations

from dlspec.data.dataset import Split
from dlspec.data.storage import Storage

Splits = tuple[Split, Split, Split]


def settled(splits: Splits, storage: Storage) -> tuple[Splits, tuple[str, ...]]:
    """The splits with their images in memory where all of them fit, and what is to be said.

    Raises DataProblem where an image on the disk is damaged.
    """
    size = sum(split.bytes_on_disk for split in splits)
    if size == 0:
        return splits, ()
    limit = storage.bytes_in_memory
    if size <= limit:
        train, validation, test = (split.in_memory() for split in splits)
        return (train, validation, test), ()
    note = (
        f"the decoded images, {size / 2**20:,.0f} MiB, are over the limit of"
        f" {limit / 2**20:,.0f} MiB in memory and are read from the disk; `--cache-limit` sets it"
    )
    return splits, (note,)
