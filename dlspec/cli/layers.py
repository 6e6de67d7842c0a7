"""`dlspec layers`: the layer reference, read from the layers themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dlspec.cli.exits import EnvironmentFault
from dlspec.cli.loading import format_option
from dlspec.cli.terminal import message, result, width

if TYPE_CHECKING:
    from dlspec.ir.layer import Layer


@click.command(epilog="Example: dlspec layers Conv")
@click.argument("name", required=False)
@format_option("text", "json", "markdown")
def command(name: str | None, format: str) -> None:
    """List every layer, or describe the layer NAME: its arguments, shape rule and operators.

    `--format markdown` writes the whole reference, or the part about NAME.
    """
    from dlspec.cli import layer_pages
    from dlspec.cli.layer_facts import facts
    from dlspec.layers import grouped

    if name is not None:
        groups = [("", (_named(name),))]
    else:
        groups = list(grouped())
        _tell_broken()
    if format == "json":
        import json

        layers = [facts(layer) for _, layers in groups for layer in layers]
        result(json.dumps({"layers": layers}, indent=2))
    elif format == "markdown":
        result(layer_pages.markdown(groups))
    elif name is not None:
        result(layer_pages.page(facts(groups[0][1][0]), width()))
    else:
        result(layer_pages.listed(groups, width()))


def _tell_broken() -> None:
    """Say which layers of other packages cannot be used, and why."""
    from dlspec.layers import broken, installed_names

    for name in installed_names():
        problem = broken(name)
        if problem is not None:
            message(f"warning: {problem}")


def _named(name: str) -> type[Layer]:
    """The layer of that name, of a spelling with a rank, or of another framework's spelling."""
    import difflib

    from dlspec.layers import all_layers, broken, spelled

    found = spelled(name)
    if found is not None:
        return found[0]
    problem = broken(name)
    if problem is not None:
        raise EnvironmentFault(str(problem))
    public = [layer for layer in all_layers() if not layer.operator]
    for layer in public:
        if name in layer.aliases or name.lower() == layer.kind.lower():
            return layer
    near = difflib.get_close_matches(name, [layer.kind for layer in public], n=1)
    hint = f"Did you mean `{near[0]}`?" if near else "`dlspec layers` lists them all."
    raise click.UsageError(f"There is no layer `{name}`. {hint}")
