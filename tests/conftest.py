"""What all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# The default run draws the same examples every time; `make test-all` draws new ones.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("fresh", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# No test reaches out for a data set; those of downloads have a server of their own.
os.environ["HF_HUB_OFFLINE"] = os.environ["DLSPEC_OFFLINE"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bless", action="store_true", help="rewrite the sibling files of tests/cases"
    )
