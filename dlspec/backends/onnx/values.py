"""Our types of tensors as ONNX writes them, the batch in front."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import TensorProto, TensorShapeProto, TypeProto, ValueInfoProto

from dlspec.ir.dims import Dim, symbols
from dlspec.ir.types import TensorType

ELEMENTS = {"float": TensorProto.FLOAT, "int": TensorProto.INT64, "bool": TensorProto.BOOL}


def batch_name(types: Iterable[TensorType]) -> str:
    """`batch`, unless a size of the spec is called that: equal names are equal sizes in ONNX."""
    taken = {name for type_ in types for dim in type_.shape for name in symbols(dim)}
    name = "batch"
    while name in taken:
        name += "_size"
    return name


def dim_text(dim: Dim) -> int | str:
    """A size as ONNX takes it: a number, or the text of what is known at run time alone."""
    return dim if isinstance(dim, int) else str(dim).replace("?", "")


def value_info(name: str, type_: TensorType, batch: int | str, doc: str = "") -> ValueInfoProto:
    """A value with its type; `batch` is the first size or its name."""
    shape = TensorShapeProto()
    for size in (batch, *map(dim_text, type_.shape)):
        if isinstance(size, int):
            shape.dim.add(dim_value=size)
        else:
            shape.dim.add(dim_param=size)
    tensor = TypeProto.Tensor(elem_type=ELEMENTS[type_.dtype], shape=shape)
    return ValueInfoProto(name=name, type=TypeProto(tensor_type=tensor), doc_string=doc)
