"""The limits of the language that elaboration and the reading of programs share."""

from __future__ import annotations

MOST_LAYERS = 100_000
"""Layers of a network after unrolling."""

LARGEST_SIZE = 2**31
"""The size of a dimension."""
