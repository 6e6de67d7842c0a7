"""Random networks: our types, PyTorch's, ONNX's inference and ONNX Runtime's must agree.

Hypothesis draws the networks: 200, the same in every run, and 2,000 new ones in `make test-all`.
A network that fails is cut down line by line before it is shown; it belongs into `FOUND` then.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from random import Random

import pytest
import torch
from drawn_bodies import KINDS
from drawn_networks import Network, draw_network
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from network_oracles import Verdict, judge

from dlspec.ir.dims import Dim
from dlspec.ir.types import TensorType
from dlspec.layers import windows
from dlspec.layers.activations import Softmax
from dlspec.layers.joining import Concat
from dlspec.layers.rectifiers import GELU
from dlspec.layers.recurrent import GRU, LSTM
from dlspec.layers.squashing import HardSigmoid
from dlspec.layers.windows import Window

pytestmark = pytest.mark.filterwarnings("error")

# A network is drawn by a seed, which is not worth shrinking: lines are left out instead.
CAMPAIGN = settings(
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
    database=None,
    report_multiple_bugs=False,
)
SEEDS = st.randoms(use_true_random=True)

FOUND = {
    "LRN of a permuted image with three spatial axes, which PyTorch cannot view": """
model Net {
  input x: float[3, 4, 5, 6]
  Permute([-3, -2, -1, -4]) -> LRN
}
""",
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_networks_agree() -> None:
    hold(campaign(200))


@pytest.mark.slow
def test_many_networks_agree() -> None:
    hold(campaign(int(os.environ.get("DLSPEC_NETWORKS", "2000"))))


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_what_was_found_stays_mended(text: str) -> None:
    judge(Network(text, {}))


def campaign(count: int, cut: bool = True) -> list[Verdict]:
    """Judge as many networks, beginning with each kind of layer in turn.

    Raises AssertionError with a text that fails, the smallest there is where it is to be cut.
    """
    verdicts: list[Verdict] = []
    kinds = cycle(KINDS)
    first: dict[int, str] = {}  # so that a network that Hypothesis asks for again is the same

    @settings(CAMPAIGN, max_examples=count)
    @given(SEEDS)
    def run(random: Random) -> None:
        seed = random.getrandbits(64)
        first.setdefault(seed, next(kinds))
        network = draw_network(Random(seed), first[seed])
        try:
            verdicts.append(judge(network))
        except Exception as problem:
            fails = partial(_same, type(problem), network)
            text = cut_down(network.text, fails) if cut else network.text
            raise AssertionError(f"{network.sizes}\n{text}") from problem

    run()
    return verdicts


def hold(verdicts: list[Verdict]) -> None:
    """A campaign is worth its time: every layer took part, and nearly all values were compared."""
    count = len(verdicts)
    kinds = sum((verdict.kinds for verdict in verdicts), Counter[str]())
    assert [name for name in KINDS if not kinds[name]] == []
    refused = Counter(verdict.refused for verdict in verdicts if verdict.refused)
    unclear = Counter(verdict.unclear for verdict in verdicts if verdict.unclear)
    print(f"{count} networks, refused {refused.total()}, unclear {unclear}, {kinds}")
    assert refused.total() <= 0.12 * count, refused
    assert unclear.total() <= 0.03 * count, unclear
    found, of = (sum(verdict.inferred[i] for verdict in verdicts) for i in (0, 1))
    assert of > 5 * count
    assert found > 0.95 * of, "ONNX's inference was hardly asked"


def _same(problem: type[Exception], network: Network, text: str) -> bool:
    """Whether another text fails in the way of the first."""
    try:
        judge(network._replace(text=text))
    except Exception as other:
        return type(other) is problem
    return False


def cut_down(text: str, fails: Callable[[str], bool]) -> str:
    """A text with as few lines as still fail."""
    while True:
        for shorter in _shorter(text.split("\n")):
            if fails(shorter):
                text = shorter
                break
        else:
            return text


def _shorter(lines: list[str]) -> Iterator[str]:
    """The text without one line, or without a pair of braces and perhaps what is between."""
    for number, line in enumerate(lines):
        if not line.rstrip().endswith("{"):
            yield "\n".join(lines[:number] + lines[number + 1 :])
            continue
        end = next((n for n in range(number, len(lines)) if _closes(line, lines[n])), number)
        yield "\n".join(lines[:number] + lines[end + 1 :])
        yield "\n".join(lines[:number] + lines[number + 1 : end] + lines[end + 1 :])


def _closes(opening: str, line: str) -> bool:
    margin = re.match(r"\s*", opening)
    assert margin is not None
    return line == f"{margin[0]}}}"


def test_a_failing_network_is_cut_down_to_what_matters() -> None:
    text = (
        "block B {\n  Tanh\n}\nmodel Net {\n  input x: float[3]\n  if true {\n    B\n  }\n  ReLU\n}"
    )
    small = cut_down(text, lambda text: "ReLU" in text and "input" in text)
    assert small == "  input x: float[3]\n  ReLU"


# --- planted faults --------------------------------------------------------------------------


def _concat_of_first(self: Concat, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    return inputs[:1]


def _rounded_up(size: Dim, span: int, stride: int, before: int, after: int, ceil: bool) -> Dim:
    return (size + (before + after - span) + stride - 1) // stride + 1


def _other_side(self: Window) -> tuple[int, ...]:
    return self.after + self.before


FAULTS: dict[str, tuple[object, str, object]] = {
    "LSTM gates in the order of PyTorch": (LSTM, "gates", (0, 1, 2, 3)),
    "GRU gates in the order of PyTorch": (GRU, "gates", (0, 1, 2)),
    "GRU resets ahead of the product": (GRU, "attributes", {"linear_before_reset": 0}),
    "the odd padded cell at the beginning": (Window, "pads", property(_other_side)),
    "the number of windows rounded up": (windows, "_places", _rounded_up),
    "Softmax along axis 0": (Softmax, "onnx_attributes", lambda self: {"axis": 1}),
    "GELU exact": (GELU, "onnx_attributes", lambda self: {"approximate": "none"}),
    "HardSigmoid with the slope of ONNX": (HardSigmoid, "onnx_attributes", lambda self: {}),
    "Concat one axis off": (Concat, "infer", _concat_of_first),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, wrong = FAULTS[fault]
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises(AssertionError):
        campaign(600, cut=False)
