"""Text of a spec as Python's docstrings and comments, in which nothing of it can run."""

from __future__ import annotations

from textwrap import dedent


def escaped(line: str) -> str:
    """A line of text with all but printable characters written as escapes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in line.replace("\t", "    ")
    ).rstrip()


def docstring(text: str, indent: int) -> list[str]:
    """The lines of a docstring with that text, which must not be empty."""
    pad = " " * indent
    first, *rest = text.strip().split("\n")
    rest = dedent("\n".join(line.rstrip() for line in rest)).split("\n") if rest else []
    first, *rest = (
        escaped(line.replace("\\", "\\\\")).replace('"""', '\\"\\"\\"') for line in (first, *rest)
    )
    if first.startswith('"'):
        first = "\\" + first
    if not rest:
        space = " " if first.endswith('"') else ""
        return [f'{pad}"""{first}{space}"""']
    body = [f"{pad}{line}" if line else "" for line in rest]
    return [f'{pad}"""{first}', *body, f'{pad}"""']


def comment(text: str, indent: int = 0) -> list[str]:
    """The lines of a comment with that text."""
    pad = " " * indent
    return [f"{pad}# {escaped(line)}".rstrip() for line in text.strip().split("\n")]
