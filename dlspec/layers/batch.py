"""Where the batch comes in: a spec leaves it out of axes and shapes, the backends have it first."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.ir.forms import OnnxConstant, OnnxNode, TorchForm
from dlspec.ir.types import TensorType


def with_batch(axis: int) -> int:
    """The axis of a tensor with the batch in front: -1 stays the last, 0 becomes 1."""
    return axis if axis < 0 else axis + 1


def expression(text: str) -> TorchForm:
    """A layer that is a plain expression in PyTorch, over `{0}`, `{1}` …"""
    return TorchForm(None, text, text)


def integers(*values: int) -> OnnxConstant:
    """A list of whole numbers, as ONNX takes shapes and axes."""
    return OnnxConstant((len(values),), values, "int64")


def scalar(value: float) -> OnnxConstant:
    """A single float32 number."""
    return OnnxConstant((), (value,))


def aligned_names(inputs: Sequence[TensorType]) -> list[str]:
    """`{0}`, `{1}` … in PyTorch, all of one rank: `{1}[:, None]` where one has fewer axes.

    Without that the batch axis of the one would meet another axis of the other.
    """
    rank = max(x.rank for x in inputs)
    names: list[str] = []
    for number, x in enumerate(inputs):
        new = ", None" * (rank - x.rank)
        names.append(f"{{{number}}}[:{new}]" if new else f"{{{number}}}")
    return names


def aligned_nodes(
    inputs: Sequence[TensorType],
) -> tuple[list[OnnxNode], list[str], dict[str, OnnxConstant]]:
    """The same in ONNX: nodes that insert axes behind the batch, names to use, constants."""
    rank = max(x.rank for x in inputs)
    nodes: list[OnnxNode] = []
    names: list[str] = []
    constants: dict[str, OnnxConstant] = {}
    for number, x in enumerate(inputs):
        missing = rank - x.rank
        if not missing:
            names.append(f"x{number}")
            continue
        constants[f"axes{number}"] = integers(*range(1, 1 + missing))
        names.append(f"t.aligned{number}")
        nodes.append(OnnxNode("Unsqueeze", (f"x{number}", f"c.axes{number}"), (names[-1],)))
    return nodes, names, constants
