"""The rules of a layer from another package, asked once with a net under them.

Built-in layers are held to their contract by tests. What another package brings is held to it
where it is used: whatever its rules raise or return wrong is a problem with a name, found before
any backend would stumble over it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from dlspec.ir.dims import SymbolicDim
from dlspec.ir.forms import OnnxForm, TorchForm, Unsupported
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.installed import described, package_of

Answer = TypeVar("Answer")

_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_LIBRARY = frozenset({"nn", "F", "torch"})


class _Wrong(Exception):
    """A rule returns what it must not."""


def tried(layer: Layer, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """The types of the results. Raises ShapeProblem: the layer's own, and E0212 where one of its
    rules fails or returns what backends cannot use."""

    def learned() -> Mapping[str, Any]:
        return _shaped(layer.weights(inputs))

    def saved() -> Mapping[str, Any]:
        return _shaped(layer.buffers(inputs))

    outputs = _asked(layer, "infer", lambda: _types(layer.infer(inputs)))
    shapes = {**_asked(layer, "weights", learned), **_asked(layer, "buffers", saved)}
    _asked(layer, "initial", lambda: _starts(layer.initial(inputs), shapes))
    _asked(layer, "cost", lambda: _number(layer.cost(inputs, outputs)))
    _asked(layer, "torch", lambda: _torch(layer.torch(inputs, outputs), shapes))
    counts = len(inputs), len(outputs)
    _asked(layer, "onnx", lambda: _onnx(layer.onnx(inputs, outputs), *counts, shapes))
    return outputs


def _asked(layer: Layer, rule: str, ask: Callable[[], Answer]) -> Answer:
    """What a rule answers. Raises ShapeProblem E0212 where it fails."""
    try:
        return ask()
    except ShapeProblem as problem:
        if rule == "infer":
            raise
        reason = f"it raises ShapeProblem, as `infer` alone may: {problem.message}"
    except _Wrong as wrong:
        reason = str(wrong)
    except Exception as problem:
        reason = described(problem)
    raise ShapeProblem(
        "E0212",
        f"the rule `{rule}` of the layer `{layer.kind}` of the package "
        f"`{package_of(layer.kind)}` fails: {reason}",
        help="tell its authors",
    )


def _types(found: Any) -> tuple[TensorType, ...]:
    if not isinstance(found, tuple) or not found:
        raise _Wrong("it returns no tuple of tensor types")
    outputs = cast("tuple[object, ...]", found)
    for output in outputs:
        if not isinstance(output, TensorType):
            raise _Wrong("it returns no tuple of tensor types")
        for size in output.shape:
            if not isinstance(size, SymbolicDim) and not _is_size(size):
                raise _Wrong(f"{size!r} is no size")
    return cast("tuple[TensorType, ...]", outputs)


def _is_size(value: object) -> bool:
    return type(value) is int and value >= 1


def _shaped(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise _Wrong("it returns no dictionary")
    for name, shape in cast("dict[object, object]", found).items():
        if not isinstance(name, str) or not _ATTRIBUTE.fullmatch(name):
            raise _Wrong(f"{name!r} is no name of a tensor")
        sizes = cast("tuple[object, ...]", shape)
        if not isinstance(shape, tuple) or not all(_is_size(size) for size in sizes):
            raise _Wrong(f"{shape!r} is no shape of fixed sizes")
    return cast("dict[str, Any]", found)


def _starts(found: Any, shapes: Mapping[str, Any]) -> None:
    if set(found) != set(shapes):
        raise _Wrong("it does not start each weight and buffer, and no other")


def _number(found: Any) -> None:
    if not isinstance(found, int | SymbolicDim):
        raise _Wrong(f"{found!r} is no number")


def _torch(form: Any, shapes: Mapping[str, Any]) -> None:
    if isinstance(form, Unsupported):
        return
    if not isinstance(form, TorchForm):
        raise _Wrong("it returns no `TorchForm`")
    for module, name in form.imports:
        if not _ATTRIBUTE.fullmatch(module) or not name.isidentifier() or name in _LIBRARY:
            raise _Wrong(f"it cannot import `{name}` from `{module}`")
    if form.module is None:
        if shapes:
            raise _Wrong("it has weights and no module")
        return
    defined = {source.split("(", 1)[0].split()[-1] for source in form.definitions}
    known = _LIBRARY | defined | {name for _, name in form.imports}
    root = form.module.function.partition(".")[0]
    if root not in known:
        raise _Wrong(f"`{root}` is neither defined nor imported")


def _onnx(form: Any, inputs: int, outputs: int, shapes: Mapping[str, Any]) -> None:
    if isinstance(form, Unsupported):
        return
    if not isinstance(form, OnnxForm):
        raise _Wrong("it returns no `OnnxForm`")
    known = {"", *(f"x{number}" for number in range(inputs))}
    for prefix, names in (("w", shapes), ("c", form.constants), ("d", form.derived)):
        known |= {f"{prefix}.{name}" for name in names}
    for node in form.nodes:
        for name in node.inputs:
            if name not in known:
                raise _Wrong(f"nothing is called `{name}` in front of its node `{node.op}`")
        known |= set(node.outputs)
    for number in range(outputs):
        if form.nodes and f"y{number}" not in known:
            raise _Wrong(f"no node makes `y{number}`")
