"""`dlspec explain`: the long form of a diagnostic."""

from __future__ import annotations

import click

from dlspec.cli.loading import format_option
from dlspec.cli.terminal import result


@click.command(epilog="Example: dlspec explain E0402")
@click.argument("code", required=False)
@format_option("text", "json")
def command(code: str | None, format: str) -> None:
    """Explain the diagnostic CODE with a wrong and a right example; without one, list all codes."""
    from dlspec.diagnostics.codes import CODES

    if code is None:
        result(_listing(CODES, format))
        return
    wanted = code.strip("[]").upper()
    if wanted not in CODES:
        import difflib

        near = difflib.get_close_matches(wanted, CODES, n=3)
        hint = f" Near it: {', '.join(near)}." if near else ""
        raise click.UsageError(f"There is no code `{code}`.{hint} `dlspec explain` lists them all.")
    result(_page(wanted, format))


def _listing(codes: dict[str, str], format: str) -> str:
    if format == "json":
        import json

        return json.dumps({"codes": codes}, indent=2)
    return "\n".join(f"{code}  {title}" for code, title in codes.items())


def _page(code: str, format: str) -> str:
    from dlspec.diagnostics.pages import page

    found = page(code)
    if format == "json":
        import json

        return json.dumps(found._asdict(), indent=2)
    return found.text()
