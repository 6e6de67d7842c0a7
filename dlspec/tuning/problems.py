"""What can stop a study. The message is one for users."""

from __future__ import annotations


class StudyProblem(Exception):
    """A study cannot go on. `exit_code` is that of the command line."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
