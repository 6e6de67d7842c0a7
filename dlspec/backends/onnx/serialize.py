"""The bytes of an ONNX file, with a checksum by which a damaged one is known.

Its last entry is the SHA-256 of all that stands before it. Protobuf joins messages by joining
their bytes, so any reader finds the checksum among the metadata; one that writes the file anew
moves it from its place, and is known by that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
from onnx import ModelProto, TensorProto

from dlspec.backends.onnx.tensors import Array, stored, write_head
from dlspec.ir.card import CHECKSUM

_RAW_DATA, _INITIALIZER, _GRAPH = 9, 5, 7
"""Numbers of fields in `onnx.proto`, of TensorProto, GraphProto and ModelProto."""


def serialize(model: ModelProto) -> bytes:
    """The file's bytes of a model."""
    content = model.SerializeToString(deterministic=True)
    return content + _checksum(hashlib.sha256(content).hexdigest())


def file_of(model: ModelProto, arrays: Mapping[str, Array]) -> bytes:
    """The file's bytes of a model that has no tensors, with these in their place.

    Protobuf would hold the weights three times on the way; here they are copied once.
    """
    head = ModelProto()
    head.CopyFrom(model)
    head.ClearField("graph")
    graph: list[bytes | memoryview] = [model.graph.SerializeToString(deterministic=True)]
    for name, array in arrays.items():
        graph.extend(_tensor_field(name, array))
    size = sum(len(piece) for piece in graph)
    pieces = [head.SerializeToString(deterministic=True), *_opening(_GRAPH, size), *graph]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return b"".join([*pieces, _checksum(digest.hexdigest())])


def _tensor_field(name: str, array: Array) -> Iterator[bytes | memoryview]:
    tensor = TensorProto()
    write_head(tensor, name, array)
    head = tensor.SerializeToString(deterministic=True)
    elements = stored(array).reshape(-1).view(np.uint8).data
    inner = b"".join(_opening(_RAW_DATA, len(elements)))
    yield from _opening(_INITIALIZER, len(head) + len(inner) + len(elements))
    yield from (head, inner, elements)


def _opening(field: int, size: int) -> tuple[bytes, bytes]:
    """What stands before the `size` bytes of a field: its number and kind, and the size."""
    varint = bytearray()
    while size > 0x7F:
        varint.append(size & 0x7F | 0x80)
        size >>= 7
    varint.append(size)
    return bytes([field << 3 | 2]), bytes(varint)


def _checksum(digest: str) -> bytes:
    end = ModelProto()
    end.metadata_props.add(key=CHECKSUM, value=digest)
    return end.SerializeToString()
