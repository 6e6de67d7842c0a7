"""How wide text is on a terminal, and how to show what must not reach one.

Marks stand under the right characters only if tabs, wide and combining
characters are counted as a terminal counts them.
"""

from __future__ import annotations

import unicodedata

TAB = 4
_ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def shown(character: str, column: int) -> str:
    """A character as it is printed in the cell `column` (from 0): tabs as spaces, controls escaped.

    Escaped are control and format characters (bidirectional controls among them),
    surrogates, and line and paragraph separators.
    """
    if " " <= character <= "~":
        return character
    if character == "\t":
        return " " * (TAB - column % TAB)
    if unicodedata.category(character) not in _ESCAPED:
        return character
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def width(text: str) -> int:
    """The number of terminal cells that printable text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Me":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def printable(text: str) -> str:
    """Text of a message or a name with everything escaped that could steer a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(shown(character, 0) if character != "\t" else "\\t" for character in text)


def laid_out(text: str) -> tuple[str, list[int]]:
    """A source line as it is printed, and the cell where each of its characters begins.

    The list has one entry more than the line has characters: where the line ends.
    """
    pieces: list[str] = []
    cells = [0]
    for character in text:
        piece = shown(character, cells[-1])
        pieces.append(piece)
        cells.append(cells[-1] + width(piece))
    return "".join(pieces), cells
