"""Runs a single layer in PyTorch and in ONNX Runtime from its neutral forms.

Small on purpose, and apart from the backends: it says what the forms mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from dlspec.ir.forms import Call, OnnxForm, TorchForm
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType

BATCH = 2
OPSET = 22
_ELEMENTS = {"float": TensorProto.FLOAT, "int": TensorProto.INT64, "bool": TensorProto.BOOL}
_ARRAYS = {"float32": np.float32, "int64": np.int64, "bool": np.bool_}

Run = Callable[..., object]


def namespace(form: TorchForm) -> dict[str, object]:
    """The names that a form may use, its definitions among them."""
    names: dict[str, object] = {
        "torch": torch,
        "nn": nn,
        "F": F,
        "Tensor": torch.Tensor,
        "Any": Any,
    }
    for definition in form.definitions:
        exec(definition, names)
    return names


def build_module(form: TorchForm) -> nn.Module | None:
    """The submodule of a form, ready for inference."""
    if form.module is None:
        return None
    module = call(form.module, namespace(form))
    assert isinstance(module, nn.Module)
    return module.eval()


def call(form: Call, names: dict[str, object]) -> object:
    """The result of a call."""
    first, *rest = form.function.split(".")
    function = names[first]
    for name in rest:
        function = getattr(function, name)
    assert callable(function)
    return function(*form.args, **form.kwargs)


def run_torch(
    form: TorchForm,
    module: nn.Module | None,
    inputs: Sequence[torch.Tensor],
    template: str | None = None,
) -> list[torch.Tensor]:
    """The results of a form's `forward`, or of another template."""
    names = namespace(form) | {f"x{i}": x for i, x in enumerate(inputs)} | {"module": module}
    text = (template or form.forward).format(*(f"x{i}" for i in range(len(inputs))), m="module")
    with torch.no_grad():
        result = eval(text, names)
    return list(result) if isinstance(result, tuple | list) else [result]


def onnx_model(
    layer: Layer,
    form: OnnxForm,
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    weights: dict[str, np.ndarray],
) -> onnx.ModelProto:
    """A model of one layer, with a dynamic batch and all that the form says."""
    tensors = {f"w.{name}": array for name, array in weights.items()}
    for name, constant in form.constants.items():
        values = np.array(constant.values, dtype=_ARRAYS[constant.dtype])
        whole = values.size == np.prod(constant.shape, dtype=int)
        tensors[f"c.{name}"] = (
            values.reshape(constant.shape) if whole else np.full(constant.shape, values[0])
        )
    for name, derived in form.derived.items():
        pieces = [weights[source][start:stop] for source, start, stop in derived.pieces]
        tensors[f"d.{name}"] = np.concatenate(pieces).reshape(derived.shape)
    nodes = [
        helper.make_node(node.op, node.inputs, node.outputs, **node.attributes)
        for node in form.nodes
    ]
    nodes = nodes or [
        helper.make_node("Identity", [f"x{i}"], [f"y{i}"]) for i in range(len(outputs))
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        layer.kind,
        [_value(f"x{i}", x, batch=True) for i, x in enumerate(inputs)],
        [_value(f"y{i}", y, batch=False) for i, y in enumerate(outputs)],
        [numpy_helper.from_array(array, name) for name, array in tensors.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def _value(name: str, x: TensorType, batch: bool) -> onnx.ValueInfoProto:
    """An input with its shape; a result with its rank alone, which inference has to fill."""
    sizes = [size if isinstance(size, int) else str(size) for size in x.shape]
    shape = ["batch", *sizes] if batch else [None] * (x.rank + 1)
    return helper.make_tensor_value_info(name, _ELEMENTS[x.dtype], shape)


def run_onnx(model: onnx.ModelProto, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The results of ONNX Runtime on the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {x.name: inputs[int(x.name[1:])] for x in session.get_inputs()}
    return [np.asarray(y) for y in session.run(None, feeds)]
