"""Layers fed a tuple: broadcasting against PyTorch's own, and what a misfit is told."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlspec import pipeline
from dlspec.diagnostics import Diagnostic
from dlspec.ir.dims import Dim, symbol
from dlspec.ir.forms import TorchForm
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType, tensor
from dlspec.layers import find

ELEMENTWISE = {
    "Add": sum,
    "Multiply": prod,
    "Average": lambda xs: sum(xs) / len(xs),
    "Maximum": lambda xs: np.maximum.reduce(np.broadcast_arrays(*xs)),
    "Subtract": lambda xs: xs[0] - xs[1],
    "Divide": lambda xs: xs[0] / xs[1],
}
BINARY = {"Subtract", "Divide"}

sizes = st.lists(st.sampled_from([1, 1, 2, 3]), max_size=4).map(tuple)
shapes = st.lists(sizes, min_size=2, max_size=4)


def layer(kind: str, **arguments: object) -> Layer:
    cls = find(kind)
    assert cls is not None
    return cls(**arguments)


def types(drawn: list[tuple[int, ...]]) -> tuple[TensorType, ...]:
    return tuple(tensor(*shape) for shape in drawn)


@pytest.mark.parametrize("kind", ELEMENTWISE)
@given(drawn=shapes)
@settings(max_examples=50, deadline=None)
def test_elementwise_shapes_are_those_that_pytorch_broadcasts(
    kind: str, drawn: list[tuple[int, ...]]
) -> None:
    drawn = drawn[:2] if kind in BINARY else drawn
    try:
        expected = tuple(torch.broadcast_shapes(*drawn))
    except RuntimeError:
        with pytest.raises(ShapeProblem) as refused:
            layer(kind).infer(types(drawn))
        assert refused.value.code == "E0402" and "differs" in refused.value.label
        return
    assert layer(kind).infer(types(drawn)) == (tensor(*expected),)


@pytest.mark.parametrize("kind", ELEMENTWISE)
@given(drawn=shapes, batch=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_every_example_of_a_batch_meets_its_own_alone(
    kind: str, drawn: list[tuple[int, ...]], batch: int
) -> None:
    """A batch of 2 or 3 is a size of the axes too: it must not be matched with one of them."""
    drawn = drawn[:2] if kind in BINARY else drawn
    try:
        np.broadcast_shapes(*drawn)
    except ValueError:
        return
    generator = np.random.default_rng(0)
    values = [generator.uniform(0.5, 2, (batch, *shape)) for shape in drawn]
    got = evaluate(layer(kind), types(drawn), values)
    for example in range(batch):
        expected = ELEMENTWISE[kind]([value[example] for value in values])
        np.testing.assert_allclose(got[example], expected, rtol=1e-12)


def evaluate(stage: Layer, inputs: tuple[TensorType, ...], values: list[np.ndarray]) -> np.ndarray:
    form = stage.torch(inputs, stage.infer(inputs))
    assert isinstance(form, TorchForm) and form.functional is not None
    names = {f"x{i}": torch.from_numpy(value) for i, value in enumerate(values)}
    result = eval(form.functional.format(*names), {"torch": torch, **names})
    return result.numpy()


@given(
    drawn=st.lists(
        st.lists(st.integers(1, 3), min_size=2, max_size=3).map(tuple), min_size=2, max_size=3
    ),
    axis=st.integers(-4, 3),
)
@settings(max_examples=150, deadline=None)
def test_concat_joins_what_pytorch_joins(drawn: list[tuple[int, ...]], axis: int) -> None:
    stage = layer("Concat", axis=axis)
    rank = len(drawn[0])
    try:
        expected = tuple(torch.cat([torch.empty(shape) for shape in drawn], dim=axis).shape)
    except (RuntimeError, IndexError):
        with pytest.raises(ShapeProblem) as refused:
            stage.infer(types(drawn))
        assert refused.value.code == ("E0405" if -rank <= axis < rank else "E0408")
        return
    assert stage.infer(types(drawn)) == (tensor(*expected),)


@given(drawn=st.lists(sizes, min_size=2, max_size=2))
@settings(max_examples=150, deadline=None)
def test_matmul_multiplies_what_numpy_multiplies(drawn: list[tuple[int, ...]]) -> None:
    try:
        expected = None if min(map(len, drawn)) < 2 else np.matmul(*map(np.zeros, drawn)).shape
    except ValueError:
        expected = None
    if expected is not None:
        assert layer("MatMul").infer(types(drawn)) == (tensor(*expected),)
        assert layer("MatMul").cost(types(drawn), (tensor(*expected),)) == (
            prod(expected) * drawn[0][-1]
        )
        return
    with pytest.raises(ShapeProblem) as refused:
        layer("MatMul").infer(types(drawn))
    assert refused.value.code in ("E0401", "E0402")


def test_sizes_known_only_at_run_time_fit_themselves_and_one() -> None:
    length = symbol("length")

    def added(*pair: tuple[Dim, ...]) -> tuple[Dim, ...]:
        return layer("Add").infer(tuple(tensor(*shape) for shape in pair))[0].shape

    assert added((length, 4), (length, 4)) == (length, 4)
    assert added((length, 4), (1, 4)) == added((4,), (length, 1)) == (length, 4)
    for other in (symbol("other"), 7, length + 1):
        with pytest.raises(ShapeProblem) as refused:
            added((length, 4), (other, 4))
        assert refused.value.label == f"axis 0 differs: ?length and {other}"
    joined = layer("Concat", axis=0).infer((tensor(length, 4), tensor(1, 4)))
    assert joined == (tensor(length + 1, 4),)


# --- what a misfit is told --------------------------------------------------------


def diagnose(body: str, *, shape: str = "[64, 28, 28]") -> Diagnostic:
    """The one error of a model with that body."""
    text = f"model M {{\n  input image: float{shape}\n{body}\n}}\n"
    errors = [d for d in pipeline.compile_text(text).diagnostics if d.severity == "error"]
    assert len(errors) == 1, errors
    return errors[0]


def test_adding_tensors_that_differ_names_both_and_the_axis() -> None:
    error = diagnose("  skip = it -> Conv(128, 1)\n  it + skip -> ReLU")
    assert error.code == "E0402"
    assert error.message == "these tensors cannot be added: [64, 28, 28] and [128, 28, 28]"
    assert error.label == "axis 0 differs: 64 and 128"
    assert [(label.span.line, label.text) for label in error.labels] == [
        (2, "this is [64, 28, 28]"),
        (3, "this is [128, 28, 28]"),
    ]
    assert error.span.line == 4


@pytest.mark.parametrize(
    ("expression", "verb"),
    [
        ("it - skip", "subtracted"),
        ("it * skip", "multiplied"),
        ("it / skip", "divided"),
        ("(it, skip) -> Add", "added"),
        ("(it, skip) -> Average", "averaged"),
        ("(it, skip) -> Maximum", "compared"),
        ("(it, skip) -> Multiply", "multiplied"),
    ],
)
def test_every_operation_says_what_it_could_not_do(expression: str, verb: str) -> None:
    error = diagnose(f"  skip = it -> Conv(128, 1)\n  {expression}")
    assert (error.code, error.message) == (
        "E0402",
        f"these tensors cannot be {verb}: [64, 28, 28] and [128, 28, 28]",
    )


def test_a_tensor_of_channels_beside_an_image_is_told_where_the_axes_are_matched() -> None:
    error = diagnose("  gate = it -> GlobalAvgPool\n  it * gate")
    assert error.code == "E0402" and error.label == "axis -1 differs: 28 and 64"
    assert error.help is not None and "`Reshape((64, 1, 1))`" in error.help
    mended = pipeline.compile_text(
        "model M {\n  input image: float[64, 28, 28]\n"
        "  gate = it -> GlobalAvgPool -> Reshape((64, 1, 1))\n  it * gate\n}\n"
    )
    assert mended.program is not None


@pytest.mark.parametrize(
    ("body", "code", "message", "label"),
    [
        (
            "small = it -> MaxPool(2)\n  (it, small) -> Concat",
            "E0405",
            "these tensors cannot be joined along axis 0: [64, 28, 28] and [64, 14, 14]",
            "axis 1 differs: 28 and 14",
        ),
        (
            "flat = it -> Flatten\n  (it, flat) -> Concat",
            "E0405",
            "these tensors cannot be joined along axis 0: [64, 28, 28] and [50176]",
            "one has 3 axes, the other 1 axis",
        ),
        (
            "small = it -> MaxPool(2)\n  (it, it, small) -> Stack",
            "E0405",
            "these tensors cannot be stacked: [64, 28, 28], [64, 28, 28] and [64, 14, 14]",
            "axis 1 differs: 28 and 14",
        ),
        (
            "(it, it) -> Concat(axis=3)",
            "E0408",
            "`Concat` names axis 3, but [64, 28, 28] has axes 0 to 2",
            "",
        ),
        (
            "low = it[0..5]\n  wide = low -> Slice(0, 3, axis=1)\n  (it, wide) -> MatMul",
            "E0402",
            "these matrices cannot be multiplied: [64, 28, 28] and [5, 3, 28]",
            "28 columns meet 3 rows",
        ),
        (
            "part = it -> Slice(0, 3, axis=2)\n  (it, part) -> Dot",
            "E0402",
            "these tensors have no inner product: [64, 28, 28] and [64, 28, 3]",
            "the last axis differs: 28 and 3",
        ),
    ],
)
def test_joining_and_products_name_what_differs(
    body: str, code: str, message: str, label: str
) -> None:
    error = diagnose(f"  {body}")
    assert (error.code, error.message, error.label) == (code, message, label)


def test_tensors_of_different_elements_are_not_merged() -> None:
    text = (
        "model M {\n  input a: float[3]\n  input b: int[3]\n"
        "  output c = a + b\n  output d = (a, b) -> Concat\n"
        "  output e = (b, b) -> Average\n}\n"
    )
    errors = pipeline.compile_text(text).diagnostics
    assert [error.code for error in errors] == ["E0406"] * 3
    assert errors[0].message == (
        "`Add` takes tensors of one element type; these are float[3] and int[3]"
    )


def test_channels_is_a_word_for_axis_0() -> None:
    text = (
        "model M {\n  input image: float[3, 8, 8]\n"
        "  (it, it) -> Concat(axis=channels) -> Softmax(axis=channels)\n"
        "  Permute((1, 2, channels)) -> Mean(axis=channels)\n}\n"
    )
    program = pipeline.compile_text(text).checked()
    graph = program.model("M")
    assert graph.types[graph.outputs[0].value] == tensor(8, 6)
