"""Reads ONNX files and judges them before ONNX Runtime sees them.

A foreign or damaged file can end the whole process inside ONNX Runtime. A file that dlspec
wrote is known by its checksum; any other is tried in a process of its own first.
"""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from dlspec.inference.problem import ENVIRONMENT, InferenceProblem
from dlspec.inference.wire import Field, external_files, fields, text_entry
from dlspec.ir.card import CHECKSUM, Card, from_metadata

LARGEST = 2**31
"""Bytes of a file: protobuf takes no more."""

TRIAL_SECONDS = 120

_GRAPH, _METADATA = 7, 14


class ModelFile(NamedTuple):
    """An ONNX file that may be loaded.

    card: what it says of itself, None for a file that dlspec did not make.
    """

    path: Path
    content: bytes
    card: Card | None


def read_model(path: Path) -> ModelFile:
    """Read an ONNX file. Raises InferenceProblem where it cannot be used."""
    content = _read(path)
    try:
        found = list(fields(memoryview(content)))
    except ValueError as error:
        raise InferenceProblem(
            f"{path}: not an ONNX file, or one that is {_harm(error)}"
        ) from error
    if sum(field.number == _GRAPH for field in found) != 1:
        raise InferenceProblem(f"{path}: not an ONNX file: it has no graph")
    metadata = _metadata(path, found)
    try:
        card = from_metadata(metadata)
    except ValueError as error:
        raise InferenceProblem(f"{path}: {error}") from error
    if not _is_whole(path, content, found):
        _refuse_external_files(path, content)
        _try_out(path, content)
    return ModelFile(path, content, card)


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InferenceProblem(f"{path}: not a file", exit_code=ENVIRONMENT)
        if status.st_size > LARGEST:
            raise InferenceProblem(
                f"{path}: {status.st_size / 2**30:.1f} GiB; an ONNX file has at most 2 GiB"
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise InferenceProblem(f"{path}: {reason}", exit_code=ENVIRONMENT) from error


def _harm(error: ValueError) -> str:
    return "cut short" if "short" in str(error) else "damaged"


def _metadata(path: Path, found: list[Field]) -> dict[str, str]:
    try:
        return dict(text_entry(field.content) for field in found if field.number == _METADATA)
    except ValueError as error:
        raise InferenceProblem(f"{path}: damaged: its metadata cannot be read") from error


def _is_whole(path: Path, content: bytes, found: list[Field]) -> bool:
    """Whether a file is as dlspec wrote it; False for a file that something else wrote.

    Raises InferenceProblem where dlspec wrote it and it has changed since.
    """
    last = found[-1]
    key, checksum = text_entry(last.content) if last.number == _METADATA else ("", "")
    if key != CHECKSUM:
        return False
    if hashlib.sha256(memoryview(content)[: last.start]).hexdigest() != checksum:
        raise InferenceProblem(
            f"{path}: damaged: its checksum does not match its content",
            help="export the model again",
        )
    return True


def _refuse_external_files(path: Path, content: bytes) -> None:
    """Raises InferenceProblem unless all external tensors lie in the folder of the model."""
    try:
        names = external_files(memoryview(content))
    except ValueError as error:
        raise InferenceProblem(f"{path}: an ONNX file that is {_harm(error)}") from error
    folder = path.parent.resolve()
    for name in sorted(names):
        try:
            target = (folder / name).resolve()
            fine = "\\" not in name and target.parent == folder and target.is_file()
        except (OSError, ValueError, RuntimeError):  # links in a circle, null characters
            fine = False
        if not fine:
            raise InferenceProblem(
                f"{path}: names {name[:200]!r} as a file of weights, which is "
                "not a file in the model's own folder"
            )


def _try_out(path: Path, content: bytes) -> None:
    """Load and run the model in a process with limits. Raises InferenceProblem where it fails."""
    command = [
        sys.executable,
        "-m",
        "dlspec.inference.trial",
        str(path.parent.resolve()),
        str(TRIAL_SECONDS),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own module in our own interpreter
            command, input=content, capture_output=True, timeout=TRIAL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InferenceProblem(
            f"{path}: ONNX Runtime did not load and run it within {TRIAL_SECONDS} s"
        ) from error
    if done.returncode == ENVIRONMENT:
        raise InferenceProblem(
            "this needs the package `onnxruntime`: install it with `pip install 'dlspec[onnx]'`",
            exit_code=ENVIRONMENT,
        )
    try:
        problem = json.loads(done.stdout)
    except ValueError:
        problem = f"ONNX Runtime ended with code {done.returncode}"
    if problem is not None or done.returncode != 0:
        raise InferenceProblem(f"{path}: ONNX Runtime cannot use it: {problem}")
