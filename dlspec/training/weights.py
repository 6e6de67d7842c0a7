"""A file of weights that tells damage: safetensors with a SHA-256 in its metadata.

Most flipped bits leave a safetensors file that loads without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

_KEY = "dlspec"
"""All facts stand under one key: safetensors writes several in an order that changes."""


class DamagedWeights(Exception):
    """The bytes are not what `packed` gave."""


def packed(tensors: Mapping[str, torch.Tensor], facts: dict[str, Any]) -> bytes:
    """Weights by name as the content of a file, `facts` as JSON in its metadata."""
    plain = {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
    facts = {**facts, "sha256": _digest(plain, facts)}
    return save(plain, metadata={_KEY: json.dumps(facts)})


def unpacked(content: bytes) -> dict[str, torch.Tensor]:
    """The weights that `packed` made. Raises DamagedWeights where a single bit is another."""
    try:
        tensors = load(content)
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size])["__metadata__"]
        facts = json.loads(metadata[_KEY])
        digest = facts.pop("sha256")
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DamagedWeights from None
    if digest != _digest(tensors, facts) or save(tensors, metadata=metadata) != content:
        raise DamagedWeights
    return tensors


def _digest(tensors: Mapping[str, torch.Tensor], facts: dict[str, Any]) -> str:
    digest = hashlib.sha256(save(dict(tensors)))
    digest.update(json.dumps(facts, sort_keys=True).encode())
    return digest.hexdigest()
