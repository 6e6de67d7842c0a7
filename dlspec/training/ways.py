"""How the steps of a run can be computed, which was wanted, and which it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Kind = Literal["eager", "compile", "graphs"]
"""`graphs` is `compile` with a CUDA graph that launches all kernels of a pass together."""


class Choice(NamedTuple):
    """What a run chose, as run.json keeps it. since: the first step (from 0) computed so."""

    kind: Kind
    since: int

    @staticmethod
    def read(facts: dict[str, Any]) -> Choice | None:
        """The choice in what run.json says; None where there was none."""
        speed = facts.get("speed")
        return Choice(speed["kind"], speed["since"]) if speed else None


@dataclass
class Speed:
    """How a run computes its steps.

    wanted:   what `--speed` says.
    kind:     what was chosen; None as long as nothing is, and steps are eager.
    recorded: the choice of earlier parts of the run.
    before:   how the steps before the checkpoint were computed, in a run that goes on from one.
    began_at: the step at which this part of the run begins.
    marked:   when the first of the measured steps began.
    """

    wanted: Literal["auto", "eager", "compile", "graphs"] = "auto"
    kind: Kind | None = None
    recorded: Choice | None = None
    before: str | None = None
    began_at: int = 0
    marked: float | None = None
