"""Reads protobuf's wire format as far as needed to judge an ONNX file before a library sees it.

The format: https://protobuf.dev/programming-guides/encoding. The numbers are those of
`onnx.proto`, which never change their meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Field(NamedTuple):
    """One field: its number, where it begins, and its bytes (empty for plain numbers)."""

    number: int
    start: int
    content: memoryview


# Which fields of a message hold which messages, on the way to tensors.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message. Raises ValueError where the bytes are none or are cut short."""
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        kind, size = key & 7, 0
        if kind == 0:
            _, at = _varint(message, at)
        elif kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("not protobuf")
        if key >> 3 == 0:
            raise ValueError("not protobuf")
        if at + size > len(message):
            raise ValueError("cut short")
        yield Field(key >> 3, start, message[at : at + size])
        at += size


def external_files(model: memoryview) -> set[str]:
    """The files in which tensors of a model say that their elements lie."""
    found: set[str] = set()
    waiting = [("model", model)]
    while waiting:
        kind, message = waiting.pop()
        if kind == "entry":
            key, value = text_entry(message)
            if key == "location":
                found.add(value)
            continue
        inside = _INSIDE[kind]
        waiting += [
            (inside[field.number], field.content)
            for field in fields(message)
            if field.number in inside
        ]
    return found


def text_entry(message: memoryview) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    key = value = ""
    for field in fields(message):
        if field.number == 1:
            key = bytes(field.content).decode("utf-8", "replace")
        elif field.number == 2:
            value = bytes(field.content).decode("utf-8", "replace")
    return key, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message):
            raise ValueError("cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("not protobuf")
