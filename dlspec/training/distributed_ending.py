"""How a run of several processes ends when one of them fails: all end, and one of them says why.

Who failed says so in the store that the processes share, and speaks; where several did, the
first of them does. The others find that out when communication breaks, and are silent. Who is
killed says nothing: the one with the lowest number of those left speaks for it. A process that
stands still is noticed by a thread that looks for signs of life.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from dlspec.training.distributed import FAILED, LAUNCHER, READY, Group, PeerGone

PATIENCE = "DLSPEC_PATIENCE"
"""The variable that says how many seconds a process may give no sign of life."""
BY_ANOTHER = 75
"""The exit code by which a process tells that launcher that it ended because of another."""
GRACE = 3.0


def patience_of(environment: Mapping[str, str]) -> float:
    """The seconds that `DLSPEC_PATIENCE` names. Raises ValueError where it names none."""
    text = environment.get(PATIENCE, "60")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"`{PATIENCE}` is {text[:40]!r}, and takes a number of seconds above 0")
    return seconds


class Ending:
    """The last words of the processes of a group. `watch` looks for signs of life."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.store = group.store.clone() if hasattr(group.store, "clone") else group.store
        self.store.set_timeout(timedelta(seconds=GRACE))
        self.launched = LAUNCHER in os.environ
        self._over = threading.Event()

    # --- who speaks

    def speaks(self, problem: BaseException) -> bool:
        """Whether this process is the one to say what ended the run.

        Of its own failure where it is the first to fail, of another that is gone where there is
        no one better to say so.
        """
        self._over.set()
        with contextlib.suppress(ValueError):  # in another thread than the main one
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is left is quick
        if isinstance(problem, PeerGone):
            return not self.launched and self._speaks_for_another()
        self._set(FAILED, str(self.group.rank))
        if not self.group.first:
            time.sleep(0.3)  # where all fail alike, the first is to say so
        return self._claim(alone=self.group.first)

    def waits_for_the_first(self) -> None:
        """Leave it to the first process to say what all of them find wrong."""
        if not self.group.first:
            self._wait([READY], 10.0, also=FAILED)

    def missing(self) -> list[int]:
        """The processes that give no answer any more, asked of by all that are left."""
        answers = [f"left/{rank}" for rank in range(self.group.size)]
        return [r for r, key in enumerate(answers) if r != self.group.rank and not self._has(key)]

    def over(self) -> None:
        """Nothing is to be watched any more."""
        self._over.set()

    def linger(self, without: Sequence[int] = ()) -> None:
        """Keep the store, which may live in this process, until the others have ended."""
        self._set(f"ended/{self.group.rank}", "1")
        if self.group.first:
            ended = [f"ended/{r}" for r in range(1, self.group.size) if r not in without]
            self._wait(ended, 2 * GRACE)

    def _speaks_for_another(self) -> bool:
        self._set(f"left/{self.group.rank}", "1")
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            if self._has(FAILED) or self._has("spoken"):
                return False
            time.sleep(0.1)
        lower = (self._has(f"left/{rank}") for rank in range(self.group.rank))
        return not any(lower) and self._claim(alone=self.group.rank <= 1)

    def _claim(self, *, alone: bool) -> bool:
        """Whether this process is the first that wants to speak. alone: where no store is left."""
        try:
            who = self.store.compare_set("spoken", "", str(self.group.rank))
        except (RuntimeError, ValueError):
            return alone
        return who.decode() == str(self.group.rank)

    def _set(self, key: str, value: str) -> None:
        with contextlib.suppress(RuntimeError, ValueError):
            self.store.set(key, value)

    def _has(self, key: str) -> bool:
        try:
            return bool(self.store.check([key]))
        except (RuntimeError, ValueError):
            return False

    def _wait(self, keys: list[str], seconds: float, also: str | None = None) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if all(map(self._has, keys)) or (also is not None and self._has(also)):
                return
            time.sleep(0.05)

    # --- signs of life

    def watch(self) -> None:
        """Begin to give signs of life and to look for those of others."""
        threading.Thread(target=self._watch, daemon=True, name="signs of life").start()

    def _watch(self) -> None:
        patience = patience_of(os.environ)
        launcher = os.getppid()
        last: dict[int, tuple[Any, float]] = {}
        others = range(1, self.group.size) if self.group.first else [0]
        count = 0
        while not self._over.wait(min(patience / 5, 2.0)):
            if self.launched and os.getppid() != launcher:
                os.kill(os.getpid(), signal.SIGTERM)  # nobody is left to hear of this run
                return
            count += 1
            self._set(f"alive/{self.group.rank}", str(count))
            for other in others:
                sign = self._get(f"alive/{other}")
                if sign is None or last.get(other, (None, 0.0))[0] != sign:
                    last[other] = (sign, time.monotonic())
                elif time.monotonic() - last[other][1] > patience:
                    self._give_up(other, patience)

    def _get(self, key: str) -> bytes | None:
        try:
            return self.store.get(key) if self.store.check([key]) else None
        except (RuntimeError, ValueError):
            return b"no store"

    def _give_up(self, other: int, patience: float) -> None:
        """End this process at once: it may wait in a library that nothing else reaches."""
        if self._over.is_set():
            return
        if self._claim(alone=True):
            sys.__stderr__.write(  # type: ignore[union-attr]
                f"Error: process {other} of {self.group.size} has given no sign of life for "
                f"{patience:g} seconds; {self.advice()}\n"
            )
        os._exit(3)

    def advice(self) -> str:
        """How the run goes on."""
        group = self.group
        return (
            f"{group.resuming()} goes on from the last checkpoint"
            if group.folder
            else "no run began"
        )


def gone(ending: Ending, missing: Sequence[int]) -> str:
    """What is said where processes ended without a word."""
    size = ending.group.size
    listed = ", ".join(map(str, missing)) or "?"
    word = "process" if len(missing) == 1 else "processes"
    verb = "is" if len(missing) == 1 else "are"
    return f"{word} {listed} of {size} {verb} gone: killed, or its machine lost; {ending.advice()}"
