"""Every layer there is, held to three things: its rules are whole, `infer` and `weights` say
what PyTorch's module does, and ONNX Runtime gives PyTorch's numbers.

A new layer is found by itself; it needs an entry in `layer_inputs.CASES`, and without one fails.
`DLSPEC_DRAWS` and `DLSPEC_SEED` in the environment make longer campaigns with other draws.
"""

from __future__ import annotations

import os
from math import prod
from zlib import crc32

import numpy as np
import onnx
import pytest
import torch
from layer_draws import Draw
from layer_evaluators import BATCH, build_module, onnx_model, run_onnx, run_torch
from layer_inputs import CASES, draws
from torch.utils.flop_counter import FlopCounterMode

from dlspec.ir.dims import substitute, symbol
from dlspec.ir.forms import OnnxForm, TorchForm, Unsupported
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers import LAYERS, all_layers, find

COUNT = int(os.environ.get("DLSPEC_DRAWS", "14"))
SEED = os.environ.get("DLSPEC_SEED", "")
KINDS = [name for name, _ in LAYERS]
UNCOUNTED = "num_batches_tracked"
"""BatchNorm's count of batches: PyTorch saves it, and nothing reads it where momentum is given."""

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_every_layer_has_a_case_and_every_case_a_layer() -> None:
    assert {layer.kind for layer in all_layers()} == set(CASES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_whole(kind: str) -> None:
    layer = find(kind)
    assert layer is not None and layer.kind == kind
    for text in (layer.summary, layer.shape_rule):
        assert text and "\n" not in text
    assert layer.summary.endswith(".")
    assert layer.operator or kind in layer.example
    assert not set(layer.aliases) & set(KINDS), "an alias that is a layer's name"
    for name, field in layer.model_fields.items():
        assert field.description and "\n" not in field.description, name
    for rule in ("infer", "torch", "onnx"):
        assert getattr(layer, rule) is not getattr(Layer, rule), f"{kind} has no {rule}"


@pytest.mark.parametrize("kind", KINDS)
def test_draws_reach_every_argument(kind: str) -> None:
    drawn = [draw.layer for draw in draws(kind, COUNT, SEED)]
    for name, field in type(drawn[0]).model_fields.items():
        seen = {getattr(layer, name) for layer in drawn}
        assert seen - {field.default}, f"{name} is never away from its default"


@pytest.mark.parametrize("kind", KINDS)
def test_pytorch_has_the_inferred_shapes_and_weights(kind: str) -> None:
    for number, draw in enumerate(draws(kind, COUNT, SEED)):
        layer, inputs, outputs = draw
        form = layer.torch(inputs, outputs)
        if isinstance(form, Unsupported):
            assert form.because
            continue
        torch.manual_seed(number)
        module = build_module(form)
        _compare_weights(draw, module)
        results = run_torch(form, module, _values(draw))
        expected = [((BATCH, *y.shape), _dtype(y)) for y in outputs]
        assert [(tuple(y.shape), y.dtype) for y in results] == expected, draw
        if form.functional is not None:
            assert "{m}" not in form.functional
            again = run_torch(form, None, _values(draw), form.functional)
            assert all(torch.equal(a, b) for a, b in zip(results, again, strict=True)), draw


def _compare_weights(draw: Draw, module: torch.nn.Module | None) -> None:
    """Names, shapes, count and start of a module's tensors are those of the layer."""
    layer, inputs, _ = draw
    learned = dict(module.named_parameters()) if module else {}
    saved = dict(module.state_dict()) if module else {}
    weights, buffers = layer.weights(inputs), layer.buffers(inputs)
    assert {name: tuple(p.shape) for name, p in learned.items()} == weights, draw
    assert {name: tuple(t.shape) for name, t in saved.items() if name != UNCOUNTED} == (
        weights | buffers
    ), draw
    assert sum(p.numel() for p in learned.values()) == layer.parameters(inputs)
    initial = layer.initial(inputs)
    assert set(initial) == set(weights | buffers)
    for name, (distribution, value) in initial.items():
        tensor = saved[name]
        if distribution == "constant":
            assert torch.equal(tensor, torch.full_like(tensor, value)), (draw, name)
        elif distribution == "uniform":
            assert tensor.abs().max() <= value * (1 + 1e-6), (draw, name)
            assert tensor.numel() < 100 or tensor.abs().max() > 0.9 * value, (draw, name)
        else:
            assert tensor.numel() < 100 or tensor.std().item() == pytest.approx(value, rel=0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_runtime_gives_pytorchs_numbers(kind: str) -> None:
    compared = 0
    for number, draw in enumerate(draws(kind, COUNT, SEED)):
        layer, inputs, outputs = draw
        forms = layer.torch(inputs, outputs), layer.onnx(inputs, outputs)
        if isinstance(forms[1], Unsupported):
            assert forms[1].because
        if not _both(forms):
            continue
        compared += 1
        _compare_numbers(draw, draw, forms[0], forms[1], number)
    assert compared or _never_expressed(kind), f"{kind} was never compared"


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_known_only_at_run_time(kind: str) -> None:
    """With a symbol for a size, the rules give what they give for the number put in its place."""
    accepted = 0
    for number, draw in enumerate(draws(kind, COUNT, SEED)):
        general, sizes = _generalized(draw, number)
        if not sizes:
            continue
        try:
            outputs = draw.layer.infer(general)
        except ShapeProblem as problem:
            assert problem.code in ("E0402", "E0405", "E0409", "E0410"), (draw, problem.message)
            continue
        accepted += 1
        known = tuple(y.with_shape(tuple(substitute(d, sizes) for d in y.shape)) for y in outputs)
        assert known == draw.outputs, (draw, general)
        forms = draw.layer.torch(general, outputs), draw.layer.onnx(general, outputs)
        if _both(forms):
            _compare_numbers(draw, Draw(draw.layer, general, outputs), forms[0], forms[1], number)
    assert accepted or kind in NEVER_SYMBOLIC, f"{kind} takes no size known only at run time"


NEVER_SYMBOLIC = {"CenterCrop"}
"""Layers that need every size of their inputs fixed."""


@pytest.mark.parametrize("kind", ["Dense", "Conv", "DepthwiseConv", "ConvTranspose", "MatMul"])
def test_multiply_adds_are_those_that_pytorch_counts(kind: str) -> None:
    for layer, inputs, outputs in draws(kind, COUNT, SEED):
        form = layer.torch(inputs, outputs)
        assert isinstance(form, TorchForm)
        module = build_module(form)
        values = _values(Draw(layer, inputs, outputs))
        with FlopCounterMode(display=False) as counter:
            run_torch(form, module, values)
        # PyTorch counts a multiply and an add as two.
        assert counter.get_total_flops() == 2 * BATCH * layer.cost(inputs, outputs), layer


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_comes_back_from_its_json(kind: str) -> None:
    for layer, _, _ in draws(kind, COUNT, SEED):
        assert type(layer).model_validate_json(layer.model_dump_json()) == layer


def _generalized(draw: Draw, number: int) -> tuple[tuple[TensorType, ...], dict[str, int]]:
    """The inputs with the greatest size along one axis as a symbol, and what it stands for."""
    rank = max(x.rank for x in draw.inputs)
    if rank == 0:
        return draw.inputs, {}
    axis = -1 - number % rank
    sizes = [x.shape[axis] for x in draw.inputs if x.rank >= -axis]
    size = max(size for size in sizes if isinstance(size, int))
    return tuple(_with_symbol(x, axis, size) for x in draw.inputs), {"n": size}


def _with_symbol(x: TensorType, axis: int, size: int) -> TensorType:
    if x.rank < -axis or x.shape[axis] != size:
        return x
    return x.with_shape(
        tuple(symbol("n") if i == axis + x.rank else d for i, d in enumerate(x.shape))
    )


def _both(forms: tuple[object, object]) -> bool:
    return isinstance(forms[0], TorchForm) and isinstance(forms[1], OnnxForm)


def _never_expressed(kind: str) -> bool:
    """Whether some backend refuses every draw of the layer."""
    return not any(
        _both((layer.torch(x, y), layer.onnx(x, y))) for layer, x, y in draws(kind, COUNT, SEED)
    )


def _compare_numbers(
    draw: Draw, described: Draw, torch_form: TorchForm, onnx_form: OnnxForm, number: int
) -> None:
    """The forms of `described` on the values of `draw`: ONNX Runtime against PyTorch."""
    module = build_module(torch_form)
    weights = _randomize(module, number)
    values = _values(draw)
    expected = run_torch(torch_form, module, values)
    model = onnx_model(draw.layer, onnx_form, described.inputs, described.outputs, weights)
    _compare_inferred(model, draw)
    results = run_onnx(model, [value.numpy() for value in values])
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == wanted.numpy().dtype, draw
        np.testing.assert_allclose(
            result, wanted.numpy(), rtol=1e-5, atol=1e-5, err_msg=str(draw), strict=True
        )


def _compare_inferred(model: onnx.ModelProto, draw: Draw) -> None:
    """What ONNX's own shape inference knows of the results agrees with `infer`."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    for value, y in zip(graph.output, draw.outputs, strict=True):
        sizes = [d.dim_value for d in value.type.tensor_type.shape.dim[1:]]
        assert len(sizes) == y.rank, draw
        assert all(known in (0, size) for known, size in zip(sizes, y.shape, strict=True)), draw


def _randomize(module: torch.nn.Module | None, number: int) -> dict[str, np.ndarray]:
    """Random weights and statistics, variances positive; returns them by name."""
    generator = torch.Generator().manual_seed(number)
    found: dict[str, np.ndarray] = {}
    for name, tensor in (module.state_dict() if module else {}).items():
        if name == UNCOUNTED:
            continue
        drawn = torch.randn(tensor.shape, generator=generator)
        scale = max(prod(tensor.shape[1:]), 1) ** -0.5
        tensor.copy_(drawn.abs() + 0.5 if name.endswith("var") else drawn * scale)
        found[name] = tensor.numpy()
    return found


def _values(draw: Draw) -> list[torch.Tensor]:
    """Values for the inputs, the same ones for the same draw."""
    generator = torch.Generator().manual_seed(crc32(repr(draw.inputs).encode()))
    case = CASES[draw.layer.kind]
    values: list[torch.Tensor] = []
    for x in draw.inputs:
        shape = (BATCH, *(size for size in x.shape if isinstance(size, int)))
        if x.dtype == "float":
            value = torch.randn(shape, generator=generator)
            values.append(value.abs() + 0.1 if case.positive else value)
        else:
            most = case.below(draw.layer) if x.dtype == "int" else 2
            value = torch.randint(0, most, shape, generator=generator)
            values.append(value if x.dtype == "int" else value.bool())
    return values


def _dtype(y: TensorType) -> torch.dtype:
    return {"float": torch.float32, "int": torch.int64, "bool": torch.bool}[y.dtype]
