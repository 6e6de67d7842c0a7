"""The command line from outside: what it prints where, and the exit codes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import jsonschema
import pytest

import dlspec
from dlspec.cli import main
from dlspec.cli.app import COMMANDS
from dlspec.layers import all_layers

ROOT = Path(__file__).parent.parent
LENET = ROOT / "specs/lenet.dlnet"
BROKEN = ROOT / "tests/broken/two_mistakes.dlnet"


class Done(NamedTuple):
    """A finished command."""

    code: int
    out: str
    err: str


def run(*arguments: object, cwd: Path | None = None, stdin: str = "") -> Done:
    """`dlspec ARGUMENTS` in this process. Whatever escapes the command line fails the test."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    entered = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    with (
        contextlib.chdir(cwd or Path.cwd()),
        mock.patch.multiple(sys, argv=["dlspec", *map(str, arguments)], stdin=entered),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stopped,
    ):
        main()
    code = stopped.value.code
    assert isinstance(code, int)
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    assert "Traceback" not in texts[1]
    return Done(code, *texts)


def run_alone(*arguments: object, **environment: str) -> Done:
    """`dlspec ARGUMENTS` in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-m", "dlspec", *map(str, arguments)],
        capture_output=True, check=False, encoding="utf-8",
        env={**os.environ, **environment},
    )  # fmt: skip
    return Done(process.returncode, process.stdout, process.stderr)


# --- the whole ---------------------------------------------------------------


def test_version() -> None:
    done = run("--version")
    assert (done.code, done.out) == (0, f"dlspec {dlspec.__version__}\n")


def test_help_lists_every_command() -> None:
    done = run("--help")
    assert done.code == 0
    assert all(name in done.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = run(name, "--help")
    assert done.code == 0, done.err
    assert f"Example: dlspec {name}" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chekc"], "Did you mean `check`?"),
        (["zzz"], "`dlspec --help`"),
        (["check", "--formt", "json", LENET], "--format"),
        (["check"], "PATH"),
        (["check", "--format", "xml", LENET], "xml"),
        (["summary", LENET, "--set", "classes"], "key=value"),
        (["summary", LENET, "--model", "Alex"], "`LeNet`"),
        (["explain", "E9999"], "There is no code `E9999`"),
        (["layers", "Convv"], "Did you mean `Conv`?"),
    ],
)
def test_wrong_usage(arguments: list[object], message: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""


@pytest.mark.parametrize("name", ["check", "summary", "compile", "train"])
def test_a_missing_file_is_the_environments_fault(name: str, tmp_path: Path) -> None:
    done = run(name, "nowhere.dlnet", cwd=tmp_path)
    assert done.code == 3
    assert "nowhere.dlnet" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["check", "summary", "compile", "train"])
def test_errors_go_to_standard_error(name: str, tmp_path: Path) -> None:
    done = run(name, BROKEN, cwd=tmp_path)
    assert done.code == 1
    assert "error[E0302]" in done.err
    assert "error[E0202]" in done.err
    assert done.err.endswith("2 errors\n")
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_is_silent() -> None:
    command = f"{sys.executable} -m dlspec schema | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_a_closed_pipe_keeps_the_verdict(tmp_path: Path) -> None:
    check = f"{sys.executable} -m dlspec check --format json {BROKEN}"
    command = f"{check} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_an_ascii_terminal_gets_escapes() -> None:
    done = run_alone("check", BROKEN, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.code == 1
    assert "\\u2502" in done.err


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a command writes to standard error when that is a terminal."""
    pty = pytest.importorskip("pty")
    reader, writer = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "dlspec", *arguments],
        stdout=subprocess.DEVNULL, stderr=writer, check=False,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment},
    )  # fmt: skip
    os.close(writer)
    content = os.read(reader, 100_000).decode()
    os.close(reader)
    return content


def test_colour_is_for_terminals_that_want_it() -> None:
    assert "\x1b[" in on_a_terminal("check", str(BROKEN))
    assert "\x1b[" not in on_a_terminal("check", str(BROKEN), NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal("check", str(BROKEN), TERM="dumb")
    assert "\x1b[" not in run("check", BROKEN).err


def test_what_nobody_foresaw_is_one_line(tmp_path: Path) -> None:
    code = (
        "import sys\nimport dlspec.pipeline\n"
        "def fail(*a): raise RuntimeError('deep\\nwithin')\n"
        "dlspec.pipeline.compile_file = fail\n"
        f"sys.argv = ['dlspec', 'check', {str(LENET)!r}]\n"
        "from dlspec.cli import main; main()"
    )
    for value in ("", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False,
            env={**os.environ, "DLSPEC_TRACEBACK": value},
        )  # fmt: skip
        if value:
            assert "Traceback" in done.stderr
        else:
            assert done.returncode == 3
            assert done.stderr == (
                "Error: dlspec itself failed: RuntimeError: deep within; "
                "`DLSPEC_TRACEBACK=1` shows where it came from\n"
            )


def test_an_interrupt_exits_with_130() -> None:
    code = (
        "import sys\nimport dlspec.pipeline\n"
        "def stop(*a): raise KeyboardInterrupt\n"
        "dlspec.pipeline.compile_file = stop\n"
        f"sys.argv = ['dlspec', 'check', {str(LENET)!r}]\n"
        "from dlspec.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "Error: interrupted\n")


# --- check -------------------------------------------------------------------


def test_check_of_a_good_spec() -> None:
    done = run("check", LENET)
    assert (done.code, done.out, done.err) == (0, "1 file, no mistakes\n", "")


def test_check_as_json() -> None:
    done = run("check", BROKEN, "--format", "json")
    assert (done.code, done.err) == (1, "")
    found = json.loads(done.out)["diagnostics"]
    assert [(d["code"], d["line"]) for d in found] == [("E0302", 4), ("E0202", 5)]
    assert {d["file"] for d in found} == {str(BROKEN)}
    good = run("check", LENET, "--format", "json")
    assert (good.code, json.loads(good.out)) == (0, {"diagnostics": []})


@pytest.mark.parametrize("format", ["sarif", "github"])
def test_check_in_other_formats(format: str) -> None:
    done = run("check", BROKEN, "--format", format)
    assert (done.code, done.err) == (1, "")
    assert "E0302" in done.out


def test_check_reads_standard_input() -> None:
    assert run("check", "-", stdin=LENET.read_text()).code == 0
    done = run("check", "-", stdin=BROKEN.read_text())
    assert done.code == 1
    assert "<stdin>:4:3" in done.err


def test_check_of_folders(tmp_path: Path) -> None:
    (tmp_path / "inner/.hidden").mkdir(parents=True)
    (tmp_path / "inner/good.dlnet").write_text(LENET.read_text())
    (tmp_path / "inner/.hidden/bad.dlnet").write_text("model")
    (tmp_path / "notes.txt").write_text("model")
    assert run("check", tmp_path).out == "1 file, no mistakes\n"
    (tmp_path / "bad.dlnet").write_text(BROKEN.read_text())
    assert run("check", ".", cwd=tmp_path).code == 1
    (tmp_path / "empty").mkdir()
    done = run("check", "empty", cwd=tmp_path)
    assert (done.code, done.err) == (3, "Error: empty: no .dlnet file in this folder or below it\n")


def test_a_file_that_several_use_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "blocks.dlnet").write_text("block Stem {\n  Conv(8) -> ReLU\n}\n")
    for name in ("a", "b"):
        (tmp_path / f"{name}.dlnet").write_text(
            'use Stem from "blocks.dlnet"\n\n'
            f"model {name.upper()} {{\n  input image: float[1, 28, 28]\n  Stem -> Flatten\n}}\n"
        )
    done = run("check", "a.dlnet", "b.dlnet", "--format", "json", cwd=tmp_path)
    assert [d["code"] for d in json.loads(done.out)["diagnostics"]] == ["E0302"]


def test_warnings_as_errors(tmp_path: Path) -> None:
    spec = tmp_path / "doubtful.dlnet"
    spec.write_text(
        "model Net {\n  input image: float[1, 8, 8]\n"
        "  Conv(8, 3) -> BatchNorm -> Flatten -> Dense(2)\n}\n"
    )
    done = run("check", spec)
    assert done.code == 0
    assert done.err.startswith("warning[W0301]")
    assert done.err.endswith("1 warning\n")
    done = run("check", spec, "--warnings-as-errors")
    assert done.code == 1
    assert done.err.endswith("1 error\n")


def test_safe_fixes_are_applied(tmp_path: Path) -> None:
    from dlspec.cli.fixing import apply_safe_fixes
    from dlspec.diagnostics import Diagnostic, Fix
    from dlspec.source import Source, Span

    path = tmp_path / "a.dlnet"
    text = "Relu -> Dens(1)\r\nTanhh\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    source = Source("a.dlnet", text, path)

    def found(start: int, end: int, by: str, safe: bool = True) -> Diagnostic:
        span = Span(source, start, end)
        return Diagnostic("E0202", "error", "no", span, fix=Fix(span, by, "fix", safe))

    diagnostics = [
        found(0, 4, "ReLU"), found(8, 12, "Dense"), found(9, 11, "XX"),
        found(17, 22, "Tanh", safe=False), found(8, 12, "Dense"),
    ]  # fmt: skip
    assert apply_safe_fixes(diagnostics) == {"a.dlnet": 2}
    assert path.read_bytes() == b"\xef\xbb\xbfReLU -> Dense(1)\r\nTanhh\n"
    assert apply_safe_fixes(diagnostics) == {}, "the file is another one by now"


def test_fix_from_the_command_line(tmp_path: Path) -> None:
    spec = tmp_path / "a.dlnet"
    spec.write_text(LENET.read_text())
    done = run("check", "--fix", spec)
    assert (done.code, done.err) == (0, "")
    assert spec.read_text() == LENET.read_text()


# --- summary, compile --------------------------------------------------------


def test_summary_as_a_table() -> None:
    done = run("summary", LENET)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("LeNet   image: float[1, 28, 28] -> ")
    lines = {line.split()[0]: line.split() for line in done.out.splitlines() if line.split()}
    assert " ".join(lines["conv1"]) == "conv1 Conv [20, 28, 28] 520 392,000 61.2 KiB"
    assert lines["total"][1:3] == ["1,256,080", "6,522,000"]
    assert "LeNet-style digit classifier." in done.out


def test_summary_as_json() -> None:
    (model,) = json.loads(run("summary", LENET, "--format", "json").out)["models"]
    assert model["name"] == "LeNet"
    assert model["inputs"] == [{"name": "image", "dtype": "float", "shape": [1, 28, 28]}]
    assert [port["shape"] for port in model["outputs"]] == [[10]]
    assert (model["parameters"], model["trainable_parameters"]) == (1_256_080, 1_256_080)
    assert model["macs"] == 6_522_000
    assert sum(layer["parameters"] for layer in model["layers"]) == 1_256_080
    assert sum(layer["macs"] for layer in model["layers"]) == 6_522_000


def test_overrides(tmp_path: Path) -> None:
    done = run("summary", LENET, "--set", "classes=100", "--format", "json")
    (model,) = json.loads(done.out)["models"]
    assert model["parameters"] == 1_256_080 + 90 * 501
    done = run("summary", LENET, "--set", "clases=100")
    assert done.code == 1
    assert "error[E0309]" in done.err


def test_sizes_known_at_run_time_are_shown(tmp_path: Path) -> None:
    spec = tmp_path / "a.dlnet"
    spec.write_text("model Net {\n  input x: float[?length, 8]\n  Dense(3)\n}\n")
    assert "[?length, 3]" in run("summary", spec).out
    (model,) = json.loads(run("summary", spec, "--format", "json").out)["models"]
    assert model["outputs"][0]["shape"] == ["?length", 3]
    assert model["macs"] == "24 * ?length"


def test_compile_to_ir_can_be_read_again(tmp_path: Path) -> None:
    done = run("compile", LENET, "--to", "ir")
    assert (done.code, done.err) == (0, "")
    (tmp_path / "lenet.json").write_text(done.out)
    again = run("compile", "lenet.json", "--to", "ir", "-o", "again.json", cwd=tmp_path)
    assert (again.code, again.out, again.err) == (0, "", "wrote again.json\n")
    assert (tmp_path / "again.json").read_text() == done.out
    assert run("summary", tmp_path / "lenet.json").out == run("summary", LENET).out


@pytest.mark.parametrize("text", ["", "{}", "[1", '{"version": 1}', '"x"', "\x00"])
def test_a_file_that_is_no_program_is_one_diagnostic(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(dlspec.SpecError) as caught:
        dlspec.load(path)
    assert len(caught.value.diagnostics) == 1


def test_compile_to_python(tmp_path: Path) -> None:
    done = run("compile", LENET, "--no-train", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "", "wrote lenet.py\n")
    source = (tmp_path / "lenet.py").read_text()
    assert "class LeNet(nn.Module):" in source
    assert "def train" not in source
    assert run("compile", LENET, "--no-train", "-o", "-").out == source
    assert dlspec.load(LENET).models["LeNet"].to_torch(train=False) == source


def test_compile_to_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    done = run("compile", LENET, "--to", "onnx", "-o", "net.onnx", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "", "wrote net.onnx\n")
    onnx.checker.check_model(tmp_path / "net.onnx", full_check=True)


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    place = tmp_path / "pipe"
    os.mkfifo(place)
    reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    done = run("compile", LENET, "--no-train", "-o", place)
    content = os.read(reader, 100_000)
    os.close(reader)
    assert done.code == 0
    assert place.is_fifo()
    assert b"class LeNet" in content


def test_a_pipe_without_a_writer_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.dlnet")
    done = run("check", "a.dlnet", cwd=tmp_path)
    assert done.code == 3
    assert "not a regular file" in done.err


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    done = run("compile", LENET, "--to", "ir", "-o", tmp_path / "no/such/folder.json")
    assert done.code == 3
    assert len(done.err.splitlines()) == 1


# --- explain, layers, schema -------------------------------------------------


def test_explain() -> None:
    done = run("explain", "e0402")
    assert done.code == 0
    assert done.out.startswith("E0402: tensors whose shapes do not fit each other\n")
    assert "Wrong:" in done.out
    assert "Right:" in done.out
    assert json.loads(run("explain", "E0402", "--format", "json").out)["code"] == "E0402"
    assert "W0201  a value that nothing uses" in run("explain").out


def test_layers() -> None:
    listed = run("layers").out
    names = [line.split()[0] for line in listed.splitlines() if re.match("  [A-Z]", line)]
    assert names == [layer.kind for layer in all_layers() if not layer.operator]
    assert listed.startswith("Weights\n  Dense ")
    page = run("layers", "Linear").out
    assert page.startswith("Dense(units, bias=true, activation=none)\n")
    for word in ("a whole number of at least 1", "nn.Linear", "Gemm", "the last axis becomes"):
        assert word in " ".join(page.split())
    assert run("layers", "Conv2D").out == run("layers", "Conv").out


@pytest.mark.parametrize("columns", [80, 120])
def test_the_layer_reference_keeps_within_the_terminal(columns: int) -> None:
    with mock.patch.dict(os.environ, {"COLUMNS": str(columns)}):
        pages = [run("layers").out, *(run("layers", name).out for name in ("Conv", "LSTM", "Add"))]
    lines = [line for page in pages for line in page.splitlines()]
    assert max(map(len, lines)) <= columns
    assert max(map(len, lines)) > columns - 10


def test_the_layer_reference_is_complete() -> None:
    for layer in json.loads(run("layers", "--format", "json").out)["layers"]:
        assert layer["pytorch"], layer["name"]
        assert layer["onnx"], layer["name"]
        assert layer["example"]
        assert layer["shape_rule"]
        for argument in layer["arguments"]:
            assert argument["description"], (layer["name"], argument)
            assert argument["type"] != "another value", (layer["name"], argument)


def test_the_schema_accepts_the_ir_and_refuses_another() -> None:
    schema = json.loads(run("schema").out)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    program = json.loads(run("compile", LENET, "--to", "ir").out)
    validator.validate(program)
    for layer in all_layers():
        assert f"Layer.{layer.kind}" in schema["$defs"]
    node = next(n for n in program["graphs"]["LeNet"]["nodes"] if n["layer"]["kind"] == "Conv")
    for key, value in (("filters", 0), ("kind", "Konv"), ("colour", 3)):
        changed = dict(node["layer"], **{key: value})
        broken = json.loads(json.dumps(program))
        broken["graphs"]["LeNet"]["nodes"] = [dict(node, layer=changed)]
        assert not validator.is_valid(broken), key


# --- the public face ---------------------------------------------------------


def test_public_names() -> None:
    assert sorted(dlspec.__all__) == [
        "Diagnostic", "Model", "Spec", "SpecError", "__version__", "load", "loads", "train",
    ]  # fmt: skip
    assert set(dlspec.__all__) <= set(dir(dlspec))
    for name in dlspec.__all__:
        getattr(dlspec, name)
    with pytest.raises(AttributeError, match="nothing"):
        dlspec.nothing  # noqa: B018


def test_loading_a_spec() -> None:
    spec = dlspec.load(LENET)
    assert list(spec.models) == ["LeNet"]
    assert spec.models["LeNet"].summary()["parameters"] == 1_256_080
    wide = dlspec.load(LENET, {"classes": "100"}).models["LeNet"]
    assert wide.outputs == {"output": "float[100]"}
    with pytest.raises(dlspec.SpecError) as caught:
        dlspec.load(BROKEN)
    assert [d.code for d in caught.value.diagnostics] == ["E0302", "E0202"]
    assert dlspec.loads(LENET.read_text()).models["LeNet"].summary()["macs"] == 6_522_000
