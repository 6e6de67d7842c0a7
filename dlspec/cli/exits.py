"""What every command has in common: its exit code, and no traceback for a user's mistake.

0 is good, 1 the spec is at fault, 2 wrong usage, 3 the environment, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from dlspec.cli.terminal import accept_every_character, close_pipes, message

GOOD, SPEC, USAGE, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 130


class SpecFault(click.ClickException):
    """The spec, or a promise it makes, does not hold: exit 1."""

    exit_code = SPEC


class BrokenPromise(click.exceptions.Exit):
    """A `require` that does not hold, at the end of a whole run and after it was said: exit 1."""

    def __init__(self) -> None:
        super().__init__(SPEC)


class EnvironmentFault(click.ClickException):
    """No such file, no GPU, a full disk, a package that is not installed: exit 3."""

    exit_code = ENVIRONMENT


def run_and_exit(command: click.Command) -> NoReturn:
    """Run a click command on `sys.argv`; whatever happens ends in an exit code."""
    accept_every_character()
    code = _run(command)
    close_pipes()
    sys.exit(code)


def _run(command: click.Command) -> int:
    try:
        with command.make_context("dlspec", sys.argv[1:]) as context:
            code = command.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as problem:
        return _show(problem)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return GOOD
    except Exception as problem:
        if os.environ.get("DLSPEC_TRACEBACK"):
            raise
        return _explain(problem)
    return code if isinstance(code, int) else GOOD


def _show(problem: click.ClickException) -> int:
    """What click says of a fault, with what steers a terminal taken out of the user's own words."""
    from dlspec.diagnostics.render.cells import printable

    text = printable(_cut(problem.format_message(), 2000))
    if isinstance(problem, click.UsageError):
        problem = click.UsageError(text, problem.ctx)
        problem.show()
    else:
        message(f"Error: {text}")
    return problem.exit_code


def _explain(problem: Exception) -> int:
    """One line, and an exit code, for what no command turned into a message itself."""
    from dlspec.diagnostics import SpecError

    if isinstance(problem, SpecError):
        from dlspec.cli.loading import report

        report(problem.diagnostics)
        return SPEC
    code = getattr(problem, "exit_code", None)
    if isinstance(code, int):  # the rooms that do the work name the exit code of their problems
        help = getattr(problem, "help", None)
        return _say(f"{problem}\nhelp: {help}" if help else str(problem), code)
    if isinstance(problem, ModuleNotFoundError) and not (problem.name or "").startswith("dlspec"):
        return _say(missing_package(problem), ENVIRONMENT)
    if isinstance(problem, OSError):
        return _say(system_message(problem), ENVIRONMENT)
    if isinstance(problem, MemoryError) or _cannot_allocate(problem):
        return _say("there is not enough memory", ENVIRONMENT)
    kind = type(problem).__name__
    where = "`DLSPEC_TRACEBACK=1` shows where it came from"
    return _say(f"dlspec itself failed: {kind}: {_one_line(problem)}; {where}", ENVIRONMENT)


def _cannot_allocate(problem: Exception) -> bool:
    """Whether PyTorch, which is loaded then, had no room for a tensor."""
    if not isinstance(problem, RuntimeError) or "torch" not in sys.modules:
        return False
    from dlspec.training.memory import is_out_of_memory

    return is_out_of_memory(problem)


def system_message(problem: OSError) -> str:
    """`lenet.dlnet: No such file or directory`."""
    reason = problem.strerror or _one_line(problem)
    return f"{problem.filename}: {reason}" if problem.filename else reason


def missing_package(problem: ModuleNotFoundError) -> str:
    """Which package is missing, and the extra that brings it."""
    name = (problem.name or "?").partition(".")[0]
    # Both extras bring NumPy and Pillow, and which of them is meant the name does not tell.
    only = {
        "onnx": "onnx",
        "onnxruntime": "onnx",
        "torch": "train",
        "safetensors": "train",
        "tensorboard": "train",
        "torchmetrics": "train",
        "optuna": "tune",
        "pygraphviz": "graph",
        "resvg_py": "graph",
    }
    extra = only.get(name, "all")
    return f"this needs the package `{name}`: install it with `pip install 'dlspec[{extra}]'`"


def _one_line(problem: BaseException) -> str:
    return _cut(" ".join(str(problem).split()), 200)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _say(text: str, code: int) -> int:
    from dlspec.diagnostics.render.cells import printable

    message("\n".join(printable(line) for line in f"Error: {text}".splitlines()))
    return code
