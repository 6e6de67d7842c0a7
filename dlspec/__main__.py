"""`python -m dlspec` is the command line."""

from dlspec.cli import main

main()
