"""What a layer becomes in PyTorch and ONNX, found by asking the layer itself.

A layer answers for given arguments and input types alone, so plain ones are tried
until it accepts them. No layer is named here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from dlspec.ir.forms import OnnxForm, TorchForm, Unsupported
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType, tensor
from dlspec.layers import inferred

_VALUES: tuple[Any, ...] = (2, 0, 0.5, True, (1, 0), (2, -1), (1,), (2, 0, 1), "identity")
_TYPES = (
    tensor(8),
    tensor(4, 8),
    tensor(4, 8, 8),
    tensor(4, 8, 8, 8),
    tensor(8, dtype="int"),
    tensor(1, 8),
)
_MOST_TRIED = 10_000
_METHODS = re.compile(r"^\{0\}\.(\w+)\(")
REMARK = " ("
"""Between a name and what is remarked of it."""
_NAMES = re.compile(r"\b(?:nn|F|torch)\.\w+(?:\.\w+)*")


def operators(layer: type[Layer]) -> dict[str, list[str]]:
    """The PyTorch names and the ONNX operators of a layer, over every input that it takes.

    A layer that a backend cannot express says so in place of names.
    """
    torch: dict[str, None] = {}
    onnx: dict[str, None] = {}
    for instance, inputs, outputs in _samples(layer):
        torch.update(dict.fromkeys(_torch_names(instance.torch(inputs, outputs))))
        onnx.update(dict.fromkeys(_onnx_names(instance.onnx(inputs, outputs))))
    return {"pytorch": list(torch), "onnx": list(onnx)}


def _samples(
    layer: type[Layer],
) -> Iterator[tuple[Layer, tuple[TensorType, ...], tuple[TensorType, ...]]]:
    """The layer with plain arguments on each kind of input that it accepts."""
    seen: set[tuple[TensorType, ...]] = set()
    for instance in _instances(layer):
        for one in _TYPES:
            inputs = (one,) * max(layer.inputs[0], 1)
            if inputs in seen:
                continue
            try:
                outputs = inferred(instance, inputs)
            except ShapeProblem:
                continue
            seen.add(inputs)
            yield instance, inputs, outputs


def _instances(layer: type[Layer]) -> Iterator[Layer]:
    fields = layer.model_fields.items()
    required = [field.alias or name for name, field in fields if field.is_required()]
    for values in islice(product(_VALUES, repeat=len(required)), _MOST_TRIED):
        try:
            yield layer(**dict(zip(required, values, strict=True)))
        except ValueError:
            continue


def _torch_names(form: TorchForm | Unsupported) -> list[str]:
    if isinstance(form, Unsupported):
        return [f"no: {form.because}"]
    if form.module is not None:
        return [_called(form.module.function, form)]
    expression = form.functional or form.forward
    methods = [f"Tensor.{name}" for name in _METHODS.findall(expression)]
    named = _NAMES.findall(expression) or methods
    return named or [re.sub(r"\{(\d)\}", _letter, expression)]


def _called(function: str, form: TorchForm) -> str:
    """A constructor by where it is defined: in PyTorch, in a package, or in the emitted file."""
    if "." in function:
        return function
    imported = (f"{module}.{name}" for module, name in form.imports if name == function)
    return next(imported, f"{function}{REMARK}a class of the emitted file)")


def _letter(match: re.Match[str]) -> str:
    return "xyzuvwabc"[int(match[1])]


def _onnx_names(form: OnnxForm | Unsupported) -> list[str]:
    if isinstance(form, Unsupported):
        return [f"no: {form.because}"]
    return [node.op for node in form.nodes] or ["no node: the input itself"]
