"""Search ranges: which values `dlspec tune` may try for a setting, an argument or a parameter."""

from __future__ import annotations

from dlspec.ir.frozen import Frozen


class Search(Frozen):
    """`lr=1e-3 in log(1e-5 .. 1e-1)`, or a list of choices.

    key:     what `--set` calls it, `train.optimizer.lr` or `LeNet.units`.
    written: the range as it stands in the spec.
    value:   what stands before it, which every command but `tune` takes; a number, or a choice.
    low, high: the ends, both of them values to try; whole numbers where value and ends are.
    log:     whether the logarithm is what is spread evenly.
    choices: as texts of the language, in place of a range.
    """

    key: str
    written: str
    value: int | float | str
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()
