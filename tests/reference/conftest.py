"""What lets the packages of other people run beside the PyTorch that dlspec is tested with."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
import torch

os.environ["KERAS_BACKEND"] = "torch"

# torchvision's models are plain PyTorch, but importing it asks for operators that its wheel has
# compiled for another PyTorch. No network here uses them.
_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
if not hasattr(torch.ops.torchvision, "nms"):
    for _name in ("nms", "qnms"):
        _OPERATORS.define(f"{_name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")

PACKAGES = ("keras", "pytorchcv", "timm", "torchvision")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = [name for name in PACKAGES if find_spec(name) is None]
    for item in items:
        if "reference" in item.path.parts:
            item.add_marker(pytest.mark.reference)
            if absent:
                reason = f"{', '.join(absent)} absent: `make test-reference` brings them"
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.user_properties
    ]
    if reports:
        terminalreporter.section("largest difference, as a share of the largest value")
    for report in reports:
        figures = ", ".join(f"{name} {value:.1e}" for name, value in report.user_properties)
        terminalreporter.write_line(f"{report.nodeid.partition('[')[2][:-1]:24} {figures}")
