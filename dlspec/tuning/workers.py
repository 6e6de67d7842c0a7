"""The processes that train the trials of a study, as the study sees them."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Event = tuple["Worker", "dict[str, Any] | None"]
"""A message of a worker; None when its process has ended."""


# What this process imports from, and no folder beside it (-P), is what the worker imports from.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from dlspec.tuning.worker import main; main()"
)


class Worker:
    """One process; what it says goes into a queue that the study reads."""

    def __init__(
        self, events: queue.SimpleQueue[Event | None], log: Path, threads: int | None
    ) -> None:
        environment = dict(os.environ)
        if threads is not None:
            environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.log = log
        self.trial: Any = None
        self.ready = False
        with log.open("ab") as errors:
            self.process = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-P", "-c", _START, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                start_new_session=True,  # Ctrl-C is for the study, which tells its workers
            )
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def _listen(self, events: queue.SimpleQueue[Event | None]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            events.put((self, json.loads(line)))
        self.process.wait()
        events.put((self, None))

    def give(self, task: Mapping[str, Any]) -> None:
        """A trial to train."""
        self._write(json.dumps(task))

    def answer(self, *, go_on: bool) -> None:
        """What the worker waits for after an epoch."""
        self._write("go on" if go_on else "stop")

    def dismiss(self) -> None:
        """Nothing is left to do."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            return

    def interrupt(self) -> None:
        """Save a checkpoint and end."""
        if self.process.poll() is None:
            self.process.terminate()

    def end_of_process(self) -> str:
        """What is known of a process that ended by itself."""
        code = self.process.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            advice = "; the machine may be out of memory" if -code == signal.SIGKILL else ""
            return f"its process was ended by {name}{advice}"
        return f"its process ended with exit code {code}; `{self.log}` may say why"

    def _write(self, text: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # it has ended, which another event says
