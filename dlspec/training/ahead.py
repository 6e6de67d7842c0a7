"""Batches read before they are asked for, so that training does not wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

Batch = dict[str, torch.Tensor]

DEPTH = 4
"""How many batches are read ahead."""
_THREADS = 2


class Ahead:
    """Reads the batches that are expected next in threads of its own.

    read: the batch of some examples by their numbers. It gives the same whenever it is called,
          so that what was expected and does not come is only lost work.
    """

    def __init__(self, read: Callable[[torch.Tensor], Batch]) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="dlspec-reading")
        self._waiting: deque[tuple[torch.Tensor, Future[Batch]]] = deque()

    def expect(self, batches: Iterable[torch.Tensor]) -> None:
        """Begin to read what will be asked for next, in order."""
        for place, numbers in enumerate(batches):
            if place < len(self._waiting):
                if torch.equal(self._waiting[place][0], numbers):
                    continue
                self._forget(place)
            self._waiting.append((numbers, self._pool.submit(self._read, numbers)))

    def take(self, numbers: torch.Tensor) -> Batch:
        """The batch of these examples. Raises what reading it raised."""
        if self._waiting and torch.equal(self._waiting[0][0], numbers):
            return self._waiting.popleft()[1].result()
        self._forget(0)
        return self._read(numbers)

    def _forget(self, place: int) -> None:
        while len(self._waiting) > place:
            self._waiting.pop()[1].cancel()
