"""The `dlspec` command: its table of commands, each imported only when it is run."""

from __future__ import annotations

from importlib import import_module

import click

from dlspec import __version__
from dlspec.cli.exits import run_and_exit

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("dlspec.cli.init", "Write a commented spec to start from."),
    "check": ("dlspec.cli.check", "Report every mistake in specs."),
    "fmt": ("dlspec.cli.fmt", "Lay specs out in the one canonical way."),
    "summary": ("dlspec.cli.summary", "Show layers, shapes, parameters and multiply-adds."),
    "graph": ("dlspec.cli.graph", "Draw a network as SVG, PNG, DOT or Mermaid."),
    "compile": ("dlspec.cli.compile", "Write PyTorch source, ONNX or the IR."),
    "train": ("dlspec.cli.train", "Train a spec's model on its data."),
    "tune": ("dlspec.cli.tune", "Search the ranges of a spec for the best values."),
    "evaluate": ("dlspec.cli.evaluate", "Measure a trained run on the test split."),
    "export": ("dlspec.cli.export", "Write a trained run as ONNX."),
    "predict": ("dlspec.cli.predict", "Run an exported model on inputs."),
    "explain": ("dlspec.cli.explain", "Explain a diagnostic code."),
    "layers": ("dlspec.cli.layers", "List the layers, or describe one."),
    "schema": ("dlspec.cli.schema", "Print the JSON schema of the IR."),
}
"""Command to module and one-line help. The module's object `command` is the click command."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run; its help imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return import_module(COMMANDS[cmd_name][0]).command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else "`dlspec --help` lists the commands."
        raise click.UsageError(f"There is no command `{name}`. {hint}", ctx)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: dlspec check lenet.dlnet && dlspec train lenet.dlnet",
)
@click.version_option(__version__, prog_name="dlspec", message="%(prog)s %(version)s")
def dlspec() -> None:
    """Check, train, export and use the neural networks that `.dlnet` files describe."""


def run() -> None:
    """Run the command line on `sys.argv` and exit with its code."""
    run_and_exit(dlspec)
