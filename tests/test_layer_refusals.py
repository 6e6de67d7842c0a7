"""Refusals of layers over images: their codes, and the axes and sizes that they name."""

from __future__ import annotations

import pytest

from dlspec.ir.dims import symbol
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import tensor
from dlspec.layers import find


def layer(kind: str, **arguments: object) -> Layer:
    found = find(kind)
    assert found is not None
    return found(**arguments)


REFUSED = [
    (
        "Conv",
        {"filters": 2, "kernel": 7},
        (1, 5, 5),
        "E0403",
        "`Conv` with kernel 7 does not fit height 5 (padding 0): the result would be -1 high",
    ),
    (
        "Conv",
        {"filters": 2, "kernel": 3, "dilation": 4},
        (1, 9, 5),
        "E0403",
        "kernel 3 and dilation 4 (together 9) does not fit width 5",
    ),
    (
        "Conv",
        {"filters": 2, "kernel": (3, 3, 3)},
        (1, 5, 5),
        "E0303",
        "`kernel` of `Conv` has 3 entries; the input has 2: height and width",
    ),
    (
        "Conv",
        {"filters": 4, "kernel": 3, "groups": 3},
        (6, 5, 5),
        "E0404",
        "cannot share 4 filters among 3 groups",
    ),
    (
        "Conv",
        {"filters": 4, "kernel": 3, "groups": 4},
        (6, 5, 5),
        "E0404",
        "cannot share 6 channels among 4 groups",
    ),
    ("Conv", {"filters": 4, "kernel": 3}, (784,), "E0401", "this is [784]"),
    (
        "Conv",
        {"filters": 4, "kernel": 3, "stride": 2, "padding": "same"},
        (3, 8, symbol("width")),
        "E0410",
        "?width is known only at run time",
    ),
    ("Conv", {"filters": 4, "kernel": 3}, (symbol("n"), 8, 8), "E0410", "must be fixed"),
    ("MaxPool", {"size": 2, "padding": 2}, (1, 5, 5), "E0303", "more than half of its size 2"),
    ("MaxPool", {"size": 6}, (1, 5, 5), "E0403", "does not fit height 5"),
    (
        "ConvTranspose",
        {"filters": 1, "kernel": 1, "padding": 1},
        (1, 2, 2),
        "E0403",
        "takes all of height 2 away",
    ),
    (
        "ConvTranspose",
        {"filters": 1, "kernel": 3, "padding": "same", "output_padding": 1},
        (1, 2, 2),
        "E0303",
        "sets the size of the result",
    ),
    ("GroupNorm", {"groups": 4}, (6, 3, 3), "E0404", "6 channels among 4 groups"),
    ("InstanceNorm", {}, (6, 1, 1), "E0417", "a single value"),
    ("PixelShuffle", {"factor": 2}, (6, 3, 3), "E0404", "6 is no multiple of 4"),
    ("ChannelShuffle", {"groups": 4}, (6, 3, 3), "E0404", "6 channels among 4 groups"),
    ("CenterCrop", {"size": 9}, (3, 8, 10), "E0303", "cannot cut height 9 out of 8"),
    ("Upsample", {"scale": 2, "mode": "bilinear"}, (3, 8), "E0414", "for 2 spatial axes"),
    ("Filter", {"kernel": "sharpen"}, (3, 8), "E0401", "[channels, height, width]"),
    ("BatchNorm", {}, (2, 3, 4, 5, 6), "E0401", "up to three spatial axes"),
    ("Pad", {"amount": 3, "mode": "reflect"}, (1, 3, 8), "E0303", "by `reflect` to height 3"),
]


@pytest.mark.parametrize(("kind", "arguments", "shape", "code", "fragment"), REFUSED)
def test_a_refusal_names_axes_and_sizes(
    kind: str, arguments: dict[str, object], shape: tuple[int, ...], code: str, fragment: str
) -> None:
    with pytest.raises(ShapeProblem) as caught:
        layer(kind, **arguments).infer((tensor(*shape),))
    assert caught.value.code == code
    assert fragment in caught.value.message


@pytest.mark.parametrize("kind", ["Conv", "MaxPool", "BatchNorm", "Filter", "LRN", "LayerNorm"])
def test_whole_numbers_are_no_image(kind: str) -> None:
    arguments = {
        "Conv": {"filters": 1, "kernel": 1},
        "MaxPool": {"size": 1},
        "Filter": {"kernel": "sharpen"},
    }.get(kind, {})
    with pytest.raises(ShapeProblem) as caught:
        layer(kind, **arguments).infer((tensor(3, 4, 4, dtype="int"),))
    assert caught.value.code == "E0406" and caught.value.culprit == 0


def test_a_size_in_a_message_mends_it() -> None:
    """The padding and the kernel that the help names are indeed accepted."""
    with pytest.raises(ShapeProblem) as caught:
        layer("Conv", filters=1, kernel=7).infer((tensor(1, 4, 4),))
    assert caught.value.help == "`padding=2` or a kernel of at most 4 fits"
    assert layer("Conv", filters=1, kernel=7, padding=2).infer((tensor(1, 4, 4),))
    assert layer("Conv", filters=1, kernel=4).infer((tensor(1, 4, 4),))
