"""What strangers may put before the command line: each ends in one clear line or diagnostic."""

from __future__ import annotations

import ast
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli import LENET, run

from dlspec.pipeline import compile_file, compile_text

INJECTED = "x=1\nimport os; os.system('touch owned')\n"
BLOCKS = """
block B(n) { Conv(n, 3, padding=1) -> ReLU }
model M {
  input x: float[4, 8, 8]
  parameter p: float[4, 8, 8] = normal(0.02)
  layer e = Conv(4, 1)
  x -> e -> e
  it + p -> B(4) -> B(4) -> Flatten -> Dense(3)
}
"""


def as_json(text: str) -> dict[str, Any]:
    return json.loads(compile_text(text).checked().model_dump_json())


def renamed(old: str) -> Callable[[dict[str, Any]], None]:
    """Everything called `old` gets a name that is code."""

    def change(program: dict[str, Any]) -> None:
        text = json.dumps(program).replace(json.dumps(old), json.dumps(INJECTED))
        program.clear()
        program.update(json.loads(text))

    return change


def call_itself(program: dict[str, Any]) -> None:
    node = {"op": "call", "path": "conv1", "inputs": ["x"], "outputs": ["conv1"], "graph": "B"}
    program["graphs"]["B"]["nodes"][0] = node


def double_sixty_times(program: dict[str, Any]) -> None:
    """2^60 layers in 60 graphs: nothing may walk them."""
    graphs = program["graphs"]
    first = graphs["B"]
    type_ = first["types"]["x"]
    for number in range(60):
        called = f"Z{number - 1}" if number else "B"
        calls = [
            {"op": "call", "path": out, "inputs": [value], "outputs": [out], "graph": called}
            for value, out in (("x", "c0"), ("c0", "c1"))
        ]
        changes = {"key": f"Z{number}", "name": f"Z{number}", "nodes": calls}
        types = dict.fromkeys(("x", "c0", "c1"), type_)
        output = [{"name": "output", "value": "c1"}]
        graphs[f"Z{number}"] = copy.deepcopy(first) | changes | {"types": types, "outputs": output}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed("M"), "is not a name"),
        (renamed("x"), "is not a name"),
        (renamed("n"), "is not a name"),
        (renamed("conv1"), "is not a name"),
        (renamed("normal"), "not a dlspec program"),
        (lambda p: p["graphs"]["B"]["nodes"][1].update(start={"kind": "ones"}), "cannot start so"),
        (call_itself, "the types around `conv1`"),
        (double_sixty_times, "more than 100,000 layers"),
        (lambda p: p["graphs"]["M"]["types"]["e"].update(shape=[9, 9, 9]), "the types around `e`"),
        (lambda p: p["graphs"]["M"]["types"].pop("x"), "no value `x`"),
        (lambda p: p["graphs"]["M"]["nodes"].append(p["graphs"]["M"]["nodes"][1]), "made twice"),
        (lambda p: p.update(models=["Nobody"]), "there is no model `Nobody`"),
    ],
)
def test_a_program_in_json_form_is_held_to_what_specs_make(
    change: Callable[[dict[str, Any]], None], said: str, tmp_path: Path
) -> None:
    program = as_json(BLOCKS)
    change(program)
    file = tmp_path / "m.json"
    file.write_text(json.dumps(program))
    for command in (("check", file), ("compile", file, "-o", "-"), ("summary", file)):
        done = run(*command)
        assert done.code == 1
        assert said in done.out + done.err and "E0001" in done.err


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["data"].update(Other=p["data"].pop("Digits")),
        lambda p: p["trains"][0].update(model="Nobody"),
        lambda p: p["trains"][0].update(data="Nothing"),
        lambda p: p["trains"][0].update(output='x"]; import os'),
        lambda p: p["trains"][0].update(target='x"]; import os'),
        lambda p: p["trains"][0].update(feeds={}),
        lambda p: p["trains"][0]["requires"][0].update(metric="none_such"),
    ],
)
def test_a_train_in_json_form_refers_to_what_is_there(
    change: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    program = json.loads(compile_file(LENET).checked().model_dump_json())
    change(program)
    file = tmp_path / "m.json"
    file.write_text(json.dumps(program))
    done = run("compile", file, "-o", "-")
    assert (done.code, done.out) == (1, "")
    assert "E0001" in done.err


def test_documentation_never_becomes_code(tmp_path: Path) -> None:
    program = as_json(BLOCKS)
    program["documentation"] = program["graphs"]["M"]["documentation"] = f'"""\n{INJECTED}\\'
    file = tmp_path / "m.json"
    file.write_text(json.dumps(program))
    done = run("compile", file, "-o", "-")
    assert done.code == 0
    names = {node.id for node in ast.walk(ast.parse(done.out)) if isinstance(node, ast.Name)}
    assert "os" not in names


@pytest.mark.parametrize("command", ["check", "summary", "compile", "train", "evaluate", "export"])
@pytest.mark.parametrize("name", ["a\0b", "\u202e\x1b[31mx\n::error::x"])
def test_names_of_files_cannot_steer_the_terminal(command: str, name: str) -> None:
    done = run(command, name)
    assert (done.code, done.out) == (3, "")
    assert len(done.err.splitlines()) == 1
    assert done.err.rstrip("\n").isprintable()


@pytest.mark.parametrize("command", ["check", "summary"])
def test_an_empty_name_is_no_folder(command: str) -> None:
    assert run(command, "").code == 3


def test_long_words_are_cut(tmp_path: Path) -> None:
    assert len(run("check", LENET, "--set", "x" * 10**6 + "=1").err) < 2000
    assert len(run("explain", "E" * 10**6).err) < 3000


def test_a_link_to_itself_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "loop.dlnet").symlink_to("loop.dlnet")
    spec = tmp_path / "a.dlnet"
    spec.write_text('use A from "loop.dlnet"\n')
    done = run("check", spec)
    assert done.code == 1
    assert "E0207" in done.err


def test_sarif_takes_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "n\udcff.dlnet").write_text("model")
    done = run("check", "--format", "sarif", "n\udcff.dlnet", cwd=tmp_path)
    assert done.code == 1
    assert "n%FF.dlnet" in json.dumps(json.loads(done.out))


@pytest.mark.parametrize(
    "text",
    [
        "model A { " + "(" * 200_000,
        "".join(f"let a{n} = a{n + 1}\n" for n in range(2000)),
    ],
)
def test_long_mistakes_end_soon(text: str, tmp_path: Path) -> None:
    file = tmp_path / "long.dlnet"
    file.write_text(text)
    begun = time.process_time()
    assert run("check", file).code == 1
    assert time.process_time() - begun < 6  # a second where nothing else runs


@pytest.mark.parametrize("command", [["evaluate"], ["export"], ["train", "--resume"]])
def test_a_damaged_spec_of_a_run_is_told_as_asked(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "spec.json").write_text("[")
    done = run(*command, tmp_path, "--format", "json")
    assert done.code == 1
    assert json.loads(done.err)["diagnostics"][0]["code"] == "E0001"
