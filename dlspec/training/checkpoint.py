"""Checkpoints: a safetensors file with every tensor, a JSON file with everything else.

No pickle. The JSON holds the SHA-256 of the tensors and of itself, since most damaged
safetensors files load without a word. It is written last: a checkpoint without it is none.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from dlspec.training.durable import flush_folder, write_durably
from dlspec.training.problems import SpecProblem

FORMAT = 1
KEPT = 2


class Checkpoint(NamedTuple):
    """All that a run needs to go on: tensors by name, and facts that JSON can hold."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]


class Found(NamedTuple):
    """The newest checkpoint that can be read, and what was wrong with newer ones."""

    checkpoint: Checkpoint
    name: str
    refused: tuple[str, ...]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint named by `facts["step"]`, then remove all but the newest two.

    Raises OSError where the disk refuses; the checkpoints before stay as they are.
    """
    name = f"step-{checkpoint.facts['step']:012d}"
    content = save(checkpoint.tensors)
    facts = {"format": FORMAT, **checkpoint.facts, "tensors_sha256": _digest(content)}
    facts["sha256"] = _digest(_canonical(facts))
    write_durably(folder / f"{name}.safetensors", content)
    write_durably(folder / f"{name}.json", _written(facts))
    _remove_old(folder, name)


def newest_checkpoint(folder: Path) -> Found | None:
    """The newest checkpoint in `folder` that is whole, None where there is none at all.

    Raises SpecProblem where there are checkpoints and every one of them is damaged.
    """
    refused: list[str] = []
    for path in sorted(folder.glob("step-*.json"), reverse=True):
        try:
            return Found(read_checkpoint(path), path.stem, tuple(refused))
        except SpecProblem as problem:
            refused.append(str(problem))
    if refused:
        raise SpecProblem("no checkpoint can be read: " + "; ".join(refused))
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint whose JSON file is `path`. Raises SpecProblem where it is damaged."""
    tensors_path = path.with_suffix(".safetensors")
    try:
        text = path.read_bytes()
        facts = json.loads(text)
        content = tensors_path.read_bytes()
    except FileNotFoundError as error:
        raise SpecProblem(f"checkpoint `{path.stem}`: no file `{error.filename}`") from None
    except (OSError, ValueError, RecursionError):
        raise SpecProblem(f"checkpoint `{path.stem}`: `{path.name}` cannot be read") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise SpecProblem(f"checkpoint `{path.stem}`: `{path.name}` is not of format {FORMAT}")
    exact = _written(facts) == text  # so that not even a blank may be another character
    own = facts.pop("sha256", None)
    if own != _digest(_canonical(facts)) or not exact:
        raise SpecProblem(f"checkpoint `{path.stem}`: `{path.name}` is damaged (SHA-256 differs)")
    if facts.get("tensors_sha256") != _digest(content):
        raise SpecProblem(
            f"checkpoint `{path.stem}`: `{tensors_path.name}` is damaged (SHA-256 differs)"
        )
    try:
        return Checkpoint(load(content), facts)
    except SafetensorError:
        raise SpecProblem(
            f"checkpoint `{path.stem}`: `{tensors_path.name}` is not in safetensors' format"
        ) from None


def set_aside(folder: Path, newest: str) -> None:
    """Rename what stands above the checkpoint `newest`, so that it is neither used nor counted."""
    for path in sorted(folder.glob("step-*")):
        if path.name.partition(".")[0] > newest:
            path.rename(path.with_name(f"damaged-{path.name}"))


def _remove_old(folder: Path, newest: str) -> None:
    """Remove checkpoints past the newest `KEPT`, JSON first: a half-removed one is none."""
    names = sorted((path.stem for path in folder.glob("step-*.json")), reverse=True)
    kept = [newest, *(name for name in names if name < newest)][:KEPT]
    for name in {path.stem for path in folder.glob("step-*")} - set(kept):
        (folder / f"{name}.json").unlink(missing_ok=True)
        (folder / f"{name}.safetensors").unlink(missing_ok=True)
    flush_folder(folder)


def _written(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, indent=1).encode()


def _canonical(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
