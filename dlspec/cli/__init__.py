"""The command line: the only room with files, colour and exit codes."""

from __future__ import annotations


def main() -> None:
    """Run the command line on `sys.argv` and exit with its code."""
    from dlspec.cli.app import run

    run()
