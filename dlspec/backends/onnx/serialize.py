"""The bytes of an ONNX file, with a checksum by which a damaged one is known."""

from __future__ import annotations

import hashlib

from onnx import ModelProto

from dlspec.ir.card import CHECKSUM


def serialize(model: ModelProto) -> bytes:
    """The file's bytes; the SHA-256 of its graph becomes part of its metadata.

    `model` itself stays as it is.
    """
    graph = model.graph.SerializeToString(deterministic=True)
    head = ModelProto()
    for field, value in model.ListFields():
        if field.name == "graph":
            continue
        if field.is_repeated:
            getattr(head, field.name).extend(value)
        else:
            setattr(head, field.name, value)
    kept = [entry for entry in head.metadata_props if entry.key != CHECKSUM]
    del head.metadata_props[:]
    head.metadata_props.extend(kept)
    head.metadata_props.add(key=CHECKSUM, value=hashlib.sha256(graph).hexdigest())
    return head.SerializeToString(deterministic=True) + _graph_field(graph)


def _graph_field(graph: bytes) -> bytes:
    """Field 7 of a ModelProto: protobuf messages may be joined as bytes."""
    size, varint = len(graph), bytearray()
    while size > 0x7F:
        varint.append(size & 0x7F | 0x80)
        size >>= 7
    varint.append(size)
    return bytes([7 << 3 | 2]) + bytes(varint) + graph
