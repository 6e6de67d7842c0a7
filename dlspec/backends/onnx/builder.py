"""Builds ONNX models and files from the IR, blocks unfolded. Nothing is traced."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import ModelProto

from dlspec import __version__
from dlspec.backends.onnx.assembly import Assembly
from dlspec.backends.onnx.checking import check
from dlspec.backends.onnx.describe import describe
from dlspec.backends.onnx.opsets import OLDEST_OPSET, ir_version, newest_opset
from dlspec.backends.onnx.serialize import file_of
from dlspec.backends.onnx.tensors import Array, write_tensor
from dlspec.backends.problem import BackendProblem
from dlspec.ir.card import to_metadata
from dlspec.ir.graph import Graph, Program


def build(
    program: Program,
    model_key: str,
    weights: Mapping[str, Array] | None = None,
    opset: int | None = None,
    metadata: Mapping[str, str] | None = None,
    *,
    batch: int | None = None,
    seed: int = 0,
) -> ModelProto:
    """A model of the program as ONNX, for inference.

    weights:  arrays by full name (`conv1.weight`), buffers among them; None starts them as the
              layers start theirs, by `seed`.
    opset:    the version of ONNX's operators, the newest that ONNX Runtime takes unless told.
    metadata: what the file says of itself beside, or instead of, what the program tells.
    batch:    a fixed size of the batch; any size unless told, the axis then named `batch`.

    Raises BackendProblem (E0416) where ONNX cannot express a layer or the weights are over
    2 GiB, ValueError where weights are missing or have another shape.
    """
    model, arrays = _parts(program, model_key, weights, opset, metadata, batch, seed)
    for name, array in arrays.items():
        write_tensor(model.graph.initializer.add(), name, array)
    return model


def build_file(
    program: Program,
    model_key: str,
    weights: Mapping[str, Array] | None = None,
    opset: int | None = None,
    metadata: Mapping[str, str] | None = None,
    *,
    batch: int | None = None,
    seed: int = 0,
    checked: bool = True,
) -> bytes:
    """The content of an ONNX file of the model, with its checksum.

    The same as `serialize(build(…))`, after `verify` if `checked`, with the weights copied once.
    Raises what `build` and `verify` raise.
    """
    model, arrays = _parts(program, model_key, weights, opset, metadata, batch, seed)
    content = file_of(model, arrays)
    if checked:
        check(model, arrays, content)
    return content


def _parts(
    program: Program,
    model_key: str,
    weights: Mapping[str, Array] | None,
    opset: int | None,
    metadata: Mapping[str, str] | None,
    batch: int | None,
    seed: int,
) -> tuple[ModelProto, dict[str, Array]]:
    """A model without its tensors, and these."""
    graph = program.graphs[model_key]
    opset = _opset(graph, opset)
    assembly = Assembly(program, graph, weights, opset, seed)
    card = to_metadata(describe(program, model_key)) | dict(metadata or {})
    model = ModelProto(
        ir_version=ir_version(opset),
        producer_name="dlspec",
        producer_version=__version__,
        doc_string="\n\n".join(filter(None, (program.documentation, graph.documentation))),
    )
    model.opset_import.add(domain="", version=opset)
    for key, value in card.items():
        model.metadata_props.add(key=key, value=value)
    return model, assembly.fill(model.graph, batch)


def _opset(graph: Graph, wanted: int | None) -> int:
    if wanted is None:
        return newest_opset()
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= wanted <= newest:
        raise BackendProblem(
            "E0416",
            f"`{graph.name}` cannot be written in opset {wanted}; "
            f"opsets {OLDEST_OPSET} to {newest} can",
            graph=graph.key,
        )
    return wanted
