"""Variables for the values of a `forward`: the spec's names, `x` for what flows on, branches.

A value without a name of its own takes the variable of the value that it is made of, as a
person writes `x = self.conv1(x)`. One that is made while `x` is still needed is a branch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dlspec.backends.torch.names import variable
from dlspec.backends.torch.steps import Flow, Step

FLOWING = "x"


class Variables:
    """The variable of each value, given out in the order of the steps.

    inputs: the names of the graph's inputs; lone: whether a branch needs no number.
    """

    def __init__(
        self, inputs: tuple[str, ...], flow: Flow, taken: Iterable[str], *, lone: bool = False
    ) -> None:
        self._main = len(flow.steps)
        self.steps = (*flow.steps, *flow.auxiliary_steps)
        returned = {value for _, value in (*flow.outputs, *flow.auxiliaries)}
        self.last_use = {value: len(self.steps) for value in returned}
        self.uses: dict[str, int] = dict.fromkeys(returned, 1)
        for place, step in enumerate(self.steps):
            for value in step.inputs:
                self.last_use[value] = max(place, self.last_use.get(value, 0))
                self.uses[value] = self.uses.get(value, 0) + 1
        self._meets = self._meetings()
        self.names: dict[str, str] = {}
        self._roots: dict[str, str] = {}
        self._folded: dict[str, tuple[str, ...]] = {}
        used = list(taken)
        for value in (*inputs, *self._named()):
            self.names[value] = variable(value, used)
            used.append(self.names[value])
        flowing = self.names[FLOWING] if FLOWING in inputs else variable(FLOWING, used)
        self._free = Registers(used, flowing, lone=lone)
        self._reserved = used
        if FLOWING in inputs:
            self._free.hold(flowing, self.last_use.get(FLOWING, -1))

    def _meetings(self) -> dict[str, Step]:
        """For each value the step at which what is made of it alone ends."""
        found: dict[str, Step] = {}
        for step in reversed(self.steps):
            for value in step.inputs:
                straight = len(step.inputs) == 1 and self.uses[value] == 1
                end = found.get(step.outputs[0]) if straight else step
                if end is not None:
                    found[value] = end
        return found

    def _named(self) -> Iterator[str]:
        for step in self.steps:
            if step.named or len(step.outputs) > 1:
                yield from step.outputs

    def assign(self, place: int) -> None:
        """Give the results of the step at `place` their variables."""
        (value, *others) = self.steps[place].outputs
        if others or value in self.names:
            return
        name = self._tap(place, value) or self._register(place, value)
        self.names[value] = name
        self._free.hold(name, self.last_use.get(value, place))

    @property
    def branches(self) -> int:
        """The number of variables for branches."""
        return self._free.branches

    def _tap(self, place: int, value: str) -> str | None:
        """A variable of its own for what is used again in training, far below, else None."""
        if not self._is_tap(place, value):
            return None
        if not self._several_taps():
            return variable("tap", self._reserved)
        number = 1
        while f"tap{number}" in self._reserved:
            number += 1
        self._reserved.append(f"tap{number}")
        return f"tap{number}"

    def _is_tap(self, place: int, value: str) -> bool:
        later = any(value in step.inputs for step in self.steps[self._main :])
        if not later or place >= self._main or len(self.steps) == self._main:
            return False
        return not all(step.named for step in self.steps[place + 1 : self._main])

    def _several_taps(self) -> bool:
        """Whether training alone uses more than one value of the rest."""
        made = {value for step in self.steps[: self._main] for value in step.outputs}
        late = {value for step in self.steps[self._main :] for value in step.inputs}
        return len(made & late) > 1

    def foreseen(self, place: int) -> str:
        """The variable that the step at `place` would get for its one result."""
        (value,) = self.steps[place].outputs
        if value in self.names:
            return self.names[value]
        return "tap10" if self._is_tap(place, value) else self._register(place, value)

    def fold(self, place: int) -> None:
        """Let the step at `place` stand within the line of the next one, without a variable."""
        (value,) = self.steps[place].outputs
        self._folded[value] = self.steps[place].inputs

    def unfold(self, place: int) -> None:
        """Take back `fold`."""
        (value,) = self.steps[place].outputs
        del self._folded[value]

    def _register(self, place: int, value: str) -> str:
        """The variable of what the value is made of where that is not needed any more."""
        inputs = self.steps[place].inputs
        if len(inputs) == 1:
            inputs = self._unfolded(inputs)
        source = inputs[0] if inputs else ""
        name = self.names.get(source, "")
        ends = len(inputs) == 1 and self.last_use[source] <= place
        parted = self._joins_branches(value, source)
        self._roots[value] = self._roots.get(source, source) if ends and not parted else source
        if ends and self._free.is_register(name) and not parted:
            return name
        return self._free.branch(place) if parted else self._free.next(place)

    def _unfolded(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """What a value is made of on its line, with all that stands within that."""
        while len(inputs) == 1 and inputs[0] in self._folded:
            inputs = self._folded[inputs[0]]
        return inputs

    def _joins_branches(self, value: str, source: str) -> bool:
        """Whether the value meets a branch that began where it does itself."""
        step = self._meets.get(value)
        if step is None or len(step.inputs) < 3:
            return False
        return any(
            self._free.is_branch(self.names.get(other, "")) and self._roots.get(other) == source
            for other in step.inputs
        )


class Registers:
    """`x` and `branch1`, `branch2` …, each held by a value up to its last use."""

    def __init__(self, taken: list[str], flow: str, *, lone: bool) -> None:
        self.flow = flow
        self.branches = 0
        self._taken = frozenset(taken)
        self._until: dict[str, int] = {}
        self._ends = Ends()
        self._lone = variable("branch", taken) if lone else None

    def hold(self, name: str, until: int) -> None:
        """Keep a variable up to and with the step at `until`."""
        self._until[name] = until
        if self._lone is None and self.is_branch(name):
            number = int(name.removeprefix("branch"))
            self.branches = max(self.branches, number)
            self._ends.put(number, until)

    def next(self, place: int) -> str:
        """`x` where no value behind the step at `place` needs it, else a branch."""
        return self.flow if self._until.get(self.flow, -1) <= place else self.branch(place)

    def branch(self, place: int) -> str:
        """The first branch that no value behind the step at `place` needs."""
        if self._lone is not None:
            return self._lone
        number = self._ends.first(place)
        while f"branch{number}" in self._taken:
            self._ends.put(number, _NEVER)
            number = self._ends.first(place)
        return f"branch{number}"

    def is_register(self, name: str) -> bool:
        return name == self.flow or self.is_branch(name)

    def is_branch(self, name: str) -> bool:
        if self._lone is not None:
            return name == self._lone
        return name.startswith("branch") and name not in self._taken


_NEVER = 2**62


class Ends:
    """Numbers from 1 on and until where each is held; finds the first free one in few steps.

    A tree in an array: the node `n` has the least end of its children `2n` and `2n + 1`.
    """

    def __init__(self) -> None:
        self._size = 1
        self._least = [-1, -1]

    def put(self, number: int, until: int) -> None:
        """Hold a number up to and with a place."""
        while number > self._size:
            leaves = self._least[self._size :]
            self._size *= 2
            self._least = [-1] * self._size + leaves + [-1] * len(leaves)
            for node in range(self._size - 1, 0, -1):
                self._least[node] = min(self._least[2 * node], self._least[2 * node + 1])
        node = self._size + number - 1
        self._least[node] = until
        while node > 1:
            node //= 2
            self._least[node] = min(self._least[2 * node], self._least[2 * node + 1])

    def first(self, place: int) -> int:
        """The first number that nothing behind a place holds."""
        node = 1
        if self._least[node] > place:
            return self._size + 1
        while node < self._size:
            node = 2 * node if self._least[2 * node] <= place else 2 * node + 1
        return node - self._size + 1
