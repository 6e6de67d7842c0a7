"""How much memory decoded examples may take, and where those are kept that take more."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

FOLDER_VARIABLE = "DLSPEC_CACHE"
"""The environment variable that names another folder for caches."""


class Storage(NamedTuple):
    """Where decoded examples may be.

    limit:  bytes of memory that they may take; None is half of what is free.
    folder: of the files that hold them decoded.
    """

    limit: int | None = None
    folder: Path | None = None

    @property
    def bytes_in_memory(self) -> int:
        """The limit as a number."""
        return free_memory() // 2 if self.limit is None else self.limit

    @property
    def place(self) -> Path:
        """The folder for caches: the given one, `DLSPEC_CACHE`, or the system's for caches."""
        if self.folder is not None:
            return self.folder
        named = os.environ.get(FOLDER_VARIABLE)
        return Path(named) if named else _system_folder() / "dlspec"


def _system_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def free_memory() -> int:
    """Bytes of memory that this process can still have, its control group's limit observed.

    Where the system does not say, 4 GiB.
    """
    known = [amount for amount in (_system_memory(), _group_memory()) if amount is not None]
    return min(known, default=4 * 2**30)


def _system_memory() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        (line,) = (line for line in text.splitlines() if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return None


def _group_memory() -> int | None:
    """What a control group, as containers have one, still grants. Its page cache counts as free."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        statistics = (group / "memory.stat").read_text(encoding="ascii")
        used = dict(line.split() for line in statistics.splitlines())
        return max(limit - int(used["anon"]), 0)
    except (OSError, ValueError, KeyError):  # no limit is the word `max`
        return None
