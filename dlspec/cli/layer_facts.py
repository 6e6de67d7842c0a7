"""What the reference says of a layer, as plain values, for every way of showing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlspec.ir.frozen import FieldInfo
    from dlspec.ir.layer import Layer

ACTIVATION = {
    "name": "activation",
    "type": "the name of an activation, such as `relu`",
    "required": False,
    "description": "an activation, the same as the stage behind it",
    "default": "none",
}


def facts(layer: type[Layer]) -> dict[str, Any]:
    """Everything the reference says of a layer, as JSON values."""
    from dlspec.cli.layer_operators import operators

    arguments = [
        _argument(field.alias or name, field) for name, field in layer.model_fields.items()
    ]
    if layer.takes_activation:
        arguments.append(ACTIVATION)
    return {
        "name": layer.kind,
        "package": _package(layer),
        "summary": layer.summary,
        "signature": _signature(layer.kind, arguments),
        "arguments": arguments,
        "inputs": list(layer.inputs),
        "fed": _fed(layer),
        "shape_rule": layer.shape_rule,
        "names": [f"{layer.kind}{rank}D" for rank in layer.ranks],
        "takes_activation": layer.takes_activation,
        **operators(layer),
        "example": layer.example,
        "example_input": layer.example_input,
        "elsewhere": list(layer.aliases),
    }


def _package(layer: type[Layer]) -> str | None:
    from dlspec.layers import LAYERS

    if layer.kind in dict(LAYERS):
        return None
    from dlspec.layers.installed import package_of

    return package_of(layer.kind)


def _argument(name: str, field: FieldInfo) -> dict[str, Any]:
    from dlspec.passes.arguments import expected

    described: dict[str, Any] = {
        "name": name,
        "type": expected(field),
        "required": field.is_required(),
        "description": field.description or "",
    }
    if not field.is_required():
        described["default"] = _written(field.get_default())
    return described


def _written(value: object) -> str:
    """A default as a spec writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "(" + ", ".join(_written(item) for item in value) + ")"
    return str(value)


def _signature(kind: str, arguments: list[dict[str, Any]]) -> str:
    parts = [
        f"{one['name']}={one['default']}" if "default" in one else one["name"] for one in arguments
    ]
    return f"{kind}({', '.join(parts)})" if parts else kind


def _fed(layer: type[Layer]) -> str:
    """What flows in, in words."""
    least, most = layer.inputs
    if (least, most) == (1, 1):
        return "one tensor"
    if most is None:
        return f"a tuple of at least {least} tensors" if least > 1 else "one or more tensors"
    if least == most:
        return f"a tuple of {least} tensors"
    return f"{least} to {most} tensors, several in a tuple"
