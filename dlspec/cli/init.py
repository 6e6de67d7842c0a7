"""`dlspec init`: a spec to start from, commented, that checks and trains as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import click

from dlspec.cli.exits import EnvironmentFault, system_message
from dlspec.cli.terminal import result

SUFFIX = ".dlnet"
STANDARD = "std:"
_PLACEHOLDER = "Net"


class Start(NamedTuple):
    """A text to start from, and what is said of it."""

    text: str
    what: str
    trains: bool


@click.command(epilog="Example: dlspec init my_net --from std:resnet")
@click.argument("name")
@click.option("--from", "origin", metavar="std:NAME", help="Copy this packaged spec, to change it.")
@click.option("--force", is_flag=True, help="Overwrite the file where there is one.")
def command(name: str, origin: str | None, force: bool) -> None:
    """Write a spec to start from into NAME.dlnet: commented, and it trains as it is.

    The model is called after NAME, which may have folders before it.
    """
    path = _path(name)
    start = _started(path.stem) if origin is None else _copied(origin)
    if path.is_dir():
        raise EnvironmentFault(f"{path}: is a folder")
    if path.exists() and not force:
        raise EnvironmentFault(f"{path}: exists already; `--force` overwrites it")
    _write(path, start.text)
    result(_told(path, start))


def _path(name: str) -> Path:
    """The file meant. Raises UsageError for a name that no file can have."""
    path = Path(name)
    if not name.strip() or "\0" in name or path.name in ("", ".", "..") or name.endswith("/"):
        raise click.UsageError(f"`{name}` names no file.")
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def _write(path: Path, text: str) -> None:
    from dlspec.cli.rewriting import rewrite
    from dlspec.training.durable import write_durably

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        (rewrite if path.exists() else write_durably)(path, text.encode("utf-8"))
    except OSError as problem:
        problem.filename = str(path)
        raise EnvironmentFault(system_message(problem)) from problem


def _told(path: Path, start: Start) -> str:
    import shlex

    given = shlex.quote(str(path))
    commands = ["check", "summary", *(["train"] if start.trains else ["compile"])]
    lines = [f"  dlspec {command} {given}" for command in commands]
    return "\n".join([f"{path}: {start.what}. Next:", "", *lines])


# --- the starting spec -----------------------------------------------------------


def _started(stem: str) -> Start:
    """The starting spec with a model called after a file."""
    from dlspec.diagnostics import Report
    from dlspec.source import Source
    from dlspec.syntax.parse import scan

    name = model_name(stem)
    text = Path(__file__).with_name("starting.dlnet").read_text(encoding="utf-8")
    for token in reversed(scan(Source("starting.dlnet", text), Report())):
        if token.kind == "TYPE_NAME" and token.text == _PLACEHOLDER:
            text = text[: token.start] + name + text[token.end :]
    return Start(text, f"a model `{name}`, its data and its training", trains=True)


def model_name(stem: str) -> str:
    """`my_net` as `MyNet`. Raises UsageError for what cannot be a name in a spec."""
    from dlspec.layers import spelled
    from dlspec.syntax.lexer import NAME_LIMIT

    words = re.split(r"[-_. ]+", stem)
    name = "".join(word[:1].upper() + word[1:] for word in words)
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
        raise click.UsageError(
            f"`{stem}` cannot name a model: names begin with a letter and are made of the letters "
            "a to z, digits and `_`."
        )
    if spelled(name) is not None or name == "Digits":
        name += "Net"  # a layer that the spec uses, or its data
    if len(name) > NAME_LIMIT:
        raise click.UsageError(f"A model's name has at most {NAME_LIMIT} characters.")
    return name


# --- copies of packaged specs ------------------------------------------------------


def _copied(origin: str) -> Start:
    """A packaged spec, what it uses named so that it is found from anywhere."""
    from dlspec.diagnostics import Report
    from dlspec.packaged import folder
    from dlspec.source import Source
    from dlspec.syntax import parse, tree

    known = {file.stem: file for file in folder("specs").glob(f"*{SUFFIX}")}
    name = origin.removeprefix(STANDARD)
    if name not in known:
        raise click.UsageError(_unknown(origin, list(known)))
    text = known[name].read_text(encoding="utf-8")
    module = parse(Source(origin, text), Report())
    for declaration in reversed(module.declarations):
        if isinstance(declaration, tree.UseDeclaration):
            path = declaration.path
            if not path.value.startswith(STANDARD):
                used = f'"{STANDARD}{Path(path.value).stem}"'
                text = text[: path.span.start] + used + text[path.span.end :]
    trains = any(isinstance(part, tree.TrainDeclaration) for part in module.declarations)
    return Start(text, f"a copy of `{STANDARD}{name}`", trains)


def _unknown(origin: str, known: list[str]) -> str:
    from dlspec.passes.scope import did_you_mean

    hint = did_you_mean(origin.removeprefix(STANDARD), known)
    listed = "there are " + ", ".join(sorted(known))
    return f"There is no packaged spec `{origin}`: {hint or listed}"
