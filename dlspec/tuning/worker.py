"""A process that trains trials, one after the other.

It reads a task in JSON from each line of standard input, and writes what happens as lines of
JSON: `epoch`, to which the next line of input says `go on` or `stop`, and at the end `done`,
`stopped`, `failed` (the values are at fault), `fault` (all trials would fail so) or
`interrupted`. When standard input ends, so does it: nothing is left behind by a study that
was killed.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from pathlib import Path
from typing import Any


class Stopped(Exception):
    """The study gave this trial up."""


class Channel:
    """The two directions of talk with the study."""

    def __init__(self) -> None:
        self.lines: queue.Queue[str] = queue.Queue()
        # Neither what others print, nor what they read, is a message between the two.
        self.out = os.fdopen(os.dup(1), "w")
        self.into = os.fdopen(os.dup(0), "r")
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.into:
            self.lines.put(line.strip())
        os._exit(0)

    def say(self, event: str, **facts: Any) -> None:
        """One message to the study."""
        self.out.write(json.dumps({"event": event, **facts}) + "\n")
        self.out.flush()


def main() -> None:
    """Train what the lines of standard input ask for."""
    channel = Channel()
    channel.say("ready")
    while True:
        task = json.loads(channel.lines.get())
        _try(task, channel)


def _try(task: dict[str, Any], channel: Channel) -> None:
    """One trial; whatever happens becomes a message."""
    from dlspec.data import DataProblem
    from dlspec.training.problems import Interrupted

    try:
        _train(task, channel)
    except Stopped:
        channel.say("stopped")
    except Interrupted:
        channel.say("interrupted")
        os._exit(130)  # the thread that reads would hold up an orderly end
    except DataProblem as problem:
        text = f"{problem.message}; {problem.help}" if problem.help else problem.message
        _say_wrong(text, problem.exit_code, channel)
    except OSError as problem:
        channel.say("fault", reason=str(problem), exit_code=3)
    except Exception as problem:
        kind = "" if hasattr(problem, "exit_code") else f"{type(problem).__name__}: "
        text = kind + " ".join(str(problem).split())[:300]
        code = 1 if _of_memory(problem) else getattr(problem, "exit_code", 1)
        _say_wrong(text, code, channel)


def _of_memory(problem: BaseException) -> bool:
    """Whether these values need more memory than there is: others may not."""
    causes = (problem, problem.__cause__, problem.__context__)
    return any(type(one).__name__ in ("MemoryError", "OutOfMemoryError") for one in causes)


def _say_wrong(text: str, exit_code: int, channel: Channel) -> None:
    if exit_code == 1:
        channel.say("failed", reason=text)
    else:
        channel.say("fault", reason=text, exit_code=exit_code)


def _train(task: dict[str, Any], channel: Channel) -> None:
    from dlspec.pipeline import compile_file

    made = compile_file(task["file"], task["settings"])
    if made.program is None:
        first = next(d for d in made.diagnostics if d.severity == "error")
        channel.say("failed", reason=f"{first.code}: {first.message}")
        return
    from dlspec.training.loop import train
    from dlspec.training.settings import TrainOptions

    figure = f"val_{task['metric']}"

    def after_epoch(entry: dict[str, Any]) -> None:
        if figure not in entry:
            return
        channel.say("epoch", epoch=entry["epoch"], value=entry[figure])
        if channel.lines.get() == "stop":
            raise Stopped

    plan = made.program.trains[0]
    options = TrainOptions(
        Path(task["folder"]),
        resume=task["resume"],
        device=task["device"],
        data_root=Path(task["data_root"]),
        data=task["data"],
        texts=made.resolved_files(),
        show="nothing",
        test=False,
        after_epoch=after_epoch,
    )
    run = train(made.program, plan, options)
    values = [entry[figure] for entry in run.history if figure in entry]
    if not values:
        channel.say(
            "fault",
            reason="`tune` compares trials on the validation split, which is empty; "
            f"`validation = 10%` in `data {plan.data}` sets examples aside for it",
            exit_code=1,
        )
        return
    best = max(values) if task["higher"] else min(values)
    channel.say("done", value=best, epochs=len(run.history))
