"""Replacing what a person's file holds: whole or not at all, and with its permissions."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from dlspec.training.durable import write_durably


def rewrite(path: Path, content: bytes) -> None:
    """Put `content` into a file that is there.

    Raises OSError where the disk refuses, or where the file is read-only: a new file under
    the old name would get round that.
    """
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    write_durably(path, content)
