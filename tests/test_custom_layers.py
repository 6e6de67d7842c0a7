"""Layers of other packages: one that is whole, from schema to ONNX; and those that are not.

Packages are put into folders of their own with the metadata that an installer would write, and
commands run in processes that find them there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import jsonschema
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
EXTRAS = ROOT / "tests/packages/dlspec-extras"
GUIDE = ROOT / "docs/custom-layers.md"


class Done(NamedTuple):
    """A finished command."""

    code: int
    out: str
    err: str


def installed(package: Path, site: Path) -> None:
    """Put a pure package with its entry points into a folder, as `pip install --target` does."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(package, site, dirs_exist_ok=True)
    name, version = project["name"].replace("-", "_"), project["version"]
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    lines: list[str] = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def python(*arguments: object, site: Path, cwd: Path) -> Done:
    path = os.pathsep.join([str(site), str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, check=False, encoding="utf-8", cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


# --- a whole package -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def extras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("extras")
    installed(EXTRAS, site)
    return site


def dlspec(*arguments: object, site: Path) -> Done:
    done = python("-m", "dlspec", *arguments, site=site, cwd=site)
    assert done.code == 0, done.err
    return done


def test_the_guide_shows_the_tested_package() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    shown = dict(re.findall(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    files = {str(path.relative_to(EXTRAS)): path.read_text() for path in EXTRAS.rglob("*.*")
             if path.is_file() and "__" not in str(path.relative_to(EXTRAS))}  # fmt: skip
    assert shown == files


def test_layers_of_a_package_are_in_the_reference_and_the_schema(extras: Path) -> None:
    page = dlspec("layers", "Maxout", site=extras).out
    for word in (
        "Maxout(units, pieces=2)",
        "dlspec_extras.modules.MaxoutModule",
        "ReduceMax",
        "Package\n  dlspec-extras",
    ):
        assert word in page
    listed = dlspec("layers", site=extras)
    assert listed.out.rstrip().endswith("Snake   A periodic activation, x + sin²(f x) / f "
                                        "(Ziyin et al. 2020).")  # fmt: skip
    assert listed.err == ""
    schema = json.loads(dlspec("schema", site=extras).out)
    assert schema["$defs"]["Layer.Maxout"]["properties"]["units"]["minimum"] == 1
    program = json.loads(dlspec("compile", "example.dlnet", "--to", "ir", site=extras).out)
    jsonschema.validate(program, schema)


COMMANDS = """
import sys
from dlspec.cli import main
for line in (
    "train example.dlnet --out run --device cpu",
    "evaluate run",
    "export run -o net.onnx",
    "predict net.onnx images.npy --format json",
):
    sys.argv = ["dlspec", *line.split()]
    try:
        main()
    except SystemExit as stopped:
        if stopped.code:
            raise
"""
"""One process for all, which imports PyTorch once."""


def test_a_package_is_trained_exported_and_used(extras: Path) -> None:
    np.save(extras / "images.npy", np.random.default_rng(0).random((5, 1, 8, 8), np.float32))
    (extras / "commands.py").write_text(COMMANDS)
    done = python("commands.py", site=extras, cwd=extras)
    assert done.code == 0, done.err
    assert done.out.count('"probability"') >= 5


ORACLE = """
import numpy as np, onnxruntime, sys
import dlspec
from dlspec.backends.torch.loading import load_module
import torch
model = dlspec.load(sys.argv[1]).models["Net"]
source = model.to_torch()
net = load_module(source)().eval()
x = torch.randn(4, 5, 6)
weights = {name: w.detach().numpy() for name, w in net.state_dict().items()}
w, b = weights["maxout1.weight"], weights["maxout1.bias"]
turned = x.numpy() + np.sin(2.0 * x.numpy()) ** 2 / 2.0
wanted = (turned @ w.T + b).reshape(4, 5, 3, 4).max(-1)
made = net(x).detach().numpy()
np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=1e-6)
session = onnxruntime.InferenceSession(model.to_onnx(weights=weights))
np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], wanted, rtol=1e-5, atol=1e-6)
assert "from dlspec_extras.modules import MaxoutModule" in source.splitlines(), source
print(model.summary()["parameters"], w.size + b.size)
"""


def test_numpy_gives_the_numbers_of_both_backends(extras: Path) -> None:
    spec = extras / "small.dlnet"
    spec.write_text("model Net {\n  input x: float[5, 6]\n  Snake(2) -> Maxout(3, pieces=4)\n}\n")
    program = extras / "oracle.py"
    program.write_text(ORACLE)
    done = python("-W", "error", program, spec, site=extras, cwd=extras)
    assert done.code == 0, done.err
    assert len(set(done.out.split())) == 1


def test_the_ir_of_a_package_is_read_where_it_is_installed(extras: Path, tmp_path: Path) -> None:
    program = dlspec("compile", "example.dlnet", "--to", "ir", site=extras).out
    (extras / "program.json").write_text(program)
    assert dlspec("compile", "program.json", "--to", "ir", site=extras).out == program
    elsewhere = python(
        "-m", "dlspec", "check", extras / "program.json", site=tmp_path, cwd=tmp_path
    )
    assert elsewhere.code == 1
    assert "the layer `Snake` is not built in, nor in an installed package" in elsewhere.err


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("Maxot(3)", "E0202", "did you mean `Maxout`?"),
        ("Maxout(0)", "E0303", "a whole number of at least 1"),
        ("Maxout(units=3, piece=3)", "E0301", "did you mean `pieces`?"),
        ("image -> Maxout(3)", "W0401", "the width of an image"),
    ],
)
def test_mistakes_with_a_packages_layers(
    line: str, code: str, message: str, extras: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "net.dlnet"
    spec.write_text(f"model Net {{\n  input image: float[3, 8, 8]\n  {line}\n}}\n")
    done = python("-m", "dlspec", "check", spec, site=extras, cwd=tmp_path)
    assert f"[{code}]" in done.err
    assert message in done.err


def test_packages_are_looked_for_only_where_a_name_is_unknown() -> None:
    code = (
        "import sys\nfrom dlspec.pipeline import compile_file\n"
        f"compile_file({str(ROOT / 'specs/lenet.dlnet')!r}).checked()\n"
        "sys.exit('importlib.metadata' in sys.modules)"
    )
    assert python("-c", code, site=ROOT, cwd=ROOT).code == 0


# --- packages that are not whole -----------------------------------------------------------

WHOLE = """
from dlspec.layers.custom import *

class Twice(Layer):
    kind = "Twice"
    summary = "Doubles."
    example = "Twice"
    shape_rule = "the shape stays"
    by: Float = Field(2.0, description="the factor")

    def infer(self, inputs):
        return inputs

    def torch(self, inputs, outputs):
        return TorchForm(None, "2 * {0}", "2 * {0}")

    def onnx(self, inputs, outputs):
        return OnnxForm((OnnxNode("Add", ("x0", "x0")),))
"""


def package(site: Path, source: str, name: str = "other", entry: str = "Twice = m:Twice") -> None:
    """A package of one module; its text is `m.py`, or that of the package's name."""
    folder = site / f".{name}"
    folder.mkdir()
    module = entry.partition("= ")[2].partition(":")[0]
    (folder / f"{module}.py").write_text(source)
    layer, _, value = entry.partition(" = ")
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "1"\n'
        f'[project.entry-points."dlspec.layers"]\n{layer} = "{value}"\n'
    )
    installed(folder, site)


def check(site: Path, line: str = "Twice") -> Done:
    (site / "net.dlnet").write_text(f"model Net {{\n  input x: float[3]\n  {line}\n}}\n")
    return python("-m", "dlspec", "check", "net.dlnet", site=site, cwd=site)


def test_the_small_package_is_whole(tmp_path: Path) -> None:
    package(tmp_path, WHOLE)
    assert check(tmp_path) == Done(0, "1 file, no mistakes\n", "")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "from dlspec",
            "raise RuntimeError('boom')\nfrom dlspec",
            "does not load: RuntimeError: boom",
        ),
        ("from dlspec", "import sys; sys.exit(3)\nfrom dlspec", "does not load: SystemExit: 3"),
        ("from dlspec", "import nowhere\nfrom dlspec", "No module named 'nowhere'"),
        ("from dlspec", "def (\nfrom dlspec", "does not load: SyntaxError"),
        ("class Twice(Layer)", "class Other(Layer)", "does not load: AttributeError"),
        ("class Twice(Layer)", "class Twice", "it is no subclass of"),
        ('kind = "Twice"', 'kind = "Thrice"', "its `kind` is `Thrice`"),
        ("    summary =", "    other =", "its class has no `summary` of one line"),
        ("def onnx", "def onxx", "it has no rule `onnx`"),
        (', description="the factor"', "", "its argument `by` has no description"),
        ("by: Float", "by: Floot", "does not load: NameError"),
        ("return inputs\n", "return [*inputs]\n", "`infer` of the layer `Twice` of the package"),
        ("return inputs\n", "return 1 / 0\n", "fails: ZeroDivisionError: division by zero"),
        ("return inputs\n", "return (inputs[0].with_shape((0,)),)\n", "0 is no size"),
        ("return TorchForm(", "return (", "it returns no `TorchForm`"),
        ('TorchForm(None, "2', 'TorchForm(Call("Doubler"), "2', "neither defined nor imported"),
        ('("x0", "x0")', '("x0", "x1")', "nothing is called `x1` in front of its node `Add`"),
        ('("x0", "x0"))', '("x0", "x0"), ("t.y",))', "no node makes `y0`"),
    ],
)
def test_a_broken_package_is_named_with_the_reason(
    old: str, new: str, reason: str, tmp_path: Path
) -> None:
    assert old in WHOLE
    package(tmp_path, WHOLE.replace(old, new))
    done = check(tmp_path)
    assert done.code == 1
    assert done.err.count("[E0212]") == 1
    assert "package `other`" in done.err
    assert reason in done.err


def test_weights_that_no_backend_could_use(tmp_path: Path) -> None:
    rule = "    def weights(self, inputs):\n        return {'w': (0,)}\n"
    package(tmp_path, WHOLE + rule)
    assert "the rule `weights`" in check(tmp_path).err


def test_two_packages_with_a_layer_of_one_name(tmp_path: Path) -> None:
    package(tmp_path, WHOLE)
    package(tmp_path, WHOLE, "second", "Twice = n:Twice")
    err = check(tmp_path).err
    assert "`second` brings a layer of that name too; uninstall one" in err
    listed = python("-m", "dlspec", "layers", site=tmp_path, cwd=tmp_path)
    assert (listed.code, listed.err.count("brings a layer of that name too")) == (0, 1)
    page = python("-m", "dlspec", "layers", "Twice", site=tmp_path, cwd=tmp_path)
    assert page.code == 3
    assert "uninstall one" in page.err


@pytest.mark.parametrize(("name", "line"), [("Dense", "Dense(3)"), ("Conv2D", "Dense(3)")])
def test_a_built_in_layer_cannot_be_replaced(name: str, line: str, tmp_path: Path) -> None:
    package(tmp_path, "raise RuntimeError('loaded')", entry=f"{name} = m:Twice")
    assert check(tmp_path, line).code == 0
    page = python("-m", "dlspec", "layers", name, site=tmp_path, cwd=tmp_path)
    assert (page.code, page.err) == (0, "")


def test_a_broken_layer_in_json_form(tmp_path: Path) -> None:
    package(tmp_path, WHOLE)
    check(tmp_path)
    compiled = python(
        "-m", "dlspec", "compile", "net.dlnet", "--to", "ir", site=tmp_path, cwd=tmp_path
    )
    (tmp_path / "net.json").write_text(compiled.out)
    (tmp_path / "m.py").write_text(WHOLE.replace("return inputs\n", "return None\n"))
    done = python("-m", "dlspec", "check", "net.json", site=tmp_path, cwd=tmp_path)
    assert (done.code, done.err.count("[E0212]")) == (1, 1)
    (tmp_path / "m.py").write_text("raise RuntimeError('boom')")
    done = python("-m", "dlspec", "check", "net.json", site=tmp_path, cwd=tmp_path)
    assert (done.code, done.err.count("[E0212]")) == (1, 1)
    assert "RuntimeError: boom" in done.err
