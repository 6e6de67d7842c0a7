"""Where the grammar and the library of specs are.

A wheel carries them inside the package; in a clone, and so in an editable
install, they stand beside it at the top level.
"""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """The folder `grammar` or `specs`. Raises FileNotFoundError where the installation lacks it."""
    package = Path(__file__).parent
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"this installation of dlspec has no folder `{name}`; install it anew")
