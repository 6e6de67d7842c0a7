"""Emitted Python is what a person would have written: short, one class a block, always the same."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from random_specs import evaluate
from test_torch_backend import assert_clean, built, compiled
from torch import nn

from dlspec.backends.onnx import build
from dlspec.backends.torch import emit, emit_module, load_module
from dlspec.backends.torch.docstrings import docstring, wrapped
from dlspec.ir.graph import Program
from dlspec.ir.walk import buffer_shapes, weight_shapes
from dlspec.pipeline import compile_file

SPECS = Path(__file__).parent.parent / "specs"
NAMES = sorted(path.stem for path in SPECS.glob("*.dlnet"))


def packaged(name: str) -> Program:
    return compile_file(SPECS / f"{name}.dlnet").checked()


def classes(source: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


# --- the packaged specs


@pytest.mark.parametrize(("name", "most"), [("resnet", 120), ("inception_v3", 250)])
def test_known_networks_are_short(name: str, most: int) -> None:
    made = packaged(name)
    assert len(emit_module(made, made.models[0]).splitlines()) <= most


def test_every_packaged_spec_is_clean_and_keeps_its_names(tmp_path: Path) -> None:
    for name in NAMES:
        made = packaged(name)
        for key in made.models:
            source = emit_module(made, key)
            (tmp_path / f"{name}_{key.lower()}.py").write_text(source, encoding="utf-8")
            graph = made.graphs[key]
            with torch.device("meta"):
                state = load_module(source)().state_dict()
            found = {n: tuple(v.shape) for n, v in state.items() if not n.endswith("tracked")}
            assert found == {**weight_shapes(made, graph), **buffer_shapes(made, graph)}, name
        for number, plan in enumerate(made.trains):
            source = emit(made, plan.model, plan)
            (tmp_path / f"train_{name}{number}.py").write_text(source, encoding="utf-8")
    assert len(list(tmp_path.iterdir())) > len(NAMES) - 2
    assert_clean(tmp_path)


def test_lines_grow_with_what_is_different_not_with_what_is_repeated() -> None:
    lengths = []
    text = (SPECS / "resnet.dlnet").read_text(encoding="utf-8")
    assert "depth=50" in text
    for depth in (50, 101, 152):
        made = compiled(text.replace("depth=50", f"depth={depth}"))
        lengths.append(len(emit_module(made, "ResNet").splitlines()))
    assert max(lengths) - min(lengths) <= 6, lengths


def test_the_same_spec_gives_the_same_bytes_in_every_process() -> None:
    code = (
        "import sys; from dlspec.pipeline import compile_file;"
        "from dlspec.backends.torch import emit;"
        "made = compile_file(sys.argv[1]).checked();"
        "plan = made.trains[0] if made.trains else None;"
        "sys.stdout.buffer.write(emit(made, made.models[0], plan).encode())"
    )
    for name in ("lenet", "inception_v3"):
        found = {
            subprocess.run(
                [sys.executable, "-c", code, str(SPECS / f"{name}.dlnet")],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
            ).stdout
            for seed in ("0", "1", "4242")
        }
        assert len(found) == 1


# --- one class a block


BLOCKS = """
# Makes the skip fit.
block Shortcut(filters, stride=1) { Conv(filters, 1, stride=stride) -> BatchNorm }

# Two convolutions and the way around them.
block Residual(width, stride=1, scale=1.0, relu=true) {
  skip = it -> if stride > 1 or it.channels != width { Shortcut(width, stride) }
  Conv(width, 3, stride=stride, padding=1, bias=false) -> BatchNorm -> ReLU
  Conv(width, 3, padding=1, bias=false) -> BatchNorm
  it * scale + skip
  if relu { ReLU }
}

block Group(filters, convolutions, pooled) {
  repeat convolutions { Conv(filters, 3, padding=1, activation=relu) }
  MaxPool(pooled)
}

block Window(size, padding=same) {
  Conv(4, size, padding=padding) -> Tanh
  Slice(0, size)
}

model Net {
  input image: float[3, 24, 24]
  Group(8, 1, 1) -> Group(12, 2, 1) -> Group(16, 3, 2)
  Residual(16, 2, 0.5) -> Residual(16, scale=0.25) -> Residual(32, relu=false)
  repeat 5 { Residual(32) }
  repeat 6 { Conv(32, 1) -> BatchNorm -> ReLU }
  Window(3) -> Window(4, padding=valid)
  Flatten -> Dense(5)
}
"""


def test_blocks_with_arguments_compute_the_same_in_onnx_runtime(tmp_path: Path) -> None:
    made = compiled(BLOCKS)
    source = emit_module(made, "Net")
    (tmp_path / "net.py").write_text(source, encoding="utf-8")
    assert_clean(tmp_path)
    assert list(classes(source)) == [
        "Group",
        "Shortcut",
        "Residual",
        "Window",
        "Window2",
        "Net",
    ]
    model, x = built(made), torch.rand(2, 3, 24, 24)
    graph = made.model("Net")
    values = evaluate(made, graph, model.state_dict(), [x])
    with torch.no_grad():
        result = model(x)
    torch.testing.assert_close(result, values[graph.outputs[0].value])
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    session = onnxruntime.InferenceSession(build(made, "Net", weights).SerializeToString())
    (found,) = session.run(None, {"image": x.numpy()})
    np.testing.assert_allclose(found, result.numpy(), rtol=1e-4, atol=1e-4)


def test_stages_that_only_some_uses_have_follow_from_the_blocks_arguments() -> None:
    source = emit_module(compiled(BLOCKS), "Net")
    assert "if convolutions > 2:" in source
    assert "            self.conv3 = nn.Conv2d(filters, filters, 3, padding=1)" in source
    assert "            if stride > 1 or in_channels != width\n" in source
    assert "self.relu2 = nn.ReLU() if relu else nn.Identity()" in source
    assert "* self.scale" in source
    assert "        stride: int = 1,\n        scale: float = 1.0,\n" in source


def test_a_block_is_two_classes_where_its_weights_have_other_names() -> None:
    made = compiled("""
block Maybe(width, first=true) {
  if first { Conv(width, 1) }
  Conv(width, 3, padding=1) -> ReLU
}
model Net { input x: float[3, 8, 8]
  Maybe(3) -> Maybe(4, false) -> Maybe(4, false) }
""")
    source = emit_module(made, "Net")
    assert list(classes(source)) == ["Maybe", "Maybe2", "Net"]
    assert set(built(made).state_dict()) == set(weight_shapes(made, made.model("Net")))


def test_words_and_truth_values_are_arguments_too() -> None:
    source = emit_module(
        compiled("""
block Unit(filters, padding=same, bias=false) { Conv(filters, 3, padding=padding, bias=bias) }
model Net { input x: float[3, 16, 16]
  Unit(4) -> Unit(5, valid) -> Unit(6, bias=true) }
"""),
        "Net",
    )
    assert 'padding: str = "same"' in source and "bias: bool = False" in source
    assert 'Unit(4, 5, padding="valid")' in source and "Unit(5, 6, bias=True)" in source


# --- straight flow, repeats


def test_a_straight_block_is_sequential_and_any_other_is_not() -> None:
    made = compiled("""
block Straight { Conv(4, 3) -> BatchNorm -> ReLU -> Dropout(0.1) }
block Skips { it + (Conv(4, 1) -> ReLU) }
block Means { Conv(4, 1) -> GlobalAvgPool }
model Net { input x: float[3, 8, 8]
  Straight -> Skips -> Means -> Dense(2) }
""")
    found = classes(emit_module(made, "Net"))
    bases = {name: ast.unparse(node.bases[0]) for name, node in found.items()}
    assert bases == {
        "Straight": "nn.Sequential",
        "Skips": "nn.Module",
        "Means": "nn.Module",
        "Net": "nn.Sequential",
    }
    assert "forward" not in ast.unparse(found["Straight"])


@pytest.mark.parametrize("name", ["append", "extend", "insert", "pop"])
def test_members_of_sequential_are_not_overwritten(name: str) -> None:
    made = compiled(f"""
model Net {{ input x: float[3]
  Dense(4) as {name} -> ReLU -> Dense(2) }}
""")
    model = built(made)
    assert set(model.state_dict()) == set(weight_shapes(made, made.model("Net")))
    assert not isinstance(model, nn.Sequential)


def test_repeats_are_loops_and_their_weights_keep_their_names() -> None:
    made = compiled("""
block Layer(width) { it + (LayerNorm -> Dense(width) -> GELU) }
model Net { input x: float[?length, 8]
  layer shared = Dense(8)
  repeat 12 { Layer(8) }
  it -> shared -> shared }
""")
    source = emit_module(made, "Net")
    assert source.count("for number in range(1, 13):") == 2
    assert 'self.add_module(f"layer{number}", Layer())' in source
    model, x = built(made), torch.rand(2, 5, 8)
    graph = made.model("Net")
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert shapes == weight_shapes(made, graph)
    values = evaluate(made, graph, model.state_dict(), [x])
    with torch.no_grad():
        torch.testing.assert_close(model(x), values[graph.outputs[0].value])
        compiled_model = torch.compile(model, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled_model(x), model(x))


def test_a_thousand_repeats_are_as_long_as_ten() -> None:
    lengths = {
        len(
            emit_module(
                compiled(f"""
model Net {{ input x: float[4, 8, 8]
  repeat {count} {{ Conv(4, 3, padding=1) -> BatchNorm -> ReLU }}
  GlobalAvgPool -> Dense(2) }}
"""),
                "Net",
            ).splitlines()
        )
        for count in (10, 1000)
    }
    assert len(lengths) == 1


def test_what_training_alone_needs_is_a_tap() -> None:
    source = emit_module(
        compiled("""
model Net { input x: float[3, 8, 8]
  Conv(4, 3) -> ReLU
  auxiliary early = it -> GlobalAvgPool -> Dense(2)
  Conv(5, 3) -> ReLU -> GlobalAvgPool
  output late = it -> Dense(2) }
"""),
        "Net",
    )
    assert "tap = F.relu(self.conv1(x))  # [4, 6, 6]" in source
    assert "x = F.relu(self.conv2(tap))  # [5, 4, 4]" in source


# --- text


HOSTILE = [
    float("inf"),
    float("nan"),
    '"; import os; os.abort()  # ',
    ["a", [1, {}]],
    {"a": 1},
    10**400,
    None,
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", ["width", "self", "import", "a b", "\nimport os"])
def test_arguments_of_a_program_in_json_form_stay_values(name: str, value: Any) -> None:
    made = compiled("""
block Part(width=4) { Dense(width) }
model Net { input x: float[3]
  Part -> Part(5) }
""")
    graphs = dict(made.graphs)
    for key in ("Part", "Part2"):
        update = {"arguments": {name: value if key == "Part" else 5}, "defaults": {name: value}}
        graphs[key] = graphs[key].model_copy(update=update)
    source = emit_module(made.model_copy(update={"graphs": graphs}), "Net")
    assert not any(isinstance(node, ast.Import) for node in ast.walk(ast.parse(source)))
    assert load_module(source)()(torch.zeros(1, 3)).shape == (1, 5)


def test_documentation_is_as_wide_as_the_code() -> None:
    long = "Seven words and some more of them. " * 6
    lines = docstring(long, 4)
    assert all(len(line) <= 88 for line in lines)
    assert " ".join(line.strip() for line in lines).strip('" ') == long.strip()
    listed = wrapped(["- " + "word " * 30, "- next"], 60)
    assert listed[-1] == "- next" and all(len(line) <= 60 for line in listed)


def test_the_comment_of_a_file_is_the_docstring_of_its_module() -> None:
    source = emit_module(packaged("resnet"), "ResNet")
    text = ast.get_docstring(ast.parse(source))
    assert text is not None and "He, Zhang, Ren, Sun 2015" in text
