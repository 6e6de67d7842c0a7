"""Examples in memory: the arrays of each split as they were stored, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlspec.data.rows import Rows
from dlspec.ir.data import DataPlan
from dlspec.ir.types import TensorType

Arrays = dict[str, NDArray[Any] | Rows]
"""Fields by name; images may be `Rows` of a file, which have an array's shape and subsets."""


@dataclass(frozen=True, slots=True)
class Split:
    """The examples of one split: fields by name, each with the examples along axis 0.

    Images are contiguous uint8 [N, C, H, W], labels and other whole numbers int64, other
    numbers float32.
    """

    fields: Arrays

    def __len__(self) -> int:
        return next(iter(self.fields.values())).shape[0]

    def take(self, indices: NDArray[np.int64]) -> Split:
        """The examples with these numbers, copied where they are in memory."""
        return Split({name: array[indices] for name, array in self.fields.items()})

    @property
    def bytes_on_disk(self) -> int:
        """How much memory the fields would take that are not in memory."""
        return sum(one.nbytes for one in self.fields.values() if isinstance(one, Rows))

    def in_memory(self) -> Split:
        """The same with every field in memory. Raises DataProblem where a row is damaged."""
        return Split(
            {
                name: one.read_all() if isinstance(one, Rows) else one
                for name, one in self.fields.items()
            }
        )


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a `data` declaration stands for.

    plan:    what is still to be done to batches: the declaration without the transforms
             that loading has done already, and with the source that was read.
    fields:  the types of the fields as the model sees them, behind the transforms.
    classes: names of the classes by label, where the source has names.
    notes:   sentences to be logged, such as a share that the source's own split replaces.
    skipped: the rows and images that could not be used, each a sentence with its place.
    columns: of a table, what was learned of each column of the training split.
    """

    plan: DataPlan
    fields: Mapping[str, TensorType]
    classes: tuple[str, ...] | None
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    columns: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a source holds before it is divided. The splits that it has itself are not None.

    begun: whether reading has done what `while_reading` says.
    notes: sentences to be logged.
    """

    train: Arrays
    validation: Arrays | None = None
    test: Arrays | None = None
    classes: tuple[str, ...] | None = None
    begun: bool = False
    notes: tuple[str, ...] = ()
