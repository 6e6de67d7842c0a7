"""The JSON schema of the IR with every registered layer and its arguments in it."""

from __future__ import annotations

from typing import Any

from dlspec.ir.graph import Program
from dlspec.ir.layer import Layer
from dlspec.layers import all_layers

_REFERENCE = "#/$defs/{model}"


def ir_schema() -> dict[str, Any]:
    """The schema (JSON Schema, draft 2020-12) of what `dlspec compile --to ir` writes."""
    schema = Program.model_json_schema(mode="serialization", ref_template=_REFERENCE)
    definitions: dict[str, Any] = schema["$defs"]
    choices: list[dict[str, str]] = []
    for layer in all_layers():
        name = f"Layer.{layer.kind}"
        own = layer_schema(layer)
        definitions.update(own.pop("$defs", {}))
        definitions[name] = own
        choices.append({"$ref": _REFERENCE.format(model=name)})
    definitions["LayerNode"]["properties"]["layer"] = {"oneOf": choices}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dlspec intermediate representation",
    }
    return head | {key: value for key, value in schema.items() if key != "title"}


def layer_schema(layer: type[Layer]) -> dict[str, Any]:
    """The schema of one layer's JSON form: its `kind` and its arguments."""
    schema = layer.model_json_schema(mode="serialization", ref_template=_REFERENCE)
    arguments = schema.get("properties", {})
    schema["title"] = layer.kind
    schema["description"] = layer.summary
    schema["properties"] = {"kind": {"const": layer.kind}, **arguments}
    schema["required"] = ["kind", *schema.get("required", [])]
    return schema
