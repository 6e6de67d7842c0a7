"""`dlspec layers`: the layer reference, read from the layers themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dlspec.cli.loading import format_option
from dlspec.cli.terminal import result

if TYPE_CHECKING:
    from dlspec.ir.frozen import FieldInfo
    from dlspec.ir.layer import Layer


@click.command(epilog="Example: dlspec layers Conv")
@click.argument("name", required=False)
@format_option("text", "json")
def command(name: str | None, format: str) -> None:
    """List every layer, or describe the layer NAME: its arguments, shape rule and operators."""
    from dlspec.layers import all_layers

    if name is not None:
        layers = [_named(name)]
    else:
        layers = [layer for layer in all_layers() if not layer.operator]
    if format == "json":
        import json

        result(json.dumps({"layers": [described(layer) for layer in layers]}, indent=2))
    elif name is not None:
        result(_page(described(layers[0])))
    else:
        longest = max(len(layer.kind) for layer in layers)
        result("\n".join(f"{layer.kind:<{longest}}  {layer.summary}" for layer in layers))


def _named(name: str) -> type[Layer]:
    """The layer of that name, of a spelling with a rank, or of another framework's spelling."""
    import difflib

    from dlspec.layers import all_layers, spelled

    found = spelled(name)
    if found is not None:
        return found[0]
    public = [layer for layer in all_layers() if not layer.operator]
    for layer in public:
        if name in layer.aliases or name.lower() == layer.kind.lower():
            return layer
    near = difflib.get_close_matches(name, [layer.kind for layer in public], n=1)
    hint = f"Did you mean `{near[0]}`?" if near else "`dlspec layers` lists them all."
    raise click.UsageError(f"There is no layer `{name}`. {hint}")


def described(layer: type[Layer]) -> dict[str, Any]:
    """Everything the reference says of a layer, as JSON values."""
    return {
        "name": layer.kind,
        "summary": layer.summary,
        "signature": _signature(layer),
        "arguments": [
            _argument(field.alias or name, field) for name, field in layer.model_fields.items()
        ],
        "inputs": list(layer.inputs),
        "shape_rule": layer.shape_rule,
        "names": [f"{layer.kind}{rank}D" for rank in layer.ranks],
        "takes_activation": layer.takes_activation,
        **_operators(layer),
        "example": layer.example,
        "elsewhere": list(layer.aliases),
    }


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


def _signature(layer: type[Layer]) -> str:
    parts = [
        name if field.is_required() else f"{name}={_written(field.get_default())}"
        for name, field in ((f.alias or n, f) for n, f in layer.model_fields.items())
    ]
    if layer.takes_activation:
        parts.append("activation=none")
    return f"{layer.kind}({', '.join(parts)})" if parts else layer.kind


def _operators(layer: type[Layer]) -> dict[str, list[str]]:
    """The PyTorch names and ONNX operators a layer becomes, for the types of its example."""
    from dlspec.cli.layer_operators import operators

    return operators(layer)


def _page(layer: dict[str, Any]) -> str:
    lines = [layer["signature"], "", f"  {layer['summary']}"]
    if layer["arguments"]:
        lines += ["", "Arguments"]
        for argument in layer["arguments"]:
            head = argument["name"]
            head += f" = {argument['default']}" if "default" in argument else " (required)"
            lines += [f"  {head}", f"      {argument['description']}: {argument['type']}"]
    lines += ["", "Shape", f"  {layer['shape_rule']}"]
    for title, key in (
        ("Also", "names"),
        ("PyTorch", "pytorch"),
        ("ONNX", "onnx"),
        ("Called elsewhere", "elsewhere"),
    ):
        if layer[key]:
            lines += ["", title, f"  {', '.join(layer[key])}"]
    lines += ["", "Example", f"  {layer['example']}"]
    return "\n".join(lines)
