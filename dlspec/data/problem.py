"""What goes wrong with data files, in one exception that the command line prints as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPEC_AT_FAULT = 1
WRONG_USAGE = 2
ENVIRONMENT = 3


class DataProblem(Exception):
    """Data that cannot be used.

    message:   one sentence that names the file.
    code:      the diagnostic that says the same of a spec's text, where there is one.
    help:      how to mend it.
    exit_code: 1 where a file or the spec is at fault, 2 where the command line is, 3 where
               a file is missing or the machine has no room for it.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        help: str | None = None,
        exit_code: int = SPEC_AT_FAULT,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.help = help
        self.exit_code = exit_code


def missing(path: Path, help: str | None = None) -> DataProblem:
    """The problem of a file or folder that is not there."""
    return DataProblem(f"{path}: no such file or folder", help=help, exit_code=ENVIRONMENT)


@contextmanager
def told_as_problems(path: Path) -> Iterator[None]:
    """Turn what reading `path` raises into a `DataProblem`.

    The readers' own ValueErrors begin with their file; what the decoders below them raise on
    corrupt bytes is not documented by any of them, hence the last clause.
    """
    try:
        yield
    except (DataProblem, KeyboardInterrupt):
        raise
    except FileNotFoundError as error:
        if error.filename is None:  # a reader's own sentence
            raise DataProblem(str(error), exit_code=ENVIRONMENT) from error
        raise missing(Path(error.filename)) from error
    except MemoryError as error:
        raise DataProblem(f"{path}: does not fit into memory", exit_code=ENVIRONMENT) from error
    except OSError as error:
        if error.errno is None:  # a decoder's, such as gzip's BadGzipFile
            raise DataProblem(f"{path}: cut short or corrupt") from error
        raise DataProblem(
            f"{error.filename or path}: {error.strerror}", exit_code=ENVIRONMENT
        ) from error
    except ValueError as error:
        own = str(error).startswith(str(path))  # else a decoder's, about nothing a user knows
        raise DataProblem(str(error) if own else f"{path}: cut short or corrupt") from error
    except Exception as error:
        raise DataProblem(f"{path}: cut short or corrupt") from error
