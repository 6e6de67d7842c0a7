"""Where the result of a command goes: into a file, or to standard output for `-`."""

from __future__ import annotations

import sys
from pathlib import Path

from dlspec.cli.exits import EnvironmentFault, system_message
from dlspec.cli.terminal import message, result


def deliver(content: bytes, output: str) -> None:
    """Write a result to a path, said on standard error, or to standard output for `-`.

    Raises EnvironmentFault where the file cannot be written.
    """
    if output == "-":
        _print(content)
        return
    try:
        write(Path(output), content)
    except OSError as problem:
        raise EnvironmentFault(system_message(problem)) from problem


def write(place: Path, content: bytes) -> None:
    """Write a file whole or not at all, and say so. Raises OSError."""
    from dlspec.training.durable import write_durably

    write_durably(place, content)
    message(f"wrote {place}")


def _print(content: bytes) -> None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        stream = sys.stdout.buffer
        stream.write(content)
        stream.flush()
        return
    result(text)
