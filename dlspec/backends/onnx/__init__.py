"""The IR as an ONNX model, built directly from its nodes."""

from __future__ import annotations

from dlspec.backends.onnx.builder import build, build_file
from dlspec.backends.onnx.checking import InvalidModel, verify
from dlspec.backends.onnx.describe import describe
from dlspec.backends.onnx.opsets import OLDEST_OPSET, newest_opset
from dlspec.backends.onnx.serialize import serialize

__all__ = [
    "OLDEST_OPSET",
    "InvalidModel",
    "build",
    "build_file",
    "describe",
    "newest_opset",
    "serialize",
    "verify",
]
