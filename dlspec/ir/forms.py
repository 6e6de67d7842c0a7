"""How a layer says itself to a backend: neutral data that imports neither library.

`TorchForm` is a call and an expression, `OnnxForm` a few nodes. A layer that a
backend cannot express returns `Unsupported` with the reason, which becomes a
diagnostic and never a silent identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

_EMPTY: Mapping[str, Any] = MappingProxyType({})

Scalar: TypeAlias = int | float | str | bool | None
Argument: TypeAlias = "Scalar | tuple[Argument, ...]"


class Unsupported(NamedTuple):
    """`because` completes "… cannot be expressed in PyTorch/ONNX because …"."""

    because: str


class Call(NamedTuple):
    """`function(*args, **kwargs)`, for example `nn.Conv2d(1, 20, 5, padding="same")`.

    Values are ints, floats, strings, bools, None and tuples of these; the
    printer writes them with `repr`, so no text of a spec reaches code.
    """

    function: str
    args: tuple[Argument, ...] = ()
    kwargs: Mapping[str, Argument] = _EMPTY


class TorchForm(NamedTuple):
    """A layer in PyTorch.

    module:  the constructor of its submodule, None where it has none. The names
             of its parameters and buffers are those of `Layer.weights`/`buffers`.
    forward: the expression for its result(s), over `{m}` (the submodule) and
             `{0}`, `{1}` … (the inputs, each a plain name), for example
             `{m}(F.pad({0}, (0, 1, 0, 1)))`. Names it may use: torch, nn, F.
    functional: where the layer has no state and no training mode, the same
             without a submodule: `F.relu({0})`. Used in `forward` methods;
             `module` serves in `nn.Sequential`.
    definitions: source of helper classes or functions to be placed once in the
             file, each beginning with `class Name(` or `def name(`. Names they may use:
             torch, nn, F, Tensor, and Any of `typing`.
    imports: what the file imports for it, `(module, name)` each, as a layer of
             another package has classes of its own. Built-in layers need none.
    left_out: what keywords that `module` leaves out stand for, where that is not the layer's
             field of that name.
    """

    module: Call | None = None
    forward: str = "{m}({0})"
    functional: str | None = None
    definitions: tuple[str, ...] = ()
    imports: tuple[tuple[str, str], ...] = ()
    left_out: Mapping[str, Argument] = _EMPTY


class OnnxConstant(NamedTuple):
    """A tensor that the graph carries: `shape` filled with one value, or given whole.

    `values` is flat, row-major.
    """

    shape: tuple[int, ...]
    values: tuple[float | int, ...]
    dtype: Literal["float32", "int64", "bool"] = "float32"


class OnnxNode(NamedTuple):
    """One node. Names of values are local to the layer and resolved by the builder:

    `x0`, `x1` … are the layer's inputs and `y0`, `y1` … its results (batch first);
    `w.NAME` is the weight or buffer NAME of `Layer.weights`/`buffers`;
    `c.NAME` a constant of the form; `d.NAME` a derived weight; `t.NAME` a value between its
    nodes; `""` is an optional input left out.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ("y0",)
    attributes: Mapping[
        str, int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
    ] = _EMPTY


class OnnxDerived(NamedTuple):
    """A weight that ONNX wants in another order or shape (LSTM gates): slices along axis 0
    of weights, `(NAME, start, stop)`, joined and then reshaped."""

    pieces: tuple[tuple[str, int, int], ...]
    shape: tuple[int, ...]


class OnnxForm(NamedTuple):
    """A layer in ONNX: nodes in order. No nodes means that each result is the input of
    the same number (dropout at inference). `derived` tensors are named `d.NAME` in nodes."""

    nodes: tuple[OnnxNode, ...] = ()
    constants: Mapping[str, OnnxConstant] = _EMPTY
    derived: Mapping[str, OnnxDerived] = _EMPTY
