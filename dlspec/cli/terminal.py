"""Writing to a person or to a pipe: colour only where there is a terminal that wants it."""

from __future__ import annotations

import os
import sys
from typing import IO

import click

_COLOURS: dict[str, dict[str, object]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "label": {"fg": "cyan"},
    "frame": {"fg": "blue"},
    "help": {"fg": "green", "bold": True},
    "title": {"bold": True},
}


def wants_colour(stream: IO[str] | None) -> bool:
    """Whether a stream is a terminal on which colour is welcome (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream is not None and stream.isatty()


def width() -> int:
    """The columns that text is wrapped to: those of the terminal, within what reads well."""
    import shutil

    return min(max(shutil.get_terminal_size((80, 24)).columns, 40), 120)


def coloured(text: str, style: str) -> str:
    """A piece of a diagnostic as terminals colour it."""
    return click.style(text, **_COLOURS[style])  # type: ignore[arg-type]


def result(text: str) -> None:
    """Write a result to standard output; that nobody reads any more is no mistake."""
    _write(text, sys.stdout)


def message(text: str) -> None:
    """Write what is said about the work to standard error."""
    _write(text, sys.stderr)


def _write(text: str, stream: IO[str] | None) -> None:
    if stream is None:  # closed by whoever started the command
        return
    try:
        stream.write(text if text.endswith("\n") or not text else text + "\n")
        stream.flush()
    except BrokenPipeError:
        close_pipes()


def _open_streams() -> list[IO[str]]:
    streams: tuple[IO[str] | None, ...] = (sys.stdout, sys.stderr)
    return [stream for stream in streams if stream is not None]


def close_pipes() -> None:
    """Send what a closed pipe does not take to nowhere, without a complaint."""
    for stream in _open_streams():
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def accept_every_character() -> None:
    """Escape what the encoding of the terminal lacks instead of failing on it."""
    for stream in _open_streams():
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
