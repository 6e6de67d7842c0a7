"""Amounts of memory on the command line."""

from __future__ import annotations

import re

import click

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


class MemorySize(click.ParamType):
    """`2GiB`, `500MB` or a number of bytes, as a number of bytes."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number of bytes. Ends the command with a message where it is none."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)", str(value).strip())
        unit = _UNITS.get(found[2].upper()) if found else None
        if found is None or unit is None:
            self.fail(f"{str(value)[:64]!r} is no amount of memory such as 2GiB, 500MB", param, ctx)
        return int(float(found[1]) * unit)
