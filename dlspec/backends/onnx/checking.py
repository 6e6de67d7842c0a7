"""Proves a built model: ONNX's own rules, its shape inference beside our types, a session."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import ModelProto, TypeProto, helper, numpy_helper

from dlspec.backends.onnx.tensors import Array, write_head, write_tensor

_SMALL = 4096
"""Elements of a tensor that shape inference may want to read (shapes, axes); weights are more."""


class InvalidModel(Exception):
    """A model that ONNX or ONNX Runtime refuses, or whose shapes are not those of the spec."""

    exit_code = 1


def verify(model: ModelProto) -> None:
    """Check a model that `build` made.

    Raises InvalidModel where onnx.checker refuses it, where strict shape inference refuses it
    or finds another type than ours for any value, or where ONNX Runtime makes no session of it.
    """
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    check(model, arrays, model.SerializeToString())


def check(model: ModelProto, arrays: Mapping[str, Array], content: bytes) -> None:
    """`verify` for a model whose tensors are apart; `content` is the file of both."""
    skeleton = without_weights(model, arrays)
    try:
        onnx.checker.check_model(content)
        onnx.checker.check_model(skeleton, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(
            skeleton, check_type=True, strict_mode=True, data_prop=True
        )
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InvalidModel(f"ONNX refuses the model: {_first_line(error)}") from error
    _compare(model, inferred)
    _make_session(content)


def without_weights(model: ModelProto, arrays: Mapping[str, Array]) -> ModelProto:
    """The same model with its large tensors as inputs and no types of inner values."""
    skeleton = ModelProto(ir_version=model.ir_version)
    skeleton.opset_import.extend(model.opset_import)
    graph = skeleton.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    for name, array in arrays.items():
        tensor = graph.initializer.add()
        if array.size <= _SMALL:
            write_tensor(tensor, name, array)
            continue
        write_head(tensor, name, array)
        graph.input.append(helper.make_tensor_value_info(name, tensor.data_type, tensor.dims))
        del graph.initializer[-1]
    return skeleton


def _compare(model: ModelProto, inferred: ModelProto) -> None:
    found = {value.name: value.type for value in inferred.graph.value_info}
    found |= {value.name: value.type for value in inferred.graph.output}
    for value in (*model.graph.value_info, *model.graph.output):
        if value.name in found and not _agrees(value.type, found[value.name]):
            raise InvalidModel(
                f"ONNX finds {_text(found[value.name])} for `{value.name}`; "
                f"the spec says {_text(value.type)}"
            )


def _agrees(ours: TypeProto, theirs: TypeProto) -> bool:
    """Whether a type that ONNX found may be ours; sizes that it could not find agree with all."""
    a, b = ours.tensor_type, theirs.tensor_type
    if a.elem_type != b.elem_type:
        return False
    if not b.HasField("shape"):
        return True
    if len(a.shape.dim) != len(b.shape.dim):
        return False
    for ours_dim, their_dim in zip(a.shape.dim, b.shape.dim, strict=True):
        if their_dim.HasField("dim_value") and (
            not ours_dim.HasField("dim_value") or ours_dim.dim_value != their_dim.dim_value
        ):
            return False
    return True


def _text(type_: TypeProto) -> str:
    tensor = type_.tensor_type
    sizes = [
        str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?"
        for d in tensor.shape.dim
    ]
    return f"{onnx.TensorProto.DataType.Name(tensor.elem_type).lower()}[{', '.join(sizes)}]"


def _make_session(content: bytes) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base class
        raise InvalidModel(f"ONNX Runtime refuses the model: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
