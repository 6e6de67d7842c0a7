"""`--set` on whatever has a name: parameters of the file, of what it uses, and settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlspec.ir.graph import Program
from dlspec.pipeline import Compiled, compile_file, compile_text

PARTS = """
block Head(units=7, act=relu) { Dense(units, activation=act) }
model Net(classes, depth=1, width=4) {
  input image: float[1, 28, 28]
  Flatten -> repeat depth { Dense(width) } -> Dense(classes)
}
"""
MAIN = """
use LeNet from "std:lenet"
use Head, Net from "parts.dlnet"
let size = 28
block Own(gain=2) { it * gain }
model Mine(width=8) {
  input x: float[1, size, size]
  LeNet -> Head
  Dense(784) -> Reshape((1, 28, 28)) -> LeNet(classes=4)
  Own -> Dense(width)
}
data D {
  source    = digits()
  transform = Resize(28)
  test      = 20%
}
train LeNet on D {
  loss = cross_entropy
  optimizer = sgd(0.1)
  epochs = 1
}
train Net(12, depth=2) on D {
  loss = cross_entropy
  optimizer = sgd(0.1)
  epochs = 1
}
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    (tmp_path / "parts.dlnet").write_text(PARTS)
    path = tmp_path / "main.dlnet"
    path.write_text(MAIN)
    return path


def arguments(program: Program, name: str) -> list[dict[str, object]]:
    """The arguments of every use of a block or model, by distinct graphs."""
    return [graph.arguments for graph in program.graphs.values() if graph.name == name]


@pytest.mark.parametrize(
    ("sets", "name", "argument", "values"),
    [
        ({"classes": "100"}, "LeNet", "classes", [100, 4]),
        ({"classes": "100"}, "Net", "classes", [100]),
        ({"LeNet.classes": "100"}, "Net", "classes", [12]),
        ({"Net.classes": "10 + 4"}, "Net", "classes", [14]),
        ({"depth": "3"}, "Net", "depth", [3]),
        ({"width": "5"}, "Net", "width", [5]),
        ({"width": "5"}, "Mine", "width", [5]),
        ({"Mine.width": "5"}, "Net", "width", [4]),
        ({"units": "9"}, "Head", "units", [9]),
        ({"Head.act": "gelu"}, "Head", "act", ["gelu"]),
        ({"gain": "3"}, "Own", "gain", [3]),
        ({"Own.gain": "0.5"}, "Own", "gain", [0.5]),
    ],
)
def test_a_parameter_is_reached_and_the_resolved_spec_says_so(
    main: Path, sets: dict[str, str], name: str, argument: str, values: list[object]
) -> None:
    compiled = compile_file(main, sets)
    program = compiled.checked()
    assert [found[argument] for found in arguments(program, name)] == values
    again = main.with_name("resolved.dlnet")
    again.write_text(compiled.resolved())
    assert compile_file(again).program == program


def test_a_spec_that_only_trains_what_it_uses_is_reached() -> None:
    text = 'use LeNet from "std:lenet"\n' + MAIN[MAIN.index("data D") : MAIN.index("train Net")]
    for sets in ({"classes": "100"}, {"LeNet.classes": "100"}):
        compiled = compile_text(text, overrides=sets)
        program = compiled.checked()
        assert program.model("LeNet").arguments["classes"] == 100
        assert "train LeNet(classes=100) on D" in compiled.resolved()


def said(compiled: Compiled) -> list[tuple[str, str, str | None]]:
    return [(d.code, d.message, d.help) for d in compiled.diagnostics if d.severity == "error"]


@pytest.mark.parametrize(
    ("key", "message", "help"),
    [
        ("clases", "nothing called `clases`", "did you mean `classes`?"),
        ("LeNet.clases", "nothing called `LeNet.clases`", "did you mean `LeNet.classes`?"),
        ("train.optimiser.lr", "nothing called", "did you mean `train.optimizer`?"),
        ("xyzzy", "nothing called `xyzzy`", "it has `width`, `classes`, "),
        ("Nobody.classes", "nothing called", "did you mean"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    main: Path, key: str, message: str, help: str
) -> None:
    ((code, text, advice),) = said(compile_file(main, {key: "3"}))
    assert code == "E0309" and message in text and help in (advice or "")


def test_what_every_use_gives_itself_cannot_be_set(tmp_path: Path) -> None:
    (tmp_path / "parts.dlnet").write_text(PARTS)
    path = tmp_path / "main.dlnet"
    path.write_text(
        'use Head from "parts.dlnet"\nmodel M {\n  input x: float[4]\n  Head(units=3)\n}\n'
    )
    ((code, message, _),) = said(compile_file(path, {"units": "9"}))
    assert code == "E0309" and "every use of `Head`" in message
    assert compile_file(path, {"Head.act": "none"}).program is not None


def test_a_missing_file_is_told_of_once(tmp_path: Path) -> None:
    path = tmp_path / "main.dlnet"
    path.write_text('use Net from "gone.dlnet"\nmodel M(w=3) {\n  input x: float[w]\n  ReLU\n}\n')
    assert [code for code, *_ in said(compile_file(path, {"w": "4"}))] == ["E0207"]


def test_long_chains_do_not_stop_an_override(main: Path) -> None:
    chain = "  it" + " + it" * 250 + "\n"
    main.write_text(MAIN.replace("  Own -> Dense(width)\n", chain + "  Own -> Dense(width)\n"))
    compiled = compile_file(main, {"Head.units": "9"})
    assert arguments(compiled.checked(), "Head") == [{"units": 9, "act": "relu"}]
    assert "Head(units=9)" in compiled.resolved()
