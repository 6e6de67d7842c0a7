"""What people and programs are shown of a diagnostic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlspec.diagnostics import Diagnostic, Fix, Label
from dlspec.diagnostics.render import count, render
from dlspec.diagnostics.render.as_text import render_one
from dlspec.diagnostics.render.cells import laid_out, printable, width
from dlspec.source import Source, Span

RESNET = """\
# A residual network.
model ResNet {
  input image: float[3, 28, 28]

  Conv(64, 3, padding=1)



  skip = it -> Conv(64, 1)

  Conv(128, 3, padding=1)


  it + skip -> ReLU
}
"""


def span(source: Source, text: str, after: str = "") -> Span:
    """The first place of `text` in a source, or the first behind `after`."""
    start = source.text.index(text, source.text.index(after) + len(after))
    return Span(source, start, start + len(text))


def addition(source: Source) -> Diagnostic:
    return Diagnostic(
        "E0402", "error",
        "these tensors cannot be added: [64, 28, 28] and [128, 28, 28]",
        span(source, "it", "padding=1)\n\n\n  "),
        labels=(
            Label(span(source, "Conv(64, 1)"), "this is [64, 28, 28]"),
            Label(span(source, "skip", "it + "), "axis 0 differs: 128 and 64"),
        ),
        help="give the convolution on line 9 128 filters",
    )  # fmt: skip


def test_the_form_of_the_language_guide() -> None:
    source = Source("resnet.dlnet", RESNET)
    assert (
        render([addition(source)])
        == """\
error[E0402]: these tensors cannot be added: [64, 28, 28] and [128, 28, 28]
  ┌─ resnet.dlnet:14:3
  │
9 │   skip = it -> Conv(64, 1)
  │                ----------- this is [64, 28, 28]
…
14│   it + skip -> ReLU
  │   ^^   ---- axis 0 differs: 128 and 64
  │
  = help: give the convolution on line 9 128 filters

1 error
"""
    )


def test_labels_hang_below_when_there_are_several_on_a_line() -> None:
    source = Source("a.dlnet", "x + y * z\n")
    found = Diagnostic(
        "E0402", "error", "no", span(source, "x"), "one",
        (Label(span(source, "y"), "two"), Label(span(source, "z"), "three")),
    )  # fmt: skip
    assert (
        render_one(found)
        == """\
error[E0402]: no
  ┌─ a.dlnet:1:1
  │
1 │ x + y * z
  │ ^   -   - three
  │ │   ╰ two
  │ ╰ one
"""
    )


def test_a_mark_within_a_mark_is_seen() -> None:
    source = Source("a.dlnet", "Conv(8, 3)\n")
    found = Diagnostic(
        "E0303", "error", "no", span(source, "Conv(8, 3)"), "whole",
        (Label(span(source, "8"), "part"),),
    )  # fmt: skip
    assert (
        render_one(found)
        == """\
error[E0303]: no
  ┌─ a.dlnet:1:1
  │
1 │ Conv(8, 3)
  │ ^^^^^-^^^^
  │ │    ╰ part
  │ ╰ whole
"""
    )


def test_another_file_has_an_excerpt_of_its_own() -> None:
    main, blocks = Source("a.dlnet", "Stem -> ReLU\n"), Source("blocks.dlnet", "\nblock Stem {}\n")
    found = Diagnostic(
        "E0412", "warning", "no", span(main, "Stem"), "used here",
        (Label(span(blocks, "block Stem"), "declared here"),),
    )  # fmt: skip
    assert (
        render_one(found)
        == """\
warning[E0412]: no
  ┌─ a.dlnet:1:1
  │
1 │ Stem -> ReLU
  │ ^^^^ used here
  │
  ┌─ blocks.dlnet:2:1
  │
2 │ block Stem {}
  │ ---------- declared here
"""
    )


def test_a_span_of_several_lines_shows_its_ends() -> None:
    source = Source("a.dlnet", "model A {\n  Dense(1)\n  ReLU\n\n}\nlet x = 1\n")
    found = Diagnostic("E0211", "error", "no", Span(source, 0, source.text.index("let")), "all")
    assert (
        render_one(found)
        == """\
error[E0211]: no
  ┌─ a.dlnet:1:1
  │
1 │ model A {
  │ ^^^^^^^^^
…
5 │ }
  │ ^ all
"""
    )


def test_one_line_between_two_is_shown_instead_of_left_out() -> None:
    source = Source("a.dlnet", "one\ntwo\nthree\n")
    found = Diagnostic(
        "E0201", "error", "no", span(source, "three"), labels=(Label(span(source, "one"), "here"),)
    )
    assert "2 │ two\n3 │ three" in render_one(found)


def test_the_gutter_grows_with_the_line_numbers() -> None:
    source = Source("a.dlnet", "\n" * 1233 + "oops\n")
    assert (
        render_one(Diagnostic("E0201", "error", "no", span(source, "oops")))
        == """\
error[E0201]: no
    ┌─ a.dlnet:1234:1
    │
1234│ oops
    │ ^^^^
"""
    )


@pytest.mark.parametrize(
    ("line", "target", "shown", "marks"),
    [
        ("\tx + y", "y", "    x + y", "        ^"),
        ("ab\tx", "x", "ab  x", "    ^"),
        ("日本 + y", "y", "日本 + y", "       ^"),
        ("日本 + y", "本", "日本 + y", "  ^^"),
        ("e\u0301x", "x", "e\u0301x", " ^"),
        ("\x1b[31mx", "x", "\\x1b[31mx", "        ^"),
        ("\u202ex", "x", "\\u202ex", "      ^"),
        ("\ud800x", "x", "\\ud800x", "      ^"),
    ],
)
def test_marks_stand_under_their_characters(line: str, target: str, shown: str, marks: str) -> None:
    source = Source("a.dlnet", line + "\n")
    printed = render_one(Diagnostic("E0002", "error", "no", span(source, target))).splitlines()
    assert printed[3] == f"1 │ {shown}"
    assert printed[4] == f"  │ {marks}"


def test_a_long_line_is_cut_around_its_marks() -> None:
    source = Source("a.dlnet", "a" * 5000 + "oops" + "b" * 5000 + "\n")
    printed = render_one(Diagnostic("E0101", "error", "no", span(source, "oops"))).splitlines()
    line, marks = printed[3], printed[4]
    assert line.startswith("1 │ …a") and line.endswith("b…")
    assert len(line) < 200
    assert line[marks.index("^") : marks.rindex("^") + 1] == "oops"


def test_the_end_of_the_text_can_be_marked() -> None:
    source = Source("a.dlnet", "model A {")
    found = Diagnostic("E0102", "error", "no", Span(source, 9, 9), "ends here")
    assert render_one(found).endswith("1 │ model A {\n  │          ^ ends here\n")
    empty = Source("b.dlnet", "")
    assert "1 │\n  │ ^" in render_one(Diagnostic("E0101", "error", "no", Span(empty, 0, 0)))


def test_help_and_fix() -> None:
    source = Source("a.dlnet", "Dens(1)\n")
    place = span(source, "Dens")
    found = Diagnostic(
        "E0202", "error", "no", place, help="first\nsecond",
        fix=Fix(place, "Dense", "change the name"),
    )  # fmt: skip
    assert render_one(found).endswith("""\
  │
  = help: first
          second
  = fix: change the name: `Dense`
""")


def test_nothing_of_a_text_steers_the_terminal() -> None:
    source = Source("a\x1b[2J.dlnet", "\x1b[31mred\n")
    place = Span(source, 0, 3)
    found = Diagnostic(
        "E0002", "error", "a \x1b[31m b\nc", place, "l\x07", help="h\x9b",
        fix=Fix(place, "\x1b", "t\u202e"),
    )  # fmt: skip
    for format in ("text", "json", "sarif", "github"):
        printed = render([found], format)
        assert not [c for c in printed if c != "\n" and not c.isprintable()], format


def test_counting() -> None:
    source = Source("a.dlnet", "x")
    error = Diagnostic("E0201", "error", "no", Span(source, 0, 1))
    warning = error._replace(severity="warning")
    assert count([error, error, warning]) == "2 errors, 1 warning"
    assert count([warning, warning]) == "2 warnings"
    assert count([]) == ""
    assert render([], "text") == ""


def test_a_person_is_shown_a_hundred_and_errors_first() -> None:
    source = Source("many.dlnet", "a\n" * 150)
    found = [
        Diagnostic(
            "W0201", "warning" if n < 120 else "error", f"no. {n}", Span(source, 2 * n, 2 * n)
        )
        for n in range(150)
    ]
    text = render(found)
    assert text.count("no. ") == 100
    assert text.index("no. 120") < text.index("no. 149") < text.index("no. 0")
    assert text.endswith("30 errors, 120 warnings; 100 are shown, `--format json` lists all\n")
    assert len(json.loads(render(found, "json"))["diagnostics"]) == 150


def test_json() -> None:
    source = Source("resnet.dlnet", RESNET)
    place = span(source, "Conv(64, 1)")
    found = addition(source)._replace(fix=Fix(place, "Conv(128, 1)", "widen it", safe=True))
    (value,) = json.loads(render([found], "json"))["diagnostics"]
    assert value == {
        "code": "E0402",
        "severity": "error",
        "message": "these tensors cannot be added: [64, 28, 28] and [128, 28, 28]",
        "file": "resnet.dlnet",
        "line": 14, "column": 3, "end_line": 14, "end_column": 5,
        "labels": [
            {
                "file": "resnet.dlnet", "line": 9, "column": 16, "end_line": 9, "end_column": 27,
                "text": "this is [64, 28, 28]",
            },
            {
                "file": "resnet.dlnet", "line": 14, "column": 8, "end_line": 14, "end_column": 12,
                "text": "axis 0 differs: 128 and 64",
            },
        ],
        "help": "give the convolution on line 9 128 filters",
        "fix": {
            "title": "widen it", "safe": True, "replacement": "Conv(128, 1)",
            "file": "resnet.dlnet", "line": 9, "column": 16, "end_line": 9, "end_column": 27,
        },
    }  # fmt: skip
    assert json.loads(render([], "json")) == {"diagnostics": []}


def test_sarif(tmp_path: Path) -> None:
    path = tmp_path / "a net.dlnet"
    source = Source(str(path), RESNET, path)
    report = json.loads(render([addition(source)], "sarif"))
    assert report["version"] == "2.1.0"
    (run,) = report["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["E0402"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert unquote(urlsplit(place["artifactLocation"]["uri"]).path) == str(path)
    assert place["region"] == {"startLine": 14, "startColumn": 3, "endLine": 14, "endColumn": 5}
    assert [r["message"]["text"] for r in result["relatedLocations"]] == [
        "this is [64, 28, 28]", "axis 0 differs: 128 and 64",
    ]  # fmt: skip


def test_github_commands_hold_one_line_each() -> None:
    source = Source("a,b:c.dlnet", "x\n::error::injected\n")
    found = Diagnostic("E0201", "error", "100% wrong\n::error::injected", Span(source, 0, 1))
    assert render([found], "github") == (
        "::error file=a%2Cb%3Ac.dlnet,line=1,endLine=1,title=E0201,col=1,endColumn=2"
        "::100%25 wrong%0A::error::injected\n"
    )


def test_plain_text_needs_no_rich() -> None:
    code = (
        "import sys\nfrom dlspec.source import Source, Span\n"
        "from dlspec.diagnostics import Diagnostic\nfrom dlspec.diagnostics.render import render\n"
        "render([Diagnostic('E0201', 'error', 'no', Span(Source('a', 'x'), 0, 1))])\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.text(), st.data())
def test_any_text_and_any_spans_can_be_shown(text: str, data: st.DataObject) -> None:
    source = Source("a.dlnet", text)
    offsets = st.integers(0, len(text))
    spans = [Span(source, *sorted((data.draw(offsets), data.draw(offsets)))) for _ in range(3)]
    labels = tuple(Label(place, "label") for place in spans[1:])
    found = Diagnostic("E0101", "error", text, spans[0], "own", labels, help=text)
    for format in ("text", "json", "sarif", "github"):
        printed = render([found], format)
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in printed if c != "\n"), format


@given(st.text(alphabet=st.characters(exclude_characters="\t")))
def test_printable_text_has_no_controls(text: str) -> None:
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in printable(text))


@given(st.text())
def test_cells_are_counted_along(text: str) -> None:
    line, cells = laid_out(text)
    assert len(cells) == len(text) + 1
    assert cells == sorted(cells)
    assert cells[-1] == width(line)
