"""What goes wrong with models and inputs, in one exception that is printed as one line."""

from __future__ import annotations

INPUT_AT_FAULT = 1
ENVIRONMENT = 3


class InferenceProblem(Exception):
    """A model or an input that cannot be used. The message names the file.

    exit_code: 1 where the file is at fault, 3 where it or what reads it is missing.
    help:      how to mend it, where that is known.
    """

    def __init__(
        self, message: str, *, help: str | None = None, exit_code: int = INPUT_AT_FAULT
    ) -> None:
        super().__init__(message)
        self.help = help
        self.exit_code = exit_code
