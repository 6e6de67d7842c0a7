"""`dlspec schema`: the JSON schema of the IR."""

from __future__ import annotations

import click

from dlspec.cli.terminal import result


@click.command(epilog="Example: dlspec schema > dlspec-ir.schema.json")
def command() -> None:
    """Print the JSON schema of the IR, as `dlspec compile --to ir` writes it."""
    import json

    from dlspec.editor.schema import ir_schema

    result(json.dumps(ir_schema(), indent=2))
