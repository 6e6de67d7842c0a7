"""Warnings from the outside: their fixes keep what a network computes, comments let them be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

import dlspec
from dlspec.backends.torch.loading import load_module
from dlspec.cli.app import dlspec as command
from dlspec.pipeline import compile_file, compile_text


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def codes(path: Path, **settings: str) -> list[str]:
    return [d.code for d in compile_file(path, settings).diagnostics]


# --- fixes -------------------------------------------------------------------------------

DOUBTFUL = """\
model Net(act=tanh) {
  input image: float[3, 12, 12]
  Conv(8, 3, activation=relu) -> ReLU -> MaxPool(2)
  Conv(8, 3)  -> BatchNorm -> ReLU
  Conv(
    8,
    1,
  )
  BatchNorm2D -> ReLU
  ReLU
  Flatten -> Dense(16) -> BatchNorm -> Tanh
  Dense(8, activation=act) -> Tanh -> Dense(4)
}
"""
MENDED = """\
model Net(act=tanh) {
  input image: float[3, 12, 12]
  Conv(8, 3, activation=relu) -> MaxPool(2)
  Conv(8, 3, bias=false)  -> BatchNorm -> ReLU
  Conv(
    8,
    1, bias=false
  )
  BatchNorm2D -> ReLU
  Flatten -> Dense(16, bias=false) -> BatchNorm -> Tanh
  Dense(8, activation=act) -> Tanh -> Dense(4)
}
"""


def test_fixes_keep_what_a_network_computes(tmp_path: Path) -> None:
    spec = tmp_path / "net.dlnet"
    spec.write_text(DOUBTFUL)
    before = load_module(dlspec.load(spec).models["Net"].to_torch())()
    done = run("check", "--fix", spec)
    assert spec.read_text() == MENDED
    assert "5 fixes applied" in done.output
    assert codes(spec) == ["W0403"], "two of an activation that is a parameter"
    after = load_module(dlspec.load(spec).models["Net"].to_torch())()
    weights = {n: w for n, w in before.state_dict().items() if n in after.state_dict()}
    after.load_state_dict(weights)
    torch.manual_seed(0)
    images = torch.randn(8, 3, 12, 12)
    torch.testing.assert_close(after.train()(images), before.train()(images))


@pytest.mark.parametrize(
    "line",
    [
        "Conv(8, 3) -> if norm { BatchNorm }",
        "Conv(8, 3) -> # the bias\n  BatchNorm",
        "Dense(8, activation=act) -> Tanh",
        "Tanh -> if norm { Tanh }",
        "Tanh -> Tanh",
        "Ends -> ReLU",
    ],
)
def test_what_other_arguments_need_is_left(line: str, tmp_path: Path) -> None:
    spec = tmp_path / "net.dlnet"
    text = (
        "block Ends(last=true) { if last { ReLU } }\n"
        "model Net(norm=true, act=tanh) {\n  input image: float[3, 12, 12]\n"
        f"  Conv(2, 1) -> Flatten -> Reshape((2, 12, 12)) -> if norm {{ it + 0 }}\n"
        f"  Dense(4, activation=act)  # dlspec: allow W0401\n  Ends\n  it + 0\n  {line}\n}}\n"
    )
    spec.write_text(text)
    assert set(codes(spec)) & {"W0301", "W0403"}
    run("check", "--fix", spec)
    assert spec.read_text() == text


def test_packaged_specs_are_not_mended(tmp_path: Path) -> None:
    from dlspec.cli.fixing import apply_safe_fixes
    from dlspec.diagnostics import Diagnostic, Fix
    from dlspec.source import Source, Span

    path = tmp_path / "packaged.dlnet"
    path.write_text("ReLU -> ReLU\n")
    place = Span(Source("std:packaged", "ReLU -> ReLU\n", path), 4, 12)
    found = Diagnostic("W0403", "warning", "twice", place, fix=Fix(place, "", "", True))
    assert apply_safe_fixes([found]) == {}


# --- allowances --------------------------------------------------------------------------

BLOCKS = """\
# What stays, as torchvision has it.
# dlspec: allow W0403
block Kept(filters) {
  Conv(filters, 3) -> BatchNorm -> ReLU  # dlspec: allow W0301, as torchvision has it
}

block Other {
  Conv(8, 3, bias=false) -> BatchNorm    # dlspec: allow W0301, W0405
}
"""
USER = """\
use Kept, Other from "blocks.dlnet"
model Net {
  input image: float[3, 12, 12]
  Kept(8) -> Other
  Conv(8, 3) -> BatchNorm -> ReLU
}
"""


def test_allowances_hold_in_used_files(tmp_path: Path) -> None:
    (tmp_path / "blocks.dlnet").write_text(BLOCKS)
    user = tmp_path / "net.dlnet"
    user.write_text(USER)
    found = compile_file(user).diagnostics
    assert [(d.code, d.span.line, Path(d.span.source.name).name) for d in found] == [
        ("W0301", 5, "net.dlnet")
    ], "what silences nothing is told where its own file is checked"
    assert codes(tmp_path / "blocks.dlnet") == [], "its blocks hang on who uses them"


def test_text_and_json_leave_out_the_same(tmp_path: Path) -> None:
    spec = tmp_path / "net.dlnet"
    spec.write_text("model N {\n  input x: float[3, 9, 9]\n  Dense(3)  # dlspec: allow W0401\n}\n")
    assert json.loads(run("check", spec, "--format", "json").stdout) == {"diagnostics": []}
    assert run("check", spec).output == "1 file, no mistakes\n"
    assert run("check", spec, "--warnings-as-errors").exit_code == 0
    assert json.loads(run("check", spec, "--format", "sarif").stdout)["runs"][0]["results"] == []


def test_a_comment_for_the_compiler_documents_nothing() -> None:
    compiled = compile_text(
        "# dlspec: allow W0202\n# Says something.\n# dlspec: allow W0201\nmodel N {\n"
        "  input x: float[3]\n  Dense(3)\n}\n"
    )
    assert compiled.checked().models == ("N",)
    assert compiled.checked().graphs["N"].documentation == "Says something."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# dlspec: a small compiler\nmodel N { input x: float[3]\n Dense(3) }\n", []),
        ('let a = "# dlspec: allow W0201"\nmodel N { input x: float[3]\n Dense(3) }', ["W0201"]),
        ("model N { input x: float[3]\r\n y = it -> ReLU  # dlspec: allow W0201\r\n Dense(3)}", []),
        ("# dlspec: allow W0401, E0402\nmodel N { input x: float[3]\n Dense(3) }\n", ["W0101"] * 1),
        ("model N { input x: float[3]\n Dens(3) # dlspec: allow E0202\n}", ["E0202", "W0101"]),
        ("# dlspec: allow W0401", ["W0102"]),
        ("# dlspec: allow w0401", ["W0101"]),
        ("# dlspec: alow W0401", ["W0101"]),
    ],
)
def test_what_a_comment_can_say(text: str, expected: list[str]) -> None:
    found = sorted(d.code for d in compile_text(text).diagnostics)
    assert [code for code in found if code != "W0102" or expected == ["W0102"]] == expected


LONG = """\
model Net {
  input image: float[3, 32, 32]
  Conv(64, 7, stride=2, padding=3, dilation=1, groups=1, padding_mode=zeros) -> BatchNorm -> MaxPool(3, stride=2) -> BatchNorm # dlspec: allow W0301
  # dlspec: allow W0301
  (Conv(16, 3, padding=1, stride=1, dilation=1) -> BatchNorm, Conv(16, 3, padding=1) -> ReLU, Conv(16, 1) -> BatchNorm) -> Concat
}
"""  # noqa: E501


def test_a_line_that_is_laid_out_in_several_stays_allowed(tmp_path: Path) -> None:
    spec = tmp_path / "net.dlnet"
    spec.write_text(LONG)
    assert codes(spec) == []
    assert run("fmt", spec).exit_code == 0
    assert len(spec.read_text().splitlines()) > len(LONG.splitlines())
    assert codes(spec) == []


CONDITIONAL = """\
model Net(norm={norm}) {{
  input image: float[3, 12, 12]
  Conv(8, 3) -> if norm {{ BatchNorm }} -> ReLU  # dlspec: allow W0301
}}
"""


def test_an_allowance_for_other_arguments_is_none_too_many(tmp_path: Path) -> None:
    spec = tmp_path / "net.dlnet"
    for norm in ("true", "false"):
        spec.write_text(CONDITIONAL.format(norm=norm))
        assert codes(spec) == codes(spec, norm="true") == codes(spec, norm="false") == []


def test_a_softmax_along_another_axis_is_not_taken_over() -> None:
    from dlspec.layers.final import final_activation

    text = "model N { input x: float[4, 6]\n Dense(5) -> Softmax(axis=@) }"
    for axis, kind in ((-1, "Softmax"), (1, "Softmax"), (0, None)):
        program = compile_text(text.replace("@", str(axis))).checked()
        found = final_activation(program, program.graphs["N"], "output")
        assert (found.kind if found else None) == kind
