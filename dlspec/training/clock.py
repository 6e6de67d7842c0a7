"""Time in a run: how long it took, how fast it goes, and what is due."""

from __future__ import annotations

import time


class Clock:
    """Seconds of training, earlier parts of the run included.

    last:        when something was last done, by name.
    saving:      how long the last checkpoint took.
    seen_before: examples of this epoch that an earlier part of the run saw.
    """

    def __init__(self, seconds: float, step: int, seen: int) -> None:
        self.start = time.perf_counter() - seconds
        self.last: dict[str, float] = {}
        self.saving = 0.0
        self.seen_before = seen
        self.counted = (seconds, step)
        self.logged = (0.0, 0)

    @property
    def now(self) -> float:
        return time.perf_counter() - self.start

    def due(self, what: str, every: float) -> bool:
        """Whether `every` seconds have passed since this was last true; the first time is not."""
        last = self.last.setdefault(what, self.now)
        if self.now - last < every:
            return False
        self.last[what] = self.now
        return True

    def rate(self, step: int) -> float:
        """Steps a second since this was last asked."""
        before, then = self.counted
        self.counted = (self.now, step)
        return (step - then) / max(self.now - before, 1e-9)

    def since_logged(self, mean: float, seen: int) -> float:
        """The mean over what came since this was last asked, from the mean of this epoch."""
        before, count = self.logged if self.logged[1] < seen else (0.0, 0)
        self.logged = (mean * seen, seen)
        return (mean * seen - before) / (seen - count)
