"""The base of every value in the IR: immutable, hashable, closed to unknown fields."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A frozen Pydantic model. Strict: `True` is no int and `1.0` is no size."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)
