"""The folder of a run that several processes work on: the first alone reads and writes it.

The others may be on machines that do not see it; what it holds reaches them by the network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from dlspec.ir.graph import Program
from dlspec.training.checkpoint import Checkpoint, Found
from dlspec.training.distributed import World
from dlspec.training.folder import RunFolder


class SharedFolder(RunFolder):
    """A RunFolder in every process; what the first reads, all get."""

    def __init__(self, path: Path, world: World) -> None:
        super().__init__(path)
        self.world = world

    def create(self, program: Program, texts: Mapping[str, str], facts: dict[str, Any]) -> None:
        if self.world.first:
            super().create(program, texts, facts)

    def clear_leftovers(self) -> None:
        if self.world.first:
            super().clear_leftovers()

    def cut_log(self, step: int) -> None:
        if self.world.first:
            super().cut_log(step)

    def read_log(self) -> list[dict[str, Any]]:
        return super().read_log() if self.world.first else []

    def read_facts(self) -> dict[str, Any]:
        return json.loads(self.world.from_first(lambda: json.dumps(self._facts()).encode()))

    def _facts(self) -> dict[str, Any]:
        return super().read_facts()

    def read_best(self) -> dict[str, torch.Tensor]:
        return load(self.world.from_first(lambda: save(self._best())))

    def _best(self) -> dict[str, torch.Tensor]:
        return super().read_best()

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        if self.world.first:
            super().save_checkpoint(checkpoint)

    def newest_checkpoint(self) -> Found | None:
        found = super().newest_checkpoint() if self.world.first else None
        told = self.world.from_first(lambda: _facts_of(found))
        if not told:
            return None
        facts = json.loads(told)
        empty = b"" if found is None else save(found.checkpoint.tensors)
        tensors = load(self.world.from_first(lambda: empty))
        return Found(Checkpoint(tensors, facts["facts"]), facts["name"], tuple(facts["refused"]))

    def set_aside(self, newest: str) -> None:
        if self.world.first:
            super().set_aside(newest)

    def write(self, name: str, content: bytes) -> None:
        if self.world.first:
            super().write(name, content)

    def log(self, entry: dict[str, Any]) -> None:
        if self.world.first:
            super().log(entry)


def _facts_of(found: Found | None) -> bytes:
    if found is None:
        return b""
    facts = {"facts": found.checkpoint.facts, "name": found.name, "refused": found.refused}
    return json.dumps(facts).encode()


def open_run(path: Path, world: World) -> RunFolder:
    """The folder of a run as this process is to use it."""
    return RunFolder(path) if world.alone else SharedFolder(path, world)
