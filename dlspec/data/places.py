"""Where the files of a source are: below a root that paths of a spec may not leave.

Links are resolved before the question is asked, and only regular files are opened: a pipe
or a device would block or never end.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dlspec.data.problem import DataProblem, missing
from dlspec.ir.datacheck import path_problem

MOST_BYTES = 64 * 2**30
"""The largest file that is read."""


class Place(NamedTuple):
    """Where paths start, and whether they must stay below (a spec's) or not (a person's)."""

    root: Path
    confined: bool

    def find(self, text: str, help: str | None = None) -> Path:
        """The file or folder that `text` names.

        Raises DataProblem where it is not there, or leaves a root that confines it.
        """
        reason = path_problem(text) if self.confined else None
        if reason is not None:
            raise DataProblem(f"`{text!a}` {reason}", code="E0605", help=_MOVE)
        path = self.root / text
        if not _exists(path):
            raise missing(path, help)
        self.check_inside(path)
        return path

    def file(self, text: str, help: str | None = None) -> Path:
        """The regular file that `text` names. Raises as `find` does, and for anything else."""
        path = self.find(text, help)
        check_file(path)
        return path

    def folder(self, text: str, help: str | None = None) -> Path:
        """The folder that `text` names. Raises as `find` does, and for anything else."""
        path = self.find(text, help)
        if not path.is_dir():
            raise DataProblem(f"{path}: is not a folder", help=help)
        return path

    def check_inside(self, path: Path) -> None:
        """Raise DataProblem where `path`, its links resolved, leaves a root that confines it."""
        if self.confined and not path.resolve().is_relative_to(self.root.resolve()):
            raise DataProblem(
                f"{path}: is a link that leaves the folder of the spec", code="E0605", help=_MOVE
            )

    def check_files(self, paths: Iterable[Path]) -> None:
        """Check many files as `file` does; links alone are resolved, for speed."""
        for path in paths:
            if path.is_symlink():
                self.check_inside(path)
            check_file(path)


_MOVE = "`--data-root DIR` moves where paths start; `--data SOURCE:PATH` may point anywhere"


def check_file(path: Path) -> None:
    """Raise DataProblem where `path` is not a regular file of at most 64 GiB."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise missing(path) from error
    if not stat.S_ISREG(status.st_mode):
        raise DataProblem(f"{path}: is not a regular file")
    if status.st_size > MOST_BYTES:
        size = status.st_size / 2**30
        raise DataProblem(
            f"{path}: has {size:,.0f} GiB, more than the {MOST_BYTES >> 30} GiB"
            " that a data file may have"
        )


def _exists(path: Path) -> bool:
    try:
        path.stat()
        path.resolve()
    except (OSError, ValueError, RuntimeError):  # also: too long a name, links in a circle
        return False
    return True
