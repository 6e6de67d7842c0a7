"""Data: sources, splits and transforms. NumPy is imported here; torch and Pillow where used."""

from __future__ import annotations

from dlspec.data.dataset import Dataset, Split
from dlspec.data.loading import load, parse_replacement, replaced
from dlspec.data.problem import DataProblem

__all__ = ["DataProblem", "Dataset", "Split", "load", "parse_replacement", "replaced"]
