"""Names in an ONNX graph, where values and tensors share one space and nodes have another."""

from __future__ import annotations

from collections.abc import Iterable


class Names:
    """Hands each name out once; `relu1` that is taken becomes `relu1_2`."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = {"", *reserved}

    def claim(self, wanted: str) -> str:
        """`wanted`, or with a number behind it where that is taken."""
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name
