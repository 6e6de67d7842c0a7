"""The figures of a run as TensorBoard reads them: `tensorboard --logdir runs`.

The events are what metrics.jsonl says, in another form: a run that goes on writes them anew from
it, so that no step stands twice and none is missing. They are written as they come, by the writer
of tensorboard itself; its file of events has no thread of its own here, whose faults nobody sees.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_PLACES = frozenset({"kind", "step", "epoch", "position", "seconds"})
"""What an entry of the log says of where it stands; the rest are figures."""
_OF_THE_RUN = frozenset({"learning_rate", "samples_per_second", "memory"})


class EventFile:
    """The file of events in the folder of a run. Writing raises OSError where the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None

    def begin(self, entries: Sequence[dict[str, Any]] = ()) -> None:
        """Start a new file with the entries of the log so far, then remove the old ones.

        Raises ModuleNotFoundError where tensorboard is not installed.
        """
        old = sorted(self.folder.glob("events.out.tfevents.*"))
        numbers = [int(p.name.split(".")[3]) for p in old if p.name.split(".")[3].isdigit()]
        number = max([int(time.time()), *(number + 1 for number in numbers)])
        self.path = self.folder / f"events.out.tfevents.{number:010d}.dlspec"
        start = time.time() - max((entry.get("seconds") or 0.0 for entry in entries), default=0.0)
        self._write(_beginning(start))
        self._write(event for entry in entries for event in _events(entry, start))
        for path in old:
            path.unlink(missing_ok=True)

    def add(self, entry: dict[str, Any]) -> None:
        """Add an entry of the log."""
        if self.path is None:
            self.begin()
        self._write(_events(entry, time.time() - (entry.get("seconds") or 0.0)))

    def _write(self, events: Iterator[Any]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        assert self.path is not None
        with self.path.open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString())
            file.flush()


def _beginning(start: float) -> Iterator[Any]:
    """Events that begin a file: one that is open in TensorBoard drops what it had before."""
    event, log = _proto("event", "Event"), _proto("event", "SessionLog")
    yield event(wall_time=start, file_version="brain.Event:2")
    yield event(wall_time=start, session_log=log(status=log.START))


def _events(entry: dict[str, Any], start: float) -> Iterator[Any]:
    """The event of an entry: every figure of it under a name."""
    event, summary = _proto("event", "Event"), _proto("summary", "Summary")
    values = [
        summary.Value(tag=_tag(entry["kind"], name), simple_value=figure)
        for name, figure in entry.items()
        if name not in _PLACES and isinstance(figure, int | float)
    ]
    yield event(
        wall_time=start + (entry.get("seconds") or 0.0),
        step=entry["step"],
        summary=summary(value=values),
    )


def _proto(file: str, message: str) -> Any:
    """A kind of message; their classes are made as the module is imported, unseen by checkers."""
    return getattr(importlib.import_module(f"tensorboard.compat.proto.{file}_pb2"), message)


def _tag(kind: str, name: str) -> str:
    """`train/loss`, `validation/loss`, and `step/loss` within epochs."""
    if kind == "step":
        return f"step/{name}"
    if name in _OF_THE_RUN:
        return f"run/{name}"
    if name.startswith("val_"):
        return f"validation/{name.removeprefix('val_')}"
    return f"train/{name}"
