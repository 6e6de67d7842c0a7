"""ONNX models built from the IR: what they compute, what they are called, what they refuse."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sketch import Sketch, program
from torch import nn

from dlspec.backends.onnx import (
    OLDEST_OPSET,
    InvalidModel,
    build,
    build_file,
    newest_opset,
    serialize,
    verify,
)
from dlspec.backends.problem import BackendProblem
from dlspec.ir.card import from_metadata
from dlspec.ir.dims import symbol
from dlspec.ir.forms import OnnxConstant, OnnxDerived, OnnxForm, OnnxNode, Unsupported
from dlspec.ir.graph import Graph, ParameterNode, Program
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType, tensor
from dlspec.ir.walk import buffer_shapes, weight_shapes
from dlspec.layers import find
from dlspec.pipeline import compile_text


def layer(kind: str, **arguments: Any) -> Layer:
    found = find(kind)
    assert found is not None
    return found(**arguments)


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> list[Any]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, inputs))


def block() -> Graph:
    sketch = Sketch("Block", False, x=tensor(4, 6, 6))
    x = sketch.layer("conv1", layer("Conv", filters=4, kernel=3, padding=1), "x")
    x = sketch.layer("batch_norm1", layer("BatchNorm"), x)
    x = sketch.layer("relu1", layer("ReLU"), x)
    return sketch.graph(output=sketch.layer("add1", layer("Add"), x, "x"))


def network() -> Program:
    """A convolution, two blocks of which the second shares its weights, and a classifier."""
    sketch = Sketch("Net", image=tensor(1, 6, 6))
    x = sketch.layer("conv1", layer("Conv", filters=4, kernel=3, padding=1), "image")
    first = block()
    x = sketch.call("block1", first, x)
    x = sketch.call("block2", first, x)
    x = sketch.call("block3", first, x, shares="block1")
    x = sketch.layer("flatten1", layer("Flatten"), x)
    x = sketch.layer("dropout1", layer("Dropout"), x)
    x = sketch.layer("dense1", layer("Dense", units=5), x)
    x = sketch.layer("softmax1", layer("Softmax"), x)
    return program(
        first, sketch.graph(output=x, documentation="A small network."), documentation="All of it."
    )


class Oracle(nn.Module):
    """The same network, written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.block1 = self.block()
        self.block2 = self.block()
        self.dense1 = nn.Linear(144, 5)

    @staticmethod
    def block() -> nn.ModuleDict:
        return nn.ModuleDict(
            {"conv1": nn.Conv2d(4, 4, 3, padding=1), "batch_norm1": nn.BatchNorm2d(4)}
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        for part in (self.block1, self.block2, self.block1):
            x = torch.relu(part["batch_norm1"](part["conv1"](x))) + x
        return torch.softmax(self.dense1(x.flatten(1)), 1)


def randomize(module: nn.Module) -> dict[str, np.ndarray]:
    """Statistics of every BatchNorm at random; the weights as NumPy arrays."""
    generator = torch.Generator().manual_seed(1)
    for name, value in module.state_dict().items():
        if name.endswith("running_mean"):
            value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
        elif name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return {name: value.numpy() for name, value in module.eval().state_dict().items()}


@pytest.mark.parametrize("opset", [OLDEST_OPSET, 20, 22, newest_opset()])
def test_it_computes_what_pytorch_computes_at_every_batch(opset: int) -> None:
    oracle = Oracle()
    model = build(network(), "Net", randomize(oracle), opset)
    verify(model)
    assert model.opset_import[0].version == opset
    for batch in (1, 7):
        x = torch.randn(batch, 1, 6, 6)
        with torch.inference_mode():
            np.testing.assert_allclose(run(model, image=x.numpy())[0], oracle(x), atol=1e-6)


def test_names_are_those_of_the_spec() -> None:
    graph = build(network(), "Net").graph
    assert [node.name for node in graph.node] == [
        "conv1",
        "block1.conv1",
        "block1.batch_norm1",
        "block1.relu1",
        "block1.add1",
        "block2.conv1",
        "block2.batch_norm1",
        "block2.relu1",
        "block2.add1",
        "block3.conv1",
        "block3.batch_norm1",
        "block3.relu1",
        "block3.add1",
        "flatten1",
        "dense1",
        "softmax1",
    ]
    assert [(v.name, v.type.tensor_type.shape.dim[0].dim_param) for v in graph.input] == [
        ("image", "batch")
    ]
    assert [v.name for v in graph.output] == ["output"]
    typed = {v.name for v in (*graph.value_info, *graph.output)}
    assert typed == {name for node in graph.node for name in node.output}


def test_shared_weights_are_there_once_and_no_others() -> None:
    made = network()
    graph = made.graphs["Net"]
    wanted = weight_shapes(made, graph) | buffer_shapes(made, graph)
    found = {t.name: tuple(t.dims) for t in build(made, "Net").graph.initializer}
    assert found == wanted
    assert "block3.conv1.weight" not in found


def test_documentation_and_card() -> None:
    model = build(network(), "Net", metadata={"author": "someone"})
    assert (model.doc_string, model.graph.doc_string) == ("All of it.", "A small network.")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["author"] == "someone"
    card = from_metadata(metadata)
    assert card is not None
    assert card.model == "Net"
    assert card.inputs[0].shape == (1, 6, 6)
    assert (card.outputs[0].name, card.outputs[0].meaning) == ("output", "probabilities")
    assert card.spec_hash == hashlib.sha256(network().model_dump_json().encode()).hexdigest()


def test_the_start_is_that_of_the_layers_and_of_the_seed() -> None:
    weights = [
        {
            t.name: onnx.numpy_helper.to_array(t)
            for t in build(network(), "Net", seed=seed).graph.initializer
        }
        for seed in (0, 0, 1)
    ]
    dense = weights[0]["dense1.weight"]
    assert np.abs(dense).max() <= 1 / 12
    assert np.abs(dense).max() > 0.99 / 12
    assert (weights[0]["block1.batch_norm1.running_var"] == 1).all()
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not np.array_equal(dense, weights[2]["dense1.weight"])


def test_static_batch() -> None:
    model = build(network(), "Net", batch=3)
    verify(model)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [3, 1, 6, 6]


def test_outputs_that_are_inputs_or_two_at_once() -> None:
    sketch = Sketch("Net", image=tensor(3), output=tensor(3))
    x = sketch.layer("relu1", layer("ReLU"), "image")
    y = sketch.layer("dropout1", layer("Dropout"), "output")
    model = build(program(sketch.graph(same=x, again=x, untouched="image", dropped=y)), "Net")
    verify(model)
    a, b = np.array([[-1, 2, 3]], np.float32), np.array([[4, 5, 6]], np.float32)
    results = run(model, image=a, output=b)
    for result, wanted in zip(results, (a.clip(0), a.clip(0), a, b), strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_names_that_clash() -> None:
    """A value is called like another's weight, an output like a value in a block."""
    inner = Sketch("Inner", False, x=tensor(2))
    inner.layer("weight", layer("Dense", units=2), "x")
    made = inner.graph(output=inner.layer("logits", layer("Dense", units=2), "weight"))
    sketch = Sketch("Net", batch=tensor(symbol("batch"), 2))
    x = sketch.layer("dense1", layer("Dense", units=2), "batch", value="dense1.weight")
    sketch.layer("relu1", layer("ReLU"), x, value="logits")
    y = sketch.layer("tanh1", layer("Tanh"), "logits")
    model = build(program(made, sketch.graph(logits=y)), "Net")
    verify(model)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert dims[0].dim_param != dims[1].dim_param
    assert run(model, batch=np.ones((3, 4, 2), np.float32))[0].shape == (3, 4, 2)


def test_sizes_known_at_run_time_keep_their_names() -> None:
    sketch = Sketch("Net", tokens=tensor(symbol("length"), 4))
    x = sketch.layer("dense1", layer("Dense", units=3), "tokens")
    x = sketch.layer("concat1", layer("Concat"), x, x)
    model = build(program(sketch.graph(output=x)), "Net")
    verify(model)
    dims = model.graph.output[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["batch", "2 * length", 3]
    assert run(model, tokens=np.ones((2, 5, 4), np.float32))[0].shape == (2, 10, 3)


def test_what_serves_an_auxiliary_alone_is_left_out() -> None:
    sketch = Sketch("Net", image=tensor(3))
    x = sketch.layer("dense1", layer("Dense", units=3), "image")
    head = sketch.layer("head", layer("Dense", units=3), x)
    model = build(program(sketch.graph(output=x, auxiliaries={"aux": head})), "Net")
    assert [node.name for node in model.graph.node] == ["dense1"]
    assert {t.name for t in model.graph.initializer} == {"dense1.weight", "dense1.bias"}


def test_a_learned_tensor_is_repeated_for_every_example() -> None:
    sketch = Sketch("Net", image=tensor(2, 3))
    sketch.types["token"] = tensor(1, 3)
    sketch.nodes.append(
        ParameterNode(path="token", inputs=(), outputs=("token",), initial="normal(0.02)")
    )
    x = sketch.layer("concat1", layer("Concat"), "token", "image")
    token = np.array([[7, 8, 9]], np.float32)
    model = build(program(sketch.graph(output=x)), "Net", {"token": token})
    verify(model)
    image = np.ones((4, 2, 3), np.float32)
    wanted = np.concatenate([np.repeat(token[None], 4, 0), image], 1)
    np.testing.assert_array_equal(run(model, image=image)[0], wanted)


class Peculiar(Layer):
    """Uses every kind of name that a form has: constants, derived weights, values in between."""

    kind: ClassVar[str] = "Peculiar"

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return (inputs[0].with_shape((2,)),)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return {"gates": (4, 2)}

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm(
            nodes=(
                OnnxNode("MatMul", ("x0", "d.swapped"), ("t.product",)),
                OnnxNode("Add", ("t.product", "c.offset")),
            ),
            constants={"offset": OnnxConstant((2,), (0.5,))},
            derived={"swapped": OnnxDerived((("gates", 2, 4), ("gates", 0, 2)), (4, 2))},
        )


def test_constants_derived_weights_and_values_in_between() -> None:
    sketch = Sketch("Net", x=tensor(4))
    sketch.layer("peculiar1", Peculiar(), "x")
    gates = np.arange(8, dtype=np.float32).reshape(4, 2)
    model = build(program(sketch.graph(output="peculiar1")), "Net", {"peculiar1.gates": gates})
    verify(model)
    x = np.array([[1, 2, 3, 4]], np.float32)
    np.testing.assert_allclose(run(model, x=x)[0], x @ np.concatenate([gates[2:], gates[:2]]) + 0.5)
    assert "peculiar1.gates" not in {t.name for t in model.graph.initializer}


class Inexpressible(Peculiar):
    kind: ClassVar[str] = "Inexpressible"

    def onnx(
        self,
        inputs: tuple[TensorType, ...],
        outputs: tuple[TensorType, ...],  # type: ignore[override]
    ) -> OnnxForm | Unsupported:
        return Unsupported("it has no operator for it")


class TooNew(Peculiar):
    kind: ClassVar[str] = "TooNew"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm((OnnxNode("Gelu", ("x0",)),))


def alone(made: Layer) -> Program:
    inner = Sketch("Inner", False, x=tensor(4))
    inside = inner.graph(output=inner.layer("odd1", made, "x"))
    sketch = Sketch("Net", x=tensor(4))
    return program(inside, sketch.graph(output=sketch.call("inner1", inside, "x")))


def test_what_onnx_cannot_express_is_a_problem_with_its_place() -> None:
    with pytest.raises(BackendProblem, match=r"`inner1.odd1`.*it has no operator for it") as caught:
        build(alone(Inexpressible()), "Net")
    assert (caught.value.code, caught.value.graph, caught.value.node) == ("E0416", "Inner", "odd1")
    with pytest.raises(BackendProblem, match=r"`Gelu`, which opset 18 does not have"):
        build(alone(TooNew()), "Net", opset=18)


@pytest.mark.parametrize("opset", [0, 17, 1000])
def test_opsets_that_cannot_be_written(opset: int) -> None:
    with pytest.raises(BackendProblem, match=f"opset {opset}"):
        build(network(), "Net", opset=opset)


def test_weights_over_two_gibibytes_are_refused_before_they_are_made() -> None:
    sketch = Sketch("Net", x=tensor(100_000))
    made = program(sketch.graph(output=sketch.layer("d", layer("Dense", units=10_000), "x")))
    with pytest.raises(BackendProblem, match=r"3\.7 GiB"):
        build(made, "Net")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dense1.bias": None}, "lack `dense1.bias`"),
        ({"dense1.bias": np.zeros(6, np.float32)}, r"`dense1.bias` is \[6\].*\[5\]"),
    ],
)
def test_weights_that_do_not_fit(change: Mapping[str, Any], said: str) -> None:
    weights = {
        name: value for name, value in (randomize(Oracle()) | change).items() if value is not None
    }
    with pytest.raises(ValueError, match=said):
        build(network(), "Net", weights)


def test_verify_finds_wrong_models() -> None:
    model = build(network(), "Net")
    model.graph.value_info[0].type.tensor_type.shape.dim[1].dim_value = 9
    with pytest.raises(InvalidModel, match="the spec says"):
        verify(model)
    model = build(network(), "Net")
    del model.graph.node[0]
    with pytest.raises(InvalidModel, match="refuses"):
        verify(model)
    model = build(network(), "Net")
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(InvalidModel, match="refuses"):
        verify(model)


def test_the_checksum_is_of_all_that_stands_before_it() -> None:
    model = build(network(), "Net")
    content = serialize(model)
    read = onnx.load_from_string(content)
    checksum = read.metadata_props.pop()
    assert read == model
    tail = onnx.ModelProto(metadata_props=[checksum]).SerializeToString()
    assert checksum.key == "dlspec.checksum"
    assert content.endswith(tail)
    assert checksum.value == hashlib.sha256(content.removesuffix(tail)).hexdigest()


@pytest.mark.parametrize("made", [network(), alone(Peculiar())], ids=["net", "peculiar"])
def test_a_file_holds_the_same_model(made: Program) -> None:
    model = build(made, "Net")
    content = build_file(made, "Net")
    read, other = onnx.load_from_string(content), onnx.load_from_string(serialize(model))
    digests = [one.metadata_props.pop() for one in (read, other)]
    assert read == other == model
    tail = onnx.ModelProto(metadata_props=digests[:1]).SerializeToString()
    assert digests[0].value == hashlib.sha256(content.removesuffix(tail)).hexdigest()


def test_text_of_a_spec_stays_text() -> None:
    hostile = '"; import os; os.system("false") #\n{{__import__}} \u202e ../../x'
    made = program(
        network().graphs["Block"],
        network().graphs["Net"].model_copy(update={"documentation": hostile}),
    )
    model = onnx.load_from_string(serialize(build(made, "Net", metadata={"note": hostile})))
    assert model.graph.doc_string == hostile
    verify(model)


def test_a_compiled_spec_says_what_it_is() -> None:
    made = compile_text("""
# Reads digits.
model Net(classes=10) {
  input image: float[1, 8, 8]
  Flatten -> Dense(classes)
}
data D {
  source = digits()
  transform = Normalize(mean=0.5, std=0.5)
}
train Net on D {
  loss = cross_entropy
  optimizer = sgd(lr=0.1)
  epochs = 1
}
""").checked()
    model = build(made, "Net")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["dlspec.classes"]) == list("0123456789")
    card = from_metadata(metadata)
    assert card is not None
    assert card.outputs[0].meaning == "scores"
    assert card.inputs[0].field == "image"
    assert [t.kind for t in card.preparation.transform] == ["Normalize"]
    assert model.graph.doc_string == "Reads digits."


def test_what_auxiliaries_alone_need_is_not_asked_of_onnx() -> None:
    """Adaptive pooling that does not divide is no ONNX, and nothing that inference computes."""
    from dlspec.pipeline import compile_text

    program = compile_text("""
model M {
  input image: float[3, 14, 14]
  Conv(4, 3, padding=1)
  auxiliary aux = it -> AdaptiveAvgPool(4) -> Flatten -> Dense(5)
  GlobalAvgPool -> Dense(5)
}""").checked()
    model = build(program, "M")
    assert [initializer.name for initializer in model.graph.initializer] == [
        "conv1.weight", "conv1.bias", "dense2.weight", "dense2.bias"
    ]  # fmt: skip
