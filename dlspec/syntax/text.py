"""Bytes to text, or a diagnostic: what comes in may be anything at all."""

from __future__ import annotations

from pathlib import Path

from dlspec.diagnostics.model import Report
from dlspec.source import Source, Span

SIZE_LIMIT = 4 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def decode(name: str, data: bytes, report: Report, path: Path | None = None) -> Source | None:
    """The source of a file's bytes: UTF-8, with or without a byte order mark.

    `name` is what messages print. None, with E0001 or E0702 reported, where the
    bytes are no UTF-8 text or too many; no byte of them is quoted then.
    """
    nowhere = Source(name, "", path)
    if len(data) > SIZE_LIMIT:
        too_large(nowhere, len(data), report)
        return None
    body = data.removeprefix(_BYTE_ORDER_MARK)
    try:
        return Source(name, body.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        offset = error.start + len(data) - len(body)
        line = data.count(b"\n", 0, offset) + 1
        help = "save the file as UTF-8"
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            help = "the file looks like UTF-16; " + help
        report.error(
            "E0001",
            Span(nowhere, 0, 0),
            "the file is not UTF-8 text: the byte at "
            f"offset {offset:,} (line {line:,}) cannot be read",
            help=help,
        )
        return None


def too_large(source: Source, size: int, report: Report) -> None:
    """Report a spec over the limit; `size` is in bytes."""
    report.error(
        "E0702",
        Span(source, 0, 0),
        f"the spec has {size:,} bytes",
        label=f"at most {SIZE_LIMIT:,} are read",
        help="split it with `use`, or generate fewer declarations with `repeat` and `for`",
    )
