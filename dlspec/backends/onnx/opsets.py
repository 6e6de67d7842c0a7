"""Which versions of ONNX's operators can be written."""

from __future__ import annotations

from functools import cache

import onnx
from onnx import TensorProto, helper

OLDEST_OPSET = 18
"""The layers say themselves in operators as they are from here on (axes as inputs)."""


@cache
def newest_opset() -> int:
    """The newest opset that the installed ONNX Runtime takes. Tried, since it does not say.

    Raises RuntimeError where ONNX Runtime is older than opset 22.
    """
    import onnxruntime

    for opset in range(onnx.defs.onnx_opset_version(), 21, -1):
        if _takes(opset):
            return opset
    raise RuntimeError(
        f"ONNX Runtime {onnxruntime.__version__} does not take opset 22; install a newer one"
    )


def _takes(opset: int) -> bool:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(_probe(opset), options, providers=["CPUExecutionProvider"])
    except Exception:  # its exceptions share no base class
        return False
    return True


def ir_version(opset: int) -> int:
    """The oldest version of the file format that carries an opset: what most readers take."""
    return max(10, helper.find_min_ir_version_for([helper.make_opsetid("", opset)]))


def _probe(opset: int) -> bytes:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "probe", values[:1], values[1:]
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version(opset)
    )
    return model.SerializeToString()
