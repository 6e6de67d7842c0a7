"""The command line: the only room with files, colour and exit codes."""

from __future__ import annotations


def main() -> None:
    """Run the command line on `sys.argv` and exit with its code."""
    try:
        from dlspec.cli.app import run
    except KeyboardInterrupt:  # before there is anyone to say so
        raise SystemExit(130) from None
    run()
