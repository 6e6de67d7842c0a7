"""How weights start: `init=` of layers and of a `train`, in PyTorch, in ONNX and in a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from training_setup import SMALL

from dlspec.backends.onnx import build
from dlspec.backends.onnx.tensors import initial_array
from dlspec.backends.torch import emit, emit_module, load_module
from dlspec.ir.graph import LayerNode, Program
from dlspec.ir.starts import STARTS, Start
from dlspec.layers import find
from dlspec.pipeline import compile_text

DRAWN = [
    cls(**{name: 0.3 for name, field in cls.model_fields.items() if field.is_required()})
    for cls in STARTS
]
SHAPES = [(96, 64), (64, 48, 3, 3), (40, 90)]


def by_pytorch(start: Start, shape: tuple[int, ...]) -> np.ndarray:
    """What `nn.init` makes of a tensor of that shape."""
    function, args, kwargs = start.torch()
    tensor = torch.empty(shape)
    torch.manual_seed(0)
    getattr(nn.init, function.removeprefix("nn.init."))(tensor, *args, **kwargs)
    return tensor.numpy()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("start", DRAWN, ids=lambda start: start.kind_name())
def test_both_backends_draw_from_one_distribution(start: Start, shape: tuple[int, ...]) -> None:
    one = by_pytorch(start, shape)
    other = initial_array("weight", shape, start.initial(shape), seed=0)
    assert other.dtype == np.float32 and other.shape == shape
    assert abs(other.mean() - one.mean()) <= 0.05 * one.std() + 1e-6
    assert abs(other.std() - one.std()) <= 0.05 * one.std() + 1e-6
    assert np.abs(other).max() == pytest.approx(float(np.abs(one).max()), rel=0.35)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_orthogonal_rows_are_orthogonal(shape: tuple[int, ...]) -> None:
    flat = initial_array("w", shape, ("orthogonal", 2.0), seed=3).reshape(shape[0], -1)
    product = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-4)


def test_a_truncated_normal_ends_at_two_standard_deviations() -> None:
    drawn = initial_array("w", (400, 400), ("truncated_normal", 0.5), seed=3)
    assert 0.98 < np.abs(drawn).max() <= 1.0


LAYERS = """
model M {
  input x: float[8, 6, 6]
  Conv(64, 3, padding=1, init=he_normal) -> BatchNorm -> ReLU
  Conv(64, 3, init=normal(0.02)) -> BatchNorm(init=constant(0.2))
  GlobalAvgPool -> Dense(50, init=xavier_uniform, activation=prelu) -> Dense(5)
}
"""


def test_a_module_starts_as_its_layers_say() -> None:
    program = compile_text(LAYERS).checked()
    torch.manual_seed(0)
    module = load_module(emit_module(program, "M"))()
    weights = {name: w.detach() for name, w in module.named_parameters()}
    assert weights["conv1.weight"].std() == pytest.approx((2 / (8 * 9)) ** 0.5, rel=0.05)
    assert weights["conv2.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert weights["dense1.weight"].abs().max() == pytest.approx((6 / 114) ** 0.5, rel=0.02)
    assert all(not weights[f"{name}.bias"].any() for name in ("conv1", "conv2", "dense1"))
    assert weights["dense2.bias"].any(), "a layer without `init=` starts as PyTorch's"
    assert (weights["batch_norm1.weight"] == 1).all()
    assert (weights["batch_norm2.weight"] == 0.2).all()


def test_an_onnx_file_starts_as_its_layers_say() -> None:
    model = build(compile_text(LAYERS).checked(), "M")
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert arrays["conv1.weight"].std() == pytest.approx((2 / (8 * 9)) ** 0.5, rel=0.05)
    assert arrays["conv2.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert not arrays["conv1.bias"].any() and arrays["dense2.bias"].any()
    assert (arrays["batch_norm2.weight"] == np.float32(0.2)).all()


def test_layers_that_start_alike_stand_in_one_loop() -> None:
    text = "model M {\n  input x: float[4]\n  Dense(4, init=zeros) -> Dense(4, init=zeros)\n}\n"
    source = emit_module(compile_text(text).checked(), "M")
    assert "        for layer in (self.dense1, self.dense2):\n" in source
    assert "            nn.init.zeros_(layer.weight)\n" in source


# --- the `init` of a `train` -----------------------------------------------------------

NET = """
block Unit(width) { Conv(width, 3, padding=1) -> ReLU -> BatchNorm }
model Net {
  input image: float[1, 8, 8]
  parameter shift: float[1, 8, 8] = ones
  it + shift -> Unit(8) -> Unit(8) -> Conv(4, 3, init=zeros)
  Flatten -> Dense(10)
}
model Other {
  input image: float[1, 8, 8]
  Unit(8) -> Flatten -> Dense(10)
}
data D { source = digits() }
train Net on D {
  loss      = cross_entropy
  optimizer = sgd(0.1)
  epochs    = 1
  init      = he_normal
}
"""


def kinds(program: Program, key: str) -> list[str | None]:
    """How each layer of a graph with weights starts."""
    graph = program.graphs[key]
    return [
        node.start and node.start.kind_name()
        for node in graph.nodes
        if isinstance(node, LayerNode) and node.layer.weights(graph.input_types(node))
    ]


def test_a_train_says_how_the_matrices_of_its_model_start() -> None:
    program = compile_text(NET).checked()
    (plan,) = program.trains
    assert plan.init is not None and plan.init.kind_name() == "he_normal"
    assert program.models == ("Net", "Other")
    assert kinds(program, "Net") == ["zeros", "he_normal"], "a layer's own `init=` goes before"
    used = [node.graph for node in program.graphs["Net"].nodes if node.op == "call"]
    assert kinds(program, used[0]) == ["he_normal", None], "BatchNorm starts at 1 and 0"
    other = [node.graph for node in program.graphs["Other"].nodes if node.op == "call"]
    assert kinds(program, other[0]) == [None, None], "another model's weights are its own matter"


def test_the_emitted_program_and_the_resolved_spec_say_it() -> None:
    compiled = compile_text(NET)
    program = compiled.checked()
    assert "kaiming_normal_" in emit(program, "Net", plan=program.trains[0])
    assert "kaiming_normal_" in emit_module(program, "Net")
    assert "kaiming_normal_" not in emit_module(program, "Other")
    assert "init       = he_normal()" in compiled.resolved()
    assert compile_text(compiled.resolved()).program == program
    again = Program.model_validate_json(program.model_dump_json(), context={"layers": find})
    assert again == program


def test_two_trains_of_a_model_start_it_each_in_its_way() -> None:
    second = NET[NET.index("train Net") :].replace("he_normal", "normal(0.02)")
    program = compile_text(NET + second).checked()
    starts = [kinds(program, plan.model)[-1] for plan in program.trains]
    assert starts == ["he_normal", "normal"]


def test_a_run_begins_with_the_weights_of_the_emitted_module(tmp_path) -> None:
    from dlspec.training.preparing import prepare_training
    from dlspec.training.settings import TrainOptions

    text = SMALL.replace("epochs", "init = normal(0.02)\n  epochs", 1)
    program = compile_text(text).checked()
    plan = program.trains[0]
    options = TrainOptions(tmp_path / "run", device="cpu", show="nothing")
    training = prepare_training(program, plan, options)
    torch.manual_seed(plan.seed)
    emitted = load_module(emit_module(program, plan.model))().state_dict()
    begun = training.state.model.state_dict()
    assert all(torch.equal(begun[name], emitted[name]) for name in emitted)
    matrices = [w for w in emitted.values() if w.dim() > 1]
    assert matrices and all(0.01 < w.std() < 0.03 for w in matrices if w.numel() > 100)


@pytest.mark.parametrize("value", ["kaiming_normal", '"he_normal"', "normal", "true"])
def test_a_wrong_init_of_a_train_is_one_diagnostic(value: str) -> None:
    found = [
        d.code for d in compile_text(NET.replace("= he_normal", f"= {value}", 1)).diagnostics
        if d.severity == "error"
    ]  # fmt: skip
    assert found in (["E0303"], ["E0302"])
