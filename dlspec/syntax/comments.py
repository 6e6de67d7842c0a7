"""Comments: those that document, right above a declaration or at the head of a file, and all.

A line that is for the compiler, `# dlspec: allow W0401`, documents nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

DIRECTIVE = re.compile(r"#[ \t]*dlspec:[ \t]*(allow\b|[A-Za-z]+(?=[ \t]+[EWew]\d{4}\b))")
"""What a comment asks of the compiler: `allow`, or another word in front of a code."""


def comments(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every comment of a text, its `#` included."""
    from dlspec.syntax.lexer import pattern

    for match in pattern().finditer(text):
        if match.lastgroup == "IGNORED" and "#" in match.group():
            yield match.start() + match.group().index("#"), match.end()


def above(text: str, start: int) -> str:
    """The comment lines that end on the line above an offset, without their `#`."""
    lines: list[str] = []
    end = text.rfind("\n", 0, start)
    while end >= 0:
        begin = text.rfind("\n", 0, end) + 1
        line = text[begin:end].strip()
        if not line.startswith("#"):
            break
        if not DIRECTIVE.match(line):
            lines.append(_content(line))
        end = begin - 1
    return "\n".join(reversed(lines))


def at_head(text: str) -> str:
    """The comment lines that a file begins with, where an empty line or its end follows them."""
    lines: list[str] = []
    start = len(text) - len(text.lstrip())
    while text.startswith("#", start):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].strip()
        if not DIRECTIVE.match(line):
            lines.append(_content(line))
        start = end + 1
        while text[start : start + 1] in (" ", "\t"):
            start += 1
    ends_there = start >= len(text) or text[start] in "\r\n"
    return "\n".join(lines) if ends_there else ""


def _content(line: str) -> str:
    return line[2:] if line.startswith("# ") else line[1:]
