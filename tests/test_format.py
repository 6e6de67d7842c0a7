"""`dlspec fmt`: one layout whatever the blanks were; no comment lost, no meaning changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_specs import random_spec
from syntax_trees import bare, good, parsed
from test_cases import CASES, SPECS
from test_cli import Done, run
from test_docs import SPECS as BLOCKS
from test_syntax import EVERYTHING
from written_specs import scattered, sentence

from dlspec.diagnostics import Report
from dlspec.source import Source
from dlspec.syntax import decode, formatter
from dlspec.syntax.formatter.document import WIDTH
from dlspec.syntax.formatter.pieces import comments, pieces
from dlspec.syntax.parse import scan

ROOT = Path(__file__).parent.parent
CANONICAL = """\
# A network.
model Net(classes=10) {
  input image: float[1, 8, 8]
  Flatten -> Dense(classes)
}
"""
LOOSE = CANONICAL.replace(" -> ", "->")


def formatted(text: str) -> str:
    report = Report()
    out = formatter.formatted(Source("test.dlnet", text), report)
    assert out is not None, [(d.code, d.message) for d in report.diagnostics]
    return out


def meaning(text: str) -> tuple[Any, list[str]]:
    """The tree without its spans, and what the comments above declarations document."""
    module = good(text)
    documented = [getattr(part, "documentation", "") for part in module.declarations]
    return bare(module), [module.documentation, *documented]


def comments_of(text: str) -> list[str]:
    return list(comments(pieces(text, scan(Source("test.dlnet", text), Report()))))


def check(text: str) -> str:
    """Hold what is true of every layout, and return it."""
    out = formatted(text)
    assert formatted(out) == out
    assert meaning(out) == meaning(text)
    assert comments_of(out) == comments_of(text)
    lines = out.split("\n")
    assert lines[-1] == "" and (out == "" or lines[-2] != "")
    assert not any(line != line.rstrip() or "\t" in line for line in lines if '"' not in line)
    assert "\n\n\n" not in out and not out.startswith("\n")
    return out


def parts(text: str) -> bool:
    """Whether a text is a spec without mistakes of syntax."""
    return not parsed(text)[1]


# --- every spec there is ---------------------------------------------------------------

FILES = [path for path in [*CASES, *SPECS] if parts(path.read_bytes().decode("utf-8", "replace"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files(path: Path) -> None:
    check(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("block", BLOCKS, ids=[block.place for block in BLOCKS])
def test_examples_of_the_documentation(block: Any) -> None:
    text = block.text
    check(f"model M {{\n  input x: float[3, 32, 32]\n{text}}}\n" if "body" in block.info else text)


def test_everything_that_there_is() -> None:
    check(EVERYTHING)


def test_the_packaged_specs_are_laid_out() -> None:
    done = run("fmt", "--check", ROOT / "specs", ROOT / "benchmarks", ROOT / "dlspec")
    assert done.code == 0, done.out


def test_the_examples_of_the_language_are_laid_out_already() -> None:
    """Blocks of the design's page that show the layout: forks, branches and settings."""
    text = """\
block Inception(c1, r3, c3, r5, c5, pool) {
  ( ConvBN(c1, 1),
    ConvBN(r3, 1) -> ConvBN(c3, 3, padding=1),
    ConvBN(r5, 1) -> ConvBN(c5, 5, padding=2),
    MaxPool(3, stride=1, padding=1) -> ConvBN(pool, 1) ) -> Concat
}

block Bottleneck(width, stride=1) {
  skip = it -> if stride > 1 or it.channels != 4 * width {
    Conv(4 * width, 1, stride=stride, bias=false) -> BatchNorm
  }
  Conv(width, 1, bias=false) -> BatchNorm -> ReLU
  it + skip -> ReLU
}

model ResNet(depths=[3, 4, 6, 3], classes=1000) {
  input image: float[3, 224, 224]
  for (i, n) in enumerate(depths) {
    Bottleneck(64 * 2**i, stride=if i == 0 { 1 } else { 2 })
    repeat n - 1 { Bottleneck(64 * 2**i) }
  }
  it + (LayerNorm -> Attention(heads, causal=true))
  q, k, v = it -> Dense(3 * width) -> Split(3)
  parameter token: float[1, width] = normal(0.02)
}

train Generator, Discriminator on Digits {
  optimizer = adam(lr=2e-4, betas=(0.5, 0.999))
  step generator updates Generator {
    minimize binary_cross_entropy(normal(100) -> Generator -> Discriminator, 1)
  }
}
"""
    assert check(text) == text


# --- properties ------------------------------------------------------------------------


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.sampled_from((30, 120)))
def test_blanks_and_line_ends_play_no_part(seed: int, length: int) -> None:
    random = Random(seed)
    text = sentence(random, length)
    if not parts(text):
        return  # an argument by position behind one by name
    one, other = formatted(scattered(text, random)), formatted(scattered(text, random))
    assert one == other
    assert meaning(one) == meaning(text)


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.sampled_from((30, 120)))
def test_comments_anywhere_stay(seed: int, length: int) -> None:
    random = Random(seed)
    text = sentence(random, length)
    if parts(text):
        check(scattered(text, random, commented=True))


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_networks_of_every_layout(seed: int) -> None:
    random = Random(seed)
    text = random_spec(random)
    out = check(scattered(text, random, commented=True))
    assert bare(good(out)) == bare(good(text))
    # A comment stays behind its line, which may be as wide as any without it.
    assert max(len(line.partition("  #")[0]) for line in out.split("\n")) <= WIDTH


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([path for path in FILES if path in SPECS]))
def test_packaged_specs_come_back(seed: int, path: Path) -> None:
    """Whatever is done to the blanks of a spec without comments and empty lines is undone."""
    lines = path.read_text(encoding="utf-8").split("\n")
    bared = [line.partition("  #")[0] for line in lines if line.strip() and line[0] != "#"]
    text = formatted("\n".join(line for line in bared if not line.lstrip().startswith("#")))
    assert formatted(scattered(text, Random(seed))) == text


# --- single rules ----------------------------------------------------------------------


def laid_out(*statements: str) -> list[str]:
    """The lines of a block with these statements, without their indentation of two."""
    out = check("block B {\n" + "\n".join(statements) + "\n}\n").split("\n")
    assert (out[0], out[-2]) == ("block B {", "}")
    return [line[2:] for line in out[1:-2]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x=-1- -2+-y", "x = -1 - -2 + -y"),
        ("-x ** -2*3", "-x**-2 * 3"),
        ("10%  (2)", "10% (2)"),
        ("i%2+7 % (3)", "i % 2 + 7 % (3)"),
        ("1 .x", "1 .x"),
        ("x [ 1..3 ]", "x[1..3]"),
        ("x[a+1..b]", "x[a + 1 .. b]"),
        ("units=500 in 100..1_000", "units = 500 in 100 .. 1_000"),
        ("f ( a , b=1 , )", "f(a, b=1)"),
        ("f(for=1,step=step,in=2 in [1,2])", "f(for=1, step=step, in=2 in [1, 2])"),
        ("(a , )", "(a,)"),
        ("( a )", "(a)"),
        ("not(a)and(b)", "not (a) and (b)"),
        ("x . input . for", "x.input.for"),
        ("if a{b}else{c}", "if a { b } else { c }"),
        ("if a{b}\nelse if c{d}", "if a { b } else if c { d }"),
        ("{ }", "{}"),
        ("q ,k=it->Split(2)", "q, k = it -> Split(2)"),
        ('f("a  b#")', 'f("a  b#")'),
        ("input x : float [ 3 , ?n ]", "input x: float[3, ?n]"),
        ("for i in 0..n{A}", "for i in 0 .. n { A }"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert laid_out(text) == [line]


@pytest.mark.parametrize("width", [WIDTH, WIDTH + 1])
def test_the_width_is_exact(width: int) -> None:
    first = "n" * 40
    lines = laid_out(f"f({first}, {'m' * (width - len('  f(, )') - 40)})")
    assert len(lines) == (1 if width == WIDTH else 4)
    lines = laid_out(f"{first} -> F({'m' * (width - len('   -> F()') - 40)})")
    assert len(lines) == (1 if width == WIDTH else 2)


def test_two_comments_of_a_place_stay_two() -> None:
    assert laid_out("f(a # one", ", # two", "b)") == ["f(", "  a,  # one", "  # two", "  b,", ")"]


def test_a_comment_in_an_odd_place() -> None:
    assert laid_out("(Conv # odd", "(3), B)") == ["( Conv  # odd", "  (3),", "  B )"]


def test_comments_of_neighbours_are_below_each_other() -> None:
    assert laid_out("A # a", "Long(3)# b", "B", "C # c", "", "D # d") == [
        "A        # a",
        "Long(3)  # b",
        "B",
        "C        # c",
        "",
        "D  # d",
    ]
    long = f"F({'a' * 45}, {'b' * 45})"
    assert laid_out("A # " + "c" * 40, long + " # d") == ["A  # " + "c" * 40, long + "  # d"]


def test_empty_lines_between_declarations() -> None:
    text = 'use A from "a.dlnet"\nlet x = 1\n\n\nlet y = 2\nblock B { A }\n# C\nmodel C { B }\n'
    assert check(text) == (
        'use A from "a.dlnet"\nlet x = 1\n\nlet y = 2\n\nblock B {\n  A\n}\n\n'
        "# C\nmodel C {\n  B\n}\n"
    )


def test_a_comment_apart_from_a_declaration_stays_apart() -> None:
    text = "# head\n\n# apart\n\n# of B\nblock B {}\n"
    assert check(text) == text


@pytest.mark.parametrize("text", ["", "\n", "   \n\n\t\n", "# only\n", "\n\n# a\n\n\n# b"])
def test_texts_without_declarations(text: str) -> None:
    check(text)


def test_nesting_to_the_limit() -> None:
    for nest in ("({})", "f({})", "[{}]", "{{ {} }}", "if a {{ {} }} else {{ b }}", "({} -> A)"):
        text = "x # why"
        for _ in range(60):
            text = nest.format(text + "\n")
        check("block B {\n" + text + "\n}\n")


def test_long_texts_take_linear_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: the printer's looks ahead grow with the text alone."""
    looks: list[int] = []
    whole = formatter.Printer._head_fits

    def counted(self: Any, pending: Any, room: float) -> bool:
        def each() -> Any:
            for part in pending:
                looks[-1] += 1
                yield part

        return whole(self, each(), room)

    monkeypatch.setattr(formatter.Printer, "_head_fits", counted)
    for times in (50, 400):
        looks.append(0)
        formatted("let x = [" + "[f(a, b) -> G, 2], " * times + "]\n")
        looks[-1] = looks[-1] // times
    assert looks[1] <= looks[0] + 1


def test_a_layout_that_loses_something_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formatter, "_laid_out", lambda read: CANONICAL.replace("10", "11"))
    with pytest.raises(RuntimeError, match="would change what it says"):
        formatted(CANONICAL)
    monkeypatch.setattr(formatter, "_laid_out", lambda read: CANONICAL.replace("# A network.", ""))
    with pytest.raises(RuntimeError, match="would change what it says"):
        formatted(CANONICAL)


# --- the command -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One file that is laid out, and two that are not, one of them with mistakes."""
    (tmp_path / "below").mkdir()
    (tmp_path / "good.dlnet").write_text(CANONICAL)
    (tmp_path / "below/loose.dlnet").write_text(LOOSE)
    (tmp_path / "wrong.dlnet").write_text("model  A {\n  Dense(3\n}\n# kept\n")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.dlnet")}


def fmt(folder: Path, *arguments: object, stdin: str = "") -> Done:
    return run("fmt", *arguments, cwd=folder, stdin=stdin)


def test_files_are_written(folder: Path) -> None:
    before = contents(folder)
    good_file = (folder / "good.dlnet").stat()
    done = fmt(folder, "good.dlnet", "below")
    assert (done.code, done.out, done.err) == (
        0,
        "1 file reformatted, 1 file left unchanged\n",
        "",
    )
    assert contents(folder) == before | {"below/loose.dlnet": CANONICAL.encode()}
    assert (folder / "good.dlnet").stat().st_mtime_ns == good_file.st_mtime_ns
    assert sorted(p.name for p in folder.rglob("*") if p.is_file()) == [
        "good.dlnet",
        "loose.dlnet",
        "wrong.dlnet",
    ]


def test_a_file_with_mistakes_is_left_alone_and_the_others_are_not(folder: Path) -> None:
    before = contents(folder)
    done = fmt(folder, ".")
    assert done.code == 1
    assert "error[E0102]" in done.err and "wrong.dlnet" in done.err
    assert done.out == (
        "1 file reformatted, 1 file left unchanged, 1 file with mistakes, left unchanged\n"
    )
    assert contents(folder) == before | {"below/loose.dlnet": CANONICAL.encode()}


@pytest.mark.parametrize("options", [("--check",), ("--diff",), ("--check", "--diff")])
def test_nothing_is_written(folder: Path, options: Sequence[str]) -> None:
    before = contents(folder)
    done = fmt(folder, *options, "good.dlnet", "below")
    assert done.code == 1
    assert contents(folder) == before
    summary = "1 file would be reformatted, 1 file already formatted\n"
    assert summary == (done.err if "--diff" in options else done.out.partition("\n")[2])
    assert fmt(folder, *options, "good.dlnet").code == 0


def test_check_names_the_files(folder: Path) -> None:
    out = fmt(folder, "--check", "good.dlnet", "below").out
    assert out.split("\n")[0] == f"Would reformat: {Path('below/loose.dlnet')}"


def test_a_difference_can_be_applied(folder: Path) -> None:
    (folder / "loose.dlnet").write_bytes(LOOSE.removesuffix("\n").encode())
    done = fmt(folder, "--diff", "loose.dlnet")
    assert "\n-  Flatten->Dense(classes)\n" in done.out
    assert "\n-}\n\\ No newline at end of file\n" in done.out
    patched = subprocess.run(
        ["patch", "--silent", "loose.dlnet"], input=done.out, cwd=folder, text=True, check=False
    )
    assert patched.returncode == 0
    assert (folder / "loose.dlnet").read_text() == CANONICAL


def test_standard_input(folder: Path) -> None:
    assert fmt(folder, "-", stdin=LOOSE) == Done(0, CANONICAL, "")
    done = fmt(folder, "--check", "-", stdin=LOOSE)
    assert (done.code, done.out) == (
        1,
        "Would reformat: <stdin>\n1 file would be reformatted\n",
    )
    done = fmt(folder, "-", stdin="model A {")
    assert (done.code, done.out) == (1, "")
    assert "error[E0102]" in done.err


def test_json(folder: Path) -> None:
    done = fmt(folder, "--format", "json", "--check", "--diff", ".")
    said = json.loads(done.out)
    assert (done.code, done.err) == (1, "")
    assert [(f["file"], f["status"], bool(f["diff"])) for f in said["files"]] == [
        (str(Path("below/loose.dlnet")), "would_reformat", True),
        ("good.dlnet", "unchanged", False),
        ("wrong.dlnet", "invalid", False),
    ]
    assert [d["code"] for d in said["diagnostics"]] == ["E0102"]
    said = json.loads(fmt(folder, "--format", "json", "-", stdin=LOOSE).out)
    assert said["files"] == [{"file": "<stdin>", "status": "reformatted", "text": CANONICAL}]
    said = json.loads(fmt(folder, "--format", "json", "below").out)
    assert [file["status"] for file in said["files"]] == ["reformatted"]


def test_windows_files(folder: Path) -> None:
    file = folder / "good.dlnet"
    for content in (
        CANONICAL.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + CANONICAL.encode(),
    ):
        file.write_bytes(content)
        assert fmt(folder, "--check", "good.dlnet").code == 1
        assert fmt(folder, "--diff", "good.dlnet").out
        assert fmt(folder, "good.dlnet").code == 0
        assert file.read_bytes() == CANONICAL.encode()


@pytest.mark.skipif(os.name == "nt", reason="permissions of Unix")
def test_permissions_and_links_stay(folder: Path) -> None:
    file, link = folder / "below/loose.dlnet", folder / "link.dlnet"
    file.chmod(0o750)
    link.symlink_to(file)
    assert fmt(folder, "link.dlnet").code == 0
    assert link.is_symlink()
    assert file.read_text() == CANONICAL
    assert file.stat().st_mode & 0o777 == 0o750


def test_what_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.dlnet").write_text(LOOSE)
    below = folder / "below/loose.dlnet"
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "loose.dlnet")
    done = fmt(folder, "below", "other.dlnet")
    assert done.code == 3
    assert done.err == f"Error: {below.relative_to(folder)}: Permission denied\n"
    assert done.out == "1 file reformatted, 1 file not written\n"
    assert below.read_text() == LOOSE


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.dlnet"], 3, "no such file"),
        (["model.json"], 2, "a .json file has no layout"),
        ([], 2, "PATH"),
        (["empty"], 3, "no .dlnet file"),
    ],
)
def test_faults(folder: Path, arguments: list[str], code: int, words: str) -> None:
    (folder / "empty").mkdir()
    done = fmt(folder, *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


def test_bytes_that_are_no_text(folder: Path) -> None:
    (folder / "good.dlnet").write_bytes(b"\xff\xfe\x00")
    done = fmt(folder, "good.dlnet")
    assert done.code == 1
    assert "E0001" in done.err
    assert (folder / "good.dlnet").read_bytes() == b"\xff\xfe\x00"


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    report = Report()
    source = decode("test", data, report)
    if source is not None and formatter.formatted(source, report) is not None:
        check(source.text)


def test_fmt_is_light() -> None:
    """Laying out imports neither layers nor Pydantic."""
    program = (
        "import sys; sys.argv = ['dlspec', 'fmt', '--check', 'specs']\n"
        "from dlspec.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'pydantic', 'torch', 'numpy', 'dlspec.layers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
