"""Using exported models: predictions from ONNX files, without torch and without the spec."""

from __future__ import annotations

from dlspec.inference.predictor import Predictor
from dlspec.inference.problem import InferenceProblem
from dlspec.inference.results import Prediction, Rank

__all__ = ["InferenceProblem", "Prediction", "Predictor", "Rank"]
