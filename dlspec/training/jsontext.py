"""JSON that every reader takes: a figure that has no value is `null`, as JSON has no NaN."""

from __future__ import annotations

import json
import math
from typing import Any, cast


def json_text(value: object, indent: int | None = None) -> str:
    """A value of Python as JSON, numbers that are not finite as `null`."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: object) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in cast("list[object]", value)]
    return value
