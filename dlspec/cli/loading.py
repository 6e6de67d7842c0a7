"""What the commands that read a spec share: its options, and what is said of its mistakes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dlspec.cli.exits import SPEC, EnvironmentFault, SpecFault, system_message
from dlspec.cli.terminal import coloured, message, wants_colour

if TYPE_CHECKING:
    from pathlib import Path

    from dlspec.api import Spec
    from dlspec.diagnostics import Diagnostic
    from dlspec.ir.graph import Graph, Program
    from dlspec.pipeline import Compiled

Command = TypeVar("Command", bound=Callable[..., Any])


class Setting(click.ParamType):
    """`key=value`, for `--set`."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        key, equals, text = str(value).partition("=")
        if not equals or not key.strip():
            self.fail(f"`{value}` is not of the form key=value, such as classes=100", param, ctx)
        return key.strip(), text.strip()


def set_option(command: Command) -> Command:
    """`--set key=value`, any number of times, passed on as `settings`."""
    return click.option(
        "--set",
        "settings",
        type=Setting(),
        multiple=True,
        help="Override a parameter or a setting: classes=100, train.epochs=3, "
        "train.optimizer.lr=0.01.",
    )(command)


def format_option(*formats: str) -> Callable[[Command], Command]:
    """`--format`, the first one given being the default."""
    return click.option(
        "--format",
        "format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print what was found.",
    )


def spec_files(paths: Iterable[str]) -> list[str]:
    """The files meant: folders give the .dlnet files below them, hidden folders left out.

    Raises EnvironmentFault for what does not exist, or a folder without specs.
    """
    from pathlib import Path

    files: dict[str, None] = {}
    for given in paths:
        path = Path(given)
        if not given or (given != "-" and not path.exists()):
            raise EnvironmentFault(f"{given or '(empty name)'}: no such file or folder")
        if given != "-" and path.is_dir():
            below = [str(file) for file in sorted(path.rglob("*.dlnet")) if _visible(file, path)]
            if not below:
                raise EnvironmentFault(f"{given}: no .dlnet file in this folder or below it")
            files.update(dict.fromkeys(below))
        else:
            files[given] = None
    return list(files)


def _visible(file: Path, folder: Path) -> bool:
    inner = file.relative_to(folder).parts
    return file.is_file() and not any(part.startswith(".") for part in inner)


def spec_bytes(path: str) -> bytes:
    """What a file or, for `-`, standard input holds; of a spec that is too large, too much.

    Raises EnvironmentFault where the file cannot be read.
    """
    from pathlib import Path

    from dlspec.syntax.text import SIZE_LIMIT

    _refuse_unreadable(path)
    if path == "-":
        return sys.stdin.buffer.read(SIZE_LIMIT + 1)
    try:
        with Path(path).open("rb") as stream:
            return stream.read(SIZE_LIMIT + 1)
    except OSError as problem:
        raise EnvironmentFault(system_message(problem)) from problem


def compiled(path: str, settings: Iterable[tuple[str, str]] = ()) -> Compiled:
    """What the compiler makes of a file, or of standard input for `-`.

    Raises EnvironmentFault where the file cannot be read.
    """
    import gc

    _refuse_unreadable(path)
    # Importing and compiling make many objects and no garbage: looking for some costs an eighth
    # of a small check and half of a large one.
    gc.disable()
    from dlspec.pipeline import compile_file

    try:
        return compile_file(path, dict(settings))
    except OSError as problem:
        raise EnvironmentFault(system_message(problem)) from problem
    finally:
        gc.freeze()
        gc.enable()


def _refuse_unreadable(path: str) -> None:
    """Raise EnvironmentFault for what cannot be read, and for pipes that could block for ever."""
    if path == "-":
        if sys.stdin is None:
            raise EnvironmentFault("standard input is closed")
        return
    from pathlib import Path

    if not path or "\0" in path:
        raise EnvironmentFault(f"{path or '(empty name)'}: no such file")
    if Path(path).exists() and not Path(path).is_file():
        raise EnvironmentFault(f"{path}: not a regular file; `-` reads standard input")


def program(path: str, settings: Iterable[tuple[str, str]] = (), format: str = "text") -> Program:
    """The program of a spec. Its diagnostics are reported; errors end the command with exit 1."""
    made = compiled(path, settings)
    report(made.diagnostics, format)
    if made.program is None:
        raise click.exceptions.Exit(SPEC)
    return made.program


def spec(path: str, settings: Iterable[tuple[str, str]] = (), format: str = "text") -> Spec:
    """A spec as an object. Its diagnostics are reported; errors end the command with exit 1."""
    from dlspec.api import Spec

    made = compiled(path, settings)
    report(made.diagnostics, format)
    if made.program is None:
        raise click.exceptions.Exit(SPEC)
    return Spec(made)


def report(diagnostics: Iterable[Diagnostic], format: str = "text") -> None:
    """Write diagnostics to standard error; nothing where there are none."""
    found = tuple(diagnostics)
    if found:
        message(rendered(found, format, colour=wants_colour(sys.stderr)))


def rendered(diagnostics: Iterable[Diagnostic], format: str, *, colour: bool = False) -> str:
    """Diagnostics in one of the formats, in colour where that is wanted and is text."""
    if format == "text" and colour:
        from dlspec.diagnostics.render.as_text import render as render_text

        return render_text(diagnostics, coloured)
    from dlspec.diagnostics.render import render

    return render(diagnostics, format)


def chosen_model(program: Program, name: str | None) -> Graph:
    """The model named, else the one that is trained first, else the only one.

    Raises SpecFault where the spec has no model, UsageError where there is none of that name,
    or several and no choice.
    """
    named = {program.graphs[key].name: program.graphs[key] for key in program.models}
    listed = ", ".join(f"`{known}`" for known in named)
    if not named:
        raise SpecFault("the spec has no model")
    if name is None and program.trains:
        return program.graphs[program.trains[0].model]
    if name is None and len(named) == 1:
        return next(iter(named.values()))
    if name is None:
        raise click.UsageError(f"`--model` says which is meant of the spec's models: {listed}.")
    if name not in named:
        raise click.UsageError(f"The spec has no model `{name}`; its models: {listed}.")
    return named[name]
