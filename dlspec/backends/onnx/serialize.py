"""The bytes of an ONNX file, with a checksum by which a damaged one is known."""

from __future__ import annotations

import hashlib

from onnx import ModelProto

from dlspec.ir.card import CHECKSUM


def serialize(model: ModelProto) -> bytes:
    """The file's bytes. Its last entry is the SHA-256 of all that stands before it.

    Protobuf joins messages by joining their bytes, so any reader finds the checksum among the
    metadata; one that writes the file anew moves it from its place, and is known by that.
    """
    content = model.SerializeToString(deterministic=True)
    end = ModelProto()
    end.metadata_props.add(key=CHECKSUM, value=hashlib.sha256(content).hexdigest())
    return content + end.SerializeToString()
