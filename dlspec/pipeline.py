"""The whole compiler on one page: text to diagnostics and a program.

    text --decode--> source --parse--> syntax tree --elaborate--> program

Each stage is a plain function from one typed value to the next; what stands
behind a program (PyTorch, ONNX, training) is called by the commands.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dlspec.diagnostics import Diagnostic, Report, SpecError
from dlspec.ir.graph import Program
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers import broken, find, inferred
from dlspec.packaged import folder
from dlspec.passes.elaborate import elaborate
from dlspec.passes.overrides import override
from dlspec.passes.resolve import resolved
from dlspec.source import Source, Span
from dlspec.syntax import decode, parse, tree

LARGEST_FILE = 4 * 2**20
LARGEST_PROGRAM = 2**28
"""Bytes of a program in JSON form: 100,000 layers take about 100 MiB."""
STANDARD = "std:"
NO_OVERRIDES: Mapping[str, str] = {}


class Compiled(NamedTuple):
    """What compiling a spec gives. `program` is None where there are errors.

    `spans` finds the place of a node by its graph's key and its path.
    """

    program: Program | None
    diagnostics: tuple[Diagnostic, ...]
    source: Source | None
    spans: Mapping[tuple[str, str], Span]
    written: tree.Module | None = None
    overridden: tree.Module | None = None
    used: tuple[Source, ...] = ()

    @property
    def failed(self) -> bool:
        return self.program is None

    def checked(self) -> Program:
        """The program. Raises SpecError where there are errors."""
        if self.program is None:
            raise SpecError(self.diagnostics)
        return self.program

    def resolved(self) -> str:
        """The text of a spec that gives the same program, every default and override in it.

        Raises SpecError where there are errors; ValueError for a program that was read from
        its JSON form, which has no text.
        """
        program = self.checked()
        if self.source is None or self.written is None or self.overridden is None:
            raise ValueError("a program in JSON form has no text to resolve")
        return resolved(self.source, self.written, self.overridden, program)

    def resolved_files(self) -> dict[str, str]:
        """The resolved text as `spec.dlnet`, and the files that it uses at the paths it names.

        A program that was read from its JSON form has none. Raises SpecError where there are
        errors.
        """
        return self._files(self.resolved()) if self.written is not None else {}

    def written_files(self) -> dict[str, str]:
        """The same with the spec as it was written: overrides and defaults are not in it."""
        if self.written is None or self.source is None:
            return {}
        return self._files(self.source.text)

    def _files(self, text: str) -> dict[str, str]:
        assert self.source is not None
        files = {"spec.dlnet": text}
        folder = self.source.path.parent if self.source.path is not None else None
        for source in self.used:
            if folder is not None and source.path is not None:
                name = source.path.relative_to(folder).as_posix()
                if name in files:  # a used file keeps its name, the resolved text gives way
                    files["resolved.dlnet"] = files["spec.dlnet"]
                files[name] = source.text
        return files


def compile_text(
    text: str, name: str = "<text>", overrides: Mapping[str, str] = NO_OVERRIDES
) -> Compiled:
    """Compile the text of a spec. It can use packaged files (`std:`) alone."""
    return _compile(name, text.encode("utf-8", "surrogatepass"), None, overrides)


def compile_file(path: str | Path, overrides: Mapping[str, str] = NO_OVERRIDES) -> Compiled:
    """Compile a `.dlnet` file, a program in its JSON form (`.json`), or standard input (`-`).

    Raises OSError where the file cannot be read.
    """
    if str(path) == "-":
        return _compile("<stdin>", sys.stdin.buffer.read(LARGEST_FILE + 1), None, overrides)
    file = Path(path)
    if file.suffix == ".json":
        return _read_program(file, _read(file, LARGEST_PROGRAM), overrides)
    return _compile(str(path), _read(file), file.resolve(), overrides)


def _read(file: Path, most: int = LARGEST_FILE) -> bytes:
    """The bytes of a regular file, one more than `most` at most."""
    with file.open("rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(f"{file} is not a regular file")
        return stream.read(most + 1)


def _compile(name: str, data: bytes, path: Path | None, overrides: Mapping[str, str]) -> Compiled:
    report = Report()
    source = decode(name, data, report, path)
    if source is None:
        return Compiled(None, report.ordered(), None, {})
    module = parse(source, report)
    opener = _Opener(path.parent if path is not None else None)
    overridden = override(module, overrides, opener.open, report)
    elaborated = elaborate(overridden, opener.open, path, report)
    program = None if report.failed else elaborated.program
    sources = [source, *(used.span.source for used in opener.parsed.values())]
    if any("dlspec:" in one.text for one in sources):
        # Imported where a comment may be meant: few specs have one.
        from dlspec.passes.allowances import tell_idle, without_allowed

        report, idle = without_allowed(report, sources)
        if program is not None and not overrides:
            tell_idle(idle, module, elaborated.spans, report)
    return Compiled(
        program,
        report.ordered(),
        source,
        elaborated.spans,
        module,
        overridden,
        tuple(opener.sources),
    )


class _Opener:
    """Opens the files that `use` names: below the main spec's folder, or packaged ones."""

    def __init__(self, root: Path | None) -> None:
        self.root = root
        self.parsed: dict[Path, tree.Module] = {}
        self.sources: list[Source] = []

    def open(
        self, written: str, source: Source, span: Span, report: Report
    ) -> tuple[Path, tree.Module] | None:
        """The file and its syntax tree. Reports E0207, then None."""
        path = self._place(written, source, span, report)
        if path is None:
            return None
        if path not in self.parsed:
            try:
                data = _read(path)
            except OSError:
                report.error("E0207", span, f"the file `{written}` cannot be read")
                return None
            packaged = path.is_relative_to(folder("specs").resolve())
            name = f"{STANDARD}{path.stem}" if packaged else _shown(path, source)
            opened = decode(name, data, report, path)
            if opened is None:
                return None
            self.parsed[path] = parse(opened, report)
            if self.root is not None and path.is_relative_to(self.root.resolve()):
                self.sources.append(opened)
        return path, self.parsed[path]

    def _place(self, written: str, source: Source, span: Span, report: Report) -> Path | None:
        if written.startswith(STANDARD):
            return _standard(written.removeprefix(STANDARD), span, report)
        packaged = source.name.startswith(STANDARD)
        root = folder("specs") if packaged else self.root
        if root is None or source.path is None:
            report.error(
                "E0207",
                span,
                "a spec that is no file can use packaged files alone",
                help='for example `use ResNet from "std:resnet"`',
            )
            return None
        problem = None
        if "\0" in written or Path(written).is_absolute():
            problem = "is absolute"
        else:
            path = _real(source.path.parent / written)
            if path is None:
                problem = "is a link to itself"
            elif not path.is_relative_to(root.resolve()):
                problem = "leaves the folder of the spec"
            elif not path.is_file():
                problem = "does not exist"
            else:
                return path
        report.error(
            "E0207",
            span,
            f"the path `{written}` {problem}",
            help="a spec uses files at or below its own folder",
        )
        return None


def _real(path: Path) -> Path | None:
    """The path with its links followed; None where they go round in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # Python to 3.12 raises the one, later ones the other
        return None


def _shown(path: Path, user: Source) -> str:
    """A used file's name for messages, beside the name of the file that uses it."""
    if user.path is None:
        return path.name
    return str(Path(user.name).parent / os.path.relpath(path, user.path.parent))


def _standard(name: str, span: Span, report: Report) -> Path | None:
    known = {file.stem: file for file in folder("specs").glob("*.dlnet")}
    if name in known:
        return known[name]
    from dlspec.passes.scope import did_you_mean

    report.error(
        "E0207",
        span,
        f"there is no packaged spec `{name}`",
        help=did_you_mean(name, known) or "there are " + ", ".join(sorted(known)),
    )
    return None


def _read_program(file: Path, data: bytes, overrides: Mapping[str, str]) -> Compiled:
    """A program from its JSON form. Overrides need the text of a spec."""
    from pydantic import ValidationError

    from dlspec.ir.soundness import fault
    from dlspec.passes.trainsoundness import setting_fault

    source = Source(str(file), "")
    report = Report()
    if overrides:
        report.error(
            "E0309",
            Span(source, 0, 0),
            "a program in JSON form cannot be overridden",
            help="use the `.dlnet` file it was made from",
        )
        return Compiled(None, report.ordered(), source, {})
    if len(data) > LARGEST_PROGRAM:
        report.error("E0702", Span(source, 0, 0), "a program in JSON form has at most 256 MiB")
        return Compiled(None, report.ordered(), source, {})
    layers = _Layers()
    try:
        program = Program.model_validate_json(data, context={"layers": layers.find})
        wrong = fault(program, layers.infer) or setting_fault(program)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        program, wrong = None, f"{place + ': ' if place else ''}{first['msg']}"
    for message in layers.problems:
        report.error("E0212", Span(source, 0, 0), message, help="tell its authors")
        program = None
    if wrong is not None and not layers.problems:
        message = f"this is not a dlspec program in JSON form: {wrong}"
        report.error("E0001", Span(source, 0, 0), message)
        program = None
    return Compiled(program, report.ordered(), source, {})


class _Layers:
    """The layers that a program in JSON form may have; collects what is wrong with those of other
    packages."""

    def __init__(self) -> None:
        self.problems: dict[str, None] = {}

    def find(self, kind: str) -> type[Layer] | None:
        """The layer of that name, or None."""
        problem = broken(kind)
        if problem is not None:
            self.problems[str(problem)] = None
        return find(kind)

    def infer(self, layer: Layer, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """The types of a layer's results. Raises ShapeProblem where there are none."""
        try:
            return inferred(layer, inputs)
        except ShapeProblem as problem:
            if problem.code == "E0212":
                self.problems[problem.message] = None
            raise
