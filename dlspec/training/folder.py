"""The folder of a run: what lies in it, and how each file is written so that none is half there.

spec.dlnet          the spec with every default filled in and every override applied
spec.json           the same as IR: what resuming, evaluating and exporting read
run.json            versions, device, settings, and at the end the result
metrics.jsonl       a line an epoch, and lines within epochs
events.out.…        the same figures for TensorBoard
curves.png          loss and metrics as a picture
confusion.png       which classes of the test split were taken for which
best.safetensors    the weights that did best on the validation split
checkpoints/        the newest two, to go on from
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dlspec.ir.graph import Program
from dlspec.training.checkpoint import (
    Checkpoint,
    Found,
    newest_checkpoint,
    save_checkpoint,
    set_aside,
)
from dlspec.training.distributed_weights import whole
from dlspec.training.durable import append_line, remove_partial_files, write_durably
from dlspec.training.events import EventFile
from dlspec.training.jsontext import json_text
from dlspec.training.problems import MachineProblem, SpecProblem
from dlspec.training.weights import DamagedWeights, packed, unpacked


class RunFolder:
    """The files of one run. Writing raises OSError where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"
        self.best = path / "best.safetensors"
        self.events = EventFile(path)

    def create(self, program: Program, texts: Mapping[str, str], facts: dict[str, Any]) -> None:
        """Make the folder of a new run. Raises SpecProblem where it holds a run already."""
        if (self.path / "run.json").exists():
            raise SpecProblem(
                f"`{self.path}` holds a run already; `dlspec train --resume {self.path}` goes on "
                "with it, `--out` names another folder"
            )
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            write_durably(place, text.encode())
        write_durably(self.path / "spec.json", program.model_dump_json(indent=1).encode())
        self.events.begin()
        self.write_facts(facts)

    def clear_leftovers(self) -> None:
        """Remove what an interrupted write left."""
        remove_partial_files(self.path)
        remove_partial_files(self.checkpoints)

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Write run.json."""
        self.write("run.json", (json_text(facts, indent=1) + "\n").encode())

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the run."""
        write_durably(self.path / name, content)

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and remove all but the newest two."""
        save_checkpoint(self.checkpoints, checkpoint)

    def newest_checkpoint(self) -> Found | None:
        """The newest checkpoint that is whole. Raises SpecProblem where all are damaged."""
        return newest_checkpoint(self.checkpoints)

    def set_aside(self, newest: str) -> None:
        """Rename the damaged checkpoints above `newest`."""
        set_aside(self.checkpoints, newest)

    def read_facts(self) -> dict[str, Any]:
        """What run.json says. Raises MachineProblem where there is no run, SpecProblem
        where it cannot be read."""
        path = self.path / "run.json"
        try:
            facts = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise MachineProblem(
                f"`{self.path}` is not the folder of a run: it has no `run.json`"
            ) from None
        except (ValueError, RecursionError):
            raise SpecProblem(f"`{path}` is not JSON") from None
        if not isinstance(facts, dict):
            raise SpecProblem(f"`{path}` does not describe a run")
        return facts

    def log(self, entry: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl, and to TensorBoard's events."""
        line = json_text(entry)
        append_line(self.metrics, line)
        self.events.add(json.loads(line))

    def read_log(self) -> list[dict[str, Any]]:
        """The whole lines of metrics.jsonl."""
        if not self.metrics.exists():
            return []
        entries: list[dict[str, Any]] = []
        for line in self.metrics.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # the last line of a run that was killed
                continue
            if isinstance(entry, dict):
                entries.append(entry)
        return entries

    def cut_log(self, step: int) -> None:
        """Leave out lines past `step`, which a run that goes on from there will write anew."""
        kept = [e for e in self.read_log() if e.get("step", step + 1) <= step]
        text = "".join(json.dumps(entry) + "\n" for entry in kept)
        write_durably(self.metrics, text.encode())
        self.events.begin(kept)

    def write_best(self, model: torch.nn.Module, facts: dict[str, Any]) -> None:
        """Write the weights as best.safetensors, `facts` as JSON in its metadata."""
        tensors = {name: whole(tensor) for name, tensor in model.state_dict().items()}
        self.write(self.best.name, packed(tensors, facts))

    def read_best(self) -> dict[str, torch.Tensor]:
        """The best weights by name. Raises MachineProblem where there are none, SpecProblem
        where the file is damaged."""
        try:
            return unpacked(self.best.read_bytes())
        except FileNotFoundError:
            raise MachineProblem(
                f"`{self.path}` has no `best.safetensors` yet: its first epoch is not over"
            ) from None
        except DamagedWeights:
            raise SpecProblem(f"`{self.best}` is damaged") from None
