"""From text to the syntax tree: `decode` bytes, `parse` a source."""

from dlspec.syntax.parse import parse
from dlspec.syntax.text import decode

__all__ = ["decode", "parse"]
