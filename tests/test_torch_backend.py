"""The PyTorch backend from the outside: it reads well, is safe, and computes what the spec says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import black
import pytest
import torch
from layer_draws import Draw
from layer_inputs import CASES, draws
from random_specs import evaluate, random_spec
from sketch import Sketch, program
from torch import nn

from dlspec.backends.torch import BackendProblem, emit_module, load_module
from dlspec.backends.torch.printer import call_text, quoted, statement
from dlspec.ir.forms import Call, Unsupported
from dlspec.ir.graph import Graph, LayerNode, Port, Program
from dlspec.ir.layer import Layer
from dlspec.ir.reserved import MODULE_MEMBERS, path_for, usable_path
from dlspec.ir.types import TensorType, tensor
from dlspec.ir.walk import buffer_shapes, weight_shapes
from dlspec.layers.dense import Dense
from dlspec.pipeline import compile_file, compile_text

SPECS = Path(__file__).parent.parent / "specs"


def compiled(text: str) -> Program:
    return compile_text(text).checked()


def built(made: Program, key: str | None = None) -> nn.Module:
    """The emitted model, every weight and statistic drawn anew so that none is at its start."""
    torch.manual_seed(0)
    model = load_module(emit_module(made, key or made.models[0]))().eval()
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5 if "var" in name else torch.randn_like(value))
    return model


RULES = "E,F,W,I,N,UP,B,SIM,RET,C4,PIE"
"""Rules of ruff for emitted code, but N812: `functional as F` is the field's own spelling."""


def assert_clean(folder: Path) -> None:
    """Hold every file of a folder to ruff's rules at width 88, and to black's layout."""
    width = ["--line-length", "88", "--target-version", "py311"]
    for arguments in (["check", "--select", RULES, "--ignore", "N812"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, *width, "--isolated", "--no-cache", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for file in folder.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert black.format_str(text, mode=black.Mode()) == text, file


# --- what it looks like


def test_lenet_reads_as_a_person_would_write_it() -> None:
    made = compile_file(SPECS / "lenet.dlnet").checked()
    assert (
        emit_module(made, made.model("LeNet").key)
        == '''\
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LeNet(nn.Module):
    """LeNet-style digit classifier.

    1,256,080 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5, padding="same")
        self.conv2 = nn.Conv2d(20, 50, 5, padding="same")
        self.dense1 = nn.Linear(2450, 500)
        self.dense2 = nn.Linear(500, 10)

    def logits(self, image: Tensor) -> Tensor:
        """What stands before the final activation; losses take it from here."""
        x = F.relu(self.conv1(image))  # [20, 28, 28]
        x = F.max_pool2d(x, 2)  # [20, 14, 14]
        x = F.relu(self.conv2(x))  # [50, 14, 14]
        x = F.max_pool2d(x, 2)  # [50, 7, 7]
        x = torch.flatten(x, 1)  # [2450]
        x = F.relu(self.dense1(x))  # [500]
        return self.dense2(x)  # [10]

    def forward(self, image: Tensor) -> Tensor:
        return F.softmax(self.logits(image), dim=-1)  # [10]
'''
    )


RESNET = (Path(__file__).parent.parent / "specs" / "resnet.dlnet").read_text(encoding="utf-8")


def test_blocks_that_differ_in_numbers_are_one_class() -> None:
    text = emit_module(compiled(RESNET), "ResNet")
    tree = ast.parse(text)
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert classes == ["Bottleneck", "Bottleneck2", "ResNet"]
    assert "self.bottleneck1 = Bottleneck(64, 64)" in text
    assert "self.bottleneck4 = Bottleneck(256, 128, stride=2)" in text
    assert "self.bottleneck16 = Bottleneck2(512)" in text
    assert "nn.Conv2d(width, 4 * width, 1, bias=False)" in text
    assert text.count("A narrow, a 3×3 and a wide convolution, and the way around them.") == 2
    model = load_module(text)()
    assert sum(p.numel() for p in model.parameters()) == 25_557_032
    with torch.no_grad():
        assert model.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)


def test_the_same_spec_gives_the_same_bytes() -> None:
    assert len({emit_module(compiled(RESNET), "ResNet") for _ in range(2)}) == 1


@pytest.mark.parametrize("seed", range(4))
def test_random_networks_are_clean_and_compute_what_their_graphs_say(
    seed: int, tmp_path: Path
) -> None:
    for number in range(15):
        text = random_spec(Random(f"{seed} {number}"))
        made = compiled(text)
        graph = made.model("Net")
        source = emit_module(made, graph.key)
        (tmp_path / f"net{number}.py").write_text(source)
        model = built(made)
        shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
        assert shapes == weight_shapes(made, graph), text
        found = {
            name: tuple(b.shape)
            for name, b in model.named_buffers()
            if not name.endswith("num_batches_tracked")
        }
        assert found == buffer_shapes(made, graph), text
        _compare(made, graph, model, torch.rand(2, 3, 8, 8), text)
    assert_clean(tmp_path)


def _compare(made: Program, graph: Graph, model: nn.Module, x: torch.Tensor, text: str) -> None:
    """Forward of the emitted module beside the graph read node by node."""
    values = evaluate(made, graph, model.state_dict(), [x])
    for training in (False, True):
        model.training = training  # of the model itself alone: its parts stay in inference
        with torch.no_grad():
            result = model(x)
        ports = (*graph.outputs, *(graph.auxiliaries if training else ()))
        named = result if isinstance(result, dict) else {graph.outputs[0].name: result}
        assert set(named) == {port.name for port in ports}, text
        assert isinstance(result, dict) == (len(ports) > 1)
        for port in ports:
            torch.testing.assert_close(named[port.name], values[port.value], msg=text)


def test_every_layer_is_written_clean(tmp_path: Path) -> None:
    for kind in CASES:
        for number, draw in enumerate(draws(kind, 3, "emitted")):
            if isinstance(draw.layer.torch(draw.inputs, draw.outputs), Unsupported):
                continue
            made = _single(draw)
            text = emit_module(made, "One")
            (tmp_path / f"{kind}{number}.py").write_text(text)
            model = load_module(text)()
            shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
            assert shapes == weight_shapes(made, made.graphs["One"])
    assert_clean(tmp_path)


def _single(draw: Draw) -> Program:
    """A model with one layer."""
    inputs = {f"x{i}": type for i, type in enumerate(draw.inputs)}
    outputs = {f"y{i}": type for i, type in enumerate(draw.outputs)}
    node = LayerNode(path="stage", layer=draw.layer, inputs=tuple(inputs), outputs=tuple(outputs))
    return program(
        Graph(
            key="One",
            name="One",
            is_model=True,
            arguments={},
            nodes=(node,),
            inputs=tuple(Port(name=n, value=n) for n in inputs),
            outputs=tuple(Port(name=n, value=n) for n in outputs),
            types={**inputs, **outputs},
        )
    )


# --- logits


def test_logits_are_what_stands_before_softmax() -> None:
    made = compiled("""
block Head { Dense(5, activation=softmax) }
model M { input x: float[4]
  Head }
""")
    model, x = built(made), torch.randn(3, 4)
    head = model.get_submodule("head1.dense1")
    torch.testing.assert_close(model.logits(x), head(x))
    torch.testing.assert_close(model(x), head(x).softmax(-1))


def test_a_layer_called_logits_keeps_its_weights_beside_the_method() -> None:
    made = compiled("""
model M { input x: float[4]
  logits = it -> Dense(5)
  logits -> Softmax }
""")
    model, x = built(made), torch.randn(3, 4)
    assert set(model.state_dict()) == {"logits.weight", "logits.bias"}
    torch.testing.assert_close(model(x), model.logits(x).softmax(-1))


def test_another_name_of_a_softmax_is_still_its_shares() -> None:
    made = compiled("""
model M { input x: float[4]
  shares = it -> Dense(5) -> Softmax
  output first = shares
  output second = shares -> Identity }
""")
    result = built(made)(torch.randn(3, 4))
    torch.testing.assert_close(result["first"], result["second"])
    torch.testing.assert_close(result["first"].sum(-1), torch.ones(3))


def test_a_gate_in_the_middle_needs_no_logits() -> None:
    text = emit_module(
        compiled("""
block Gate { Dense(4) -> Sigmoid }
model M { input x: float[4]
  it * Gate -> Dense(2) }
"""),
        "M",
    )
    assert "logits" not in text


# --- what cannot be written


class Puzzle(Layer):
    """A layer that no backend knows."""

    kind: ClassVar[str] = "Puzzle"

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return inputs

    def torch(self, inputs: Any, outputs: Any) -> Unsupported:
        return Unsupported("it has no solution")


def test_a_layer_that_pytorch_lacks_is_a_problem_with_its_place() -> None:
    sketch = Sketch("M", x=tensor(4))
    made = program(sketch.graph(y=sketch.layer("puzzle1", Puzzle(), "x")))
    with pytest.raises(BackendProblem) as found:
        emit_module(made, "M")
    problem = found.value
    assert (problem.code, problem.graph, problem.node) == ("E0415", "M", "puzzle1")
    assert problem.message == ("`Puzzle` cannot be expressed in PyTorch because it has no solution")


# --- names and text that want out


def test_the_members_of_modules_are_known() -> None:
    own = {"__dict__"} | {name for name in dir(nn.Module()) if not name.startswith("__")}
    assert own - {"__dict__"} <= MODULE_MEMBERS


@pytest.mark.parametrize(
    "path",
    [
        "eval",
        "train",
        "type",
        "half",
        "parameters",
        "forward",
        "class",
        "lambda",
        "None",
        "__init__",
        "__a",
        "_modules",
        "a b",
        "a.b",
        "a;b",
        "é",
        "ﬁt",
        "x" * 65,
        "",
        "1a",
        "a\nimport os",
        "file",
    ],
)
def test_paths_that_cannot_be_attributes_are_refused(path: str) -> None:
    assert not usable_path(path)
    sketch = Sketch("M", x=tensor(4))
    made = program(sketch.graph(y=sketch.layer(path, Dense(units=2), "x", value="y")))
    with pytest.raises(BackendProblem) as found:
        emit_module(made, "M")
    assert found.value.code == "E0203"


@pytest.mark.parametrize("name", ["eval", "class", "__init__", "_modules"])
def test_taken_names_get_an_underscore(name: str) -> None:
    assert usable_path(path_for(name))


def test_names_of_blocks_and_values_give_way_to_pythons() -> None:
    made = compiled(
        """
block F { Dense(4) }
block Tensor { Dense(4) }
block Exception { Dense(4) }
model True2 { input self: float[4]
  torch = it -> F -> ReLU
  nn = torch -> Tensor
  len = nn -> Exception
  lambda = torch + nn
  lambda + len }
""".replace("True2", "M")
    )
    model = built(made)
    x = torch.randn(2, 4)
    values = evaluate(made, made.model("M"), model.state_dict(), [x])
    torch.testing.assert_close(model(x), values[made.model("M").outputs[0].value])


ATTACKS = [
    '"""\nimport os; os.environ["PWNED"] = "1"\n"""',
    '""" + __import__("os").environ.setdefault("PWNED", "1") + """',
    "\\",
    '\\"""',
    'ends with "',
    '"starts',
    "'''",
    "\\N{DIGIT ONE} \\x41 \\u0041",
    "{0} {m} %s",
    "\u202etxet\u202c",
    "a\u2028import os",
    "a\x0cimport os",
    "a\rimport os",
    "\x00",
    "\ud800",
    "# noqa\n    def forward(self): pass",
    "  indented\n      more\n\n  less",
    "tab\there",
]


def test_documentation_stays_text(tmp_path: Path) -> None:
    for number, attack in enumerate(ATTACKS):
        sketch = Sketch("M", x=tensor(4))
        made = program(sketch.graph(attack, y=sketch.layer("dense1", Dense(units=2), "x")))
        source = emit_module(made, "M")
        (tmp_path / f"attack{number}.py").write_text(source, encoding="utf-8")
        body = ast.parse(source).body
        assert [type(node) for node in body] == [ast.ImportFrom, ast.ClassDef]
        (only,) = [node for node in body if isinstance(node, ast.ClassDef)]
        assert [type(node) for node in only.body] == [ast.Expr, ast.FunctionDef]
        if attack.isprintable():
            assert (ast.get_docstring(only) or "").split("\n")[0] == attack.strip()
    assert_clean(tmp_path)


@pytest.mark.parametrize("attack", ATTACKS)
def test_strings_and_names_from_a_program_in_json_form_stay_text(attack: str) -> None:
    sketch = Sketch("M", x=tensor(4))
    sketch.types[attack] = sketch.types["x"]
    sketch.layer("dense1", Dense(units=2), "x", value=f"{attack} value")
    graph = sketch.graph(**{attack: f"{attack} value", "other": attack}).model_copy(
        update={"inputs": (Port(name=attack, value=attack), Port(name="x", value="x"))}
    )
    source = emit_module(program(graph), "M")
    calls = {
        ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
    }
    assert calls == {"super().__init__", "super", "nn.Linear", "self.dense1"}
    model = load_module(source)()
    assert set(model(torch.zeros(1, 4), torch.zeros(1, 4))) == {attack, "other"}
    assert ast.literal_eval(quoted(attack)) == attack


def test_only_plain_values_have_literals() -> None:
    for value in (float("inf"), float("nan"), b"x", [1], object()):
        with pytest.raises((TypeError, ValueError)):
            call_text(Call("f", (value,)))  # type: ignore[arg-type]


# --- the printer


def test_statements_are_laid_out_as_black_does(tmp_path: Path) -> None:
    random = Random(0)
    lines = ["class A:", "    def f(self):"]
    for _ in range(600):
        lines += _random_statement(random)
    (tmp_path / "printed.py").write_text("\n".join([*lines, ""]))
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--diff", "--isolated", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    text = (tmp_path / "printed.py").read_text()
    assert black.format_str(text, mode=black.Mode()) == text


def _random_statement(random: Random) -> list[str]:
    def name(most: int = 20) -> str:
        return "a" * random.choice([n for n in (1, 5, 12, 20, 40, 64) if n <= most])

    def value(depth: int = 0) -> Any:
        kind = random.randrange(6)
        if kind == 0 and depth < 2:
            return tuple(value(depth + 1) for _ in range(random.randint(0, 12)))
        return [random.randint(0, 10**6), 1e-5, "same", 'it\'s "q"', None, True][kind]

    if random.random() < 0.4:
        arguments = tuple(value() for _ in range(random.randint(0, 5)))
        keywords = {name(): value() for _ in range(random.randint(0, 1))}
        text = call_text(Call(f"nn.{name()}", arguments, keywords))
        return statement(f"self.{name(64)} = ", text, 8)
    x, y, module = name(), name(), name(64)
    text = random.choice(
        [
            f"self.{module}({x})",
            f"F.relu(self.{module}({x}))",
            f"{x} + {y}",
            f"({x} + {y}) / 2",
            " + ".join([x, y] * random.randint(1, 5)),
            f"self.{module}(F.pad({x}, (0, 1, 0, 1)))",
            f"torch.cat([{', '.join(name() for _ in range(random.randint(1, 8)))}], dim=1)",
            f"({x} >= 0).to({x}.dtype)",
            f"F.avg_pool2d({x}, 2) / {y}",
            f"{x}.unsqueeze(1) * {y}",
        ]
    )
    shape = random.choice(["", "[20, 28, 28]", "[20, 28, 28], [20, 28, 28], [20, 28, 28]"])
    return statement(f"{name()} = ", text, 8, shape)
