"""Small specs with the diagnostics they must give, written on their own lines.

A mark is a comment with a code and a part of its message:

    it + skip   # E0402 axis 0 differs

Several marks on a line follow each other, `# E0301 … # E0302 …`. Where a line can
hold no comment, the mark stands on the line above, `# below: E0104 …`. A line
`# set: classes=0` gives overrides. What is not announced fails, and so does what
is announced and does not come.

A case may have siblings: `.txt` the rendering, `.py` the emitted Python, `.onnx.txt`
the ONNX graph as text, `.fmt` the spec in its one layout. `pytest --bless`
rewrites siblings that exist, never marks.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from dlspec.diagnostics import Report
from dlspec.diagnostics.codes import CODES
from dlspec.diagnostics.render import render
from dlspec.pipeline import Compiled, compile_file
from dlspec.source import Source

ROOT = Path(__file__).parent.parent
CASES = sorted((ROOT / "tests/cases").rglob("*.dlnet"))
SPECS = sorted((ROOT / "specs").glob("*.dlnet"))
SIBLINGS = [
    path for case in CASES for suffix in (".txt", ".py", ".onnx.txt", ".fmt")
    if (path := case.with_suffix(suffix)).exists()
]  # fmt: skip
MOST_LINES = 25

_MARK = re.compile(r"#\s*(?:below:\s*)?([EW]\d{4})\b([^#]*)")
_BELOW = re.compile(r"\s*#\s*below:")


class Expected(NamedTuple):
    """A diagnostic that a file announces."""

    file: str
    line: int
    code: str
    part: str


def marks(path: Path) -> list[Expected]:
    """The diagnostics that a file announces."""
    found: list[Expected] = []
    text = path.read_bytes().decode("utf-8", "replace")
    for number, line in enumerate(text.split("\n"), 1):
        target = number + 1 if _BELOW.match(line) else number
        for code, part in _MARK.findall(line):
            found.append(Expected(path.name, target, code, part.strip()))
    return found


def overrides(path: Path) -> dict[str, str]:
    text = path.read_bytes().decode("utf-8", "replace")
    settings = re.findall(r"^# set: (\S+)=(\S+)$", text, re.MULTILINE)
    return dict(settings)


def compiled(path: Path) -> Compiled:
    return compile_file(path, overrides(path))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*CASES, *SPECS], ids=name)
def test_a_case_gives_what_it_announces(path: Path) -> None:
    diagnostics = compiled(path).diagnostics
    files = {path} | {d.span.source.path for d in diagnostics if d.span.source.path}
    awaited = [mark for file in sorted(files) for mark in marks(file)]
    unannounced: list[str] = []
    for diagnostic in diagnostics:
        span = diagnostic.span
        fits = [
            mark for mark in awaited
            if (mark.file, mark.line, mark.code)
            == (Path(span.source.name).name, span.line, diagnostic.code)
            and mark.part in diagnostic.message
        ]  # fmt: skip
        if fits:
            awaited.remove(fits[0])
        else:
            unannounced.append(f"{span.line}: {diagnostic.code} {diagnostic.message}")
    assert (unannounced, awaited) == ([], [])


@pytest.mark.parametrize("path", SIBLINGS, ids=name)
def test_a_sibling_is_what_comes_out(path: Path, request: pytest.FixtureRequest) -> None:
    case = path.with_name(path.name.partition(".")[0] + ".dlnet")
    printed = _PRINTERS[path.name.partition(".")[2]](case)
    if request.config.getoption("--bless"):
        path.write_text(printed, encoding="utf-8")
    assert printed == path.read_text(encoding="utf-8")


def _rendering(case: Path) -> str:
    text = render(compiled(case).diagnostics)
    return text.replace(str(case.parent) + "/", "")


def _python(case: Path) -> str:
    from dlspec.backends.torch import emit

    program = compiled(case).checked()
    plan = program.trains[0] if program.trains else None
    return emit(program, plan.model if plan else program.models[0], plan=plan)


def _onnx(case: Path) -> str:
    import onnx

    from dlspec.backends.onnx import build

    program = compiled(case).checked()
    model = build(program, program.models[0])
    del model.graph.initializer[:]  # thousands of numbers say nothing to a reader
    del model.metadata_props[:]
    model.producer_version = ""
    return onnx.printer.to_text(model) + "\n"


def _layout(case: Path) -> str:
    from dlspec.syntax.formatter import formatted

    text = formatted(Source(case.name, case.read_text(encoding="utf-8")), Report())
    assert text is not None
    return text


_PRINTERS = {"txt": _rendering, "py": _python, "onnx.txt": _onnx, "fmt": _layout}


@pytest.mark.parametrize("path", CASES, ids=name)
def test_a_case_is_small_and_says_what_it_is(path: Path) -> None:
    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    assert len(lines) <= MOST_LINES
    assert lines[0].startswith("# ")
    assert {mark.code for mark in marks(path)} <= set(CODES)
