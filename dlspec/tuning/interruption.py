"""Ctrl-C and SIGTERM during a study, as one more event: none is lost in the middle of another."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told_of_signals(tell: Callable[[], None]) -> Iterator[None]:
    """Within, the first signal calls `tell`, which has to be safe anywhere; a second one is raised
    as KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if told:
            raise KeyboardInterrupt
        told = True
        tell()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
