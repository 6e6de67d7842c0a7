"""ONNX Runtime sessions: quiet, on the CPU, with nothing read from outside the folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


def open_session(content: bytes, folder: str) -> onnxruntime.InferenceSession:
    """A session of a model's bytes, whose external tensors may lie in `folder`."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def element_type(value: Any) -> np.dtype[Any]:
    """The NumPy type of an input. Raises ValueError where it is no tensor of numbers."""
    if value.type not in _DTYPES:
        raise ValueError(f"its input `{value.name}` is {value.type}")
    return np.dtype(_DTYPES[value.type])


def zeros(session: onnxruntime.InferenceSession) -> dict[str, NDArray[Any]]:
    """One example of zeros for every input, sizes known only at run time taken as 1."""
    return {
        value.name: np.zeros(
            [size if isinstance(size, int) else 1 for size in value.shape], element_type(value)
        )
        for value in session.get_inputs()
    }
