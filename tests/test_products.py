"""First convolutions as matrix products against the convolutions that they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from training_setup import program, run, weights  # noqa: E402

from dlspec.training.products import ProductConv2d, use_products  # noqa: E402

ONE_CHANNEL = """
model Small {
  input image: float[1, 8, 8]
  Conv(6, 3, padding=1, activation=relu) -> Conv(4, 3) -> Flatten -> Dense(10)
}
data Digits {
  source = digits()
  test   = 20%
}
train Small on Digits {
  loss       = cross_entropy
  optimizer  = adam(lr=1e-3)
  batch_size = 50
  steps      = 12
  precision  = PRECISION
}
"""


def pair(**arguments: object) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution, and the same as a product."""
    torch.manual_seed(0)
    plain, product = nn.Conv2d(**arguments), nn.Conv2d(**arguments)  # pyright: ignore
    product.load_state_dict(plain.state_dict())
    product.__class__ = ProductConv2d
    return plain, product


def computed(convolution: nn.Conv2d, x: torch.Tensor) -> list[torch.Tensor]:
    """The result under autocast, and the gradients of a loss of it."""
    convolution.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        result = convolution(x)
    result.float().square().mean().backward()
    return [result.float(), *(weight.grad for weight in convolution.parameters())]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    "arguments",
    [
        {"in_channels": 1, "out_channels": 20, "kernel_size": 5, "padding": "same"},
        {"in_channels": 1, "out_channels": 16, "kernel_size": 3, "padding": 1, "stride": 2},
        {"in_channels": 3, "out_channels": 5, "kernel_size": (3, 2), "padding": "same"},
        {"in_channels": 1, "out_channels": 7, "kernel_size": (1, 4), "padding": (0, 2)},
        {"in_channels": 2, "out_channels": 9, "kernel_size": 3, "dilation": (2, 3), "bias": False},
        {"in_channels": 1, "out_channels": 6, "kernel_size": 4, "padding": "same", "dilation": 2},
    ],
)
def test_a_product_is_the_convolution(arguments: dict[str, object]) -> None:
    """As near to float32 as PyTorch's own bf16, but for chance."""
    plain, product = pair(**arguments)
    assert use_products([plain]) == ("",)
    plain.__class__ = nn.Conv2d
    x = torch.randn(6, int(str(arguments["in_channels"])), 13, 14)
    exact = plain(x)
    exact.square().mean().backward()
    wanted = [exact, *(weight.grad for weight in plain.parameters())]
    wanted = [one.detach().clone() for one in wanted]
    for true, usual, got in zip(wanted, computed(plain, x), computed(product, x), strict=True):
        assert got.shape == usual.shape
        assert (got - true).norm() <= 1.5 * (usual - true).norm() + 1e-3 * true.norm()


@pytest.mark.parametrize(
    "arguments",
    [
        {"in_channels": 3, "out_channels": 64, "kernel_size": 7},
        {"in_channels": 4, "out_channels": 6, "kernel_size": 3},
        {"in_channels": 2, "out_channels": 6, "kernel_size": 3, "groups": 2},
        {"in_channels": 1, "out_channels": 6, "kernel_size": 3, "padding_mode": "circular"},
        {"in_channels": 1, "out_channels": 6, "kernel_size": 1},
    ],
)
def test_others_stay(arguments: dict[str, object]) -> None:
    (plain, _), x = pair(**arguments), torch.randn(2, int(str(arguments["in_channels"])), 9, 9)
    before = plain(x)
    assert use_products([plain]) == () and torch.equal(plain(x), before)


def test_what_is_derived_through_stays_a_convolution() -> None:
    plain, product = pair(in_channels=1, out_channels=6, kernel_size=3)
    x = torch.randn(2, 1, 9, 9, requires_grad=True)
    gradients = [torch.autograd.grad(one(x).square().sum(), x)[0] for one in (plain, product)]
    assert torch.equal(*gradients)
    assert torch.equal(plain(x.detach()), product(x.detach()))  # float32: no autocast


@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_a_run_says_so_and_keeps_its_names(
    precision: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = program(ONE_CHANNEL.replace("PRECISION", precision))
    run(made, tmp_path / "run", None, show="auto")
    said = capsys.readouterr().err
    assert ("few channels flow into `conv1`" in said) == (precision == "bf16")
    assert "model.conv1.weight" in weights(tmp_path / "run")
