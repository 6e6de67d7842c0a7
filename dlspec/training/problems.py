"""What can stop a run, apart from mistakes in dlspec itself. The message is one for users.

Problem
├── SpecProblem       the spec, the data or the numbers are at fault
├── MachineProblem    no such device, no such file, no room on the disk
└── Interrupted       Ctrl-C or SIGTERM; a checkpoint was saved
"""

from __future__ import annotations

from typing import ClassVar


class Problem(Exception):
    """A run cannot go on. `exit_code` is that of the command line."""

    exit_code: ClassVar[int] = 1


class SpecProblem(Problem):
    """The spec, the data or the numbers are at fault."""


class MachineProblem(Problem):
    """Something that the run needs is not there."""

    exit_code: ClassVar[int] = 3


class Interrupted(Problem):
    """Someone stopped the run."""

    exit_code: ClassVar[int] = 130
