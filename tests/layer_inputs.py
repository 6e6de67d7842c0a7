"""What every layer is fed in `test_layers`: inputs that fit it, arguments from its schema.

`CASES` has an entry for each layer; a layer without one fails the tests. Arguments
are drawn from the types of the layer's fields; an entry says only what a type can't.
"""

from __future__ import annotations

from random import Random

from layer_draws import (
    Case,
    Draw,
    alike,
    any_shape,
    axes,
    axis,
    axis_of_one,
    broadcast,
    concatenable,
    crop_sizes,
    divisor_of_channels,
    divisor_of_features,
    dotted,
    draw_layer,
    image,
    index,
    kernel_rows,
    looked_at,
    matrices,
    new_axis,
    new_shape,
    order,
    pad_amounts,
    parts,
    wider,
    with_ones,
)

from dlspec.ir.layer import ShapeProblem
from dlspec.layers import find
from dlspec.layers.embedding import Embedding

_anything = Case(any_shape())
_positive = Case(any_shape(), positive=True)
_recurrent = Case(any_shape(2, 2), {"layers": lambda random, inputs: random.choice([1, 2, 3])})
_groups = {"groups": divisor_of_channels}
_squares = (4, 8, 9, 16, 18)

CASES: dict[str, Case] = {
    "Dense": Case(any_shape()),
    "Conv": Case(
        image(1, 2, 2, 3),
        {**_groups, "filters": lambda random, inputs: random.choice([1, 2, 3, 4, 6, 12])},
    ),
    "DepthwiseConv": Case(image(1, 2, 2, 3)),
    "ConvTranspose": Case(
        image(1, 2, 2, 3),
        {**_groups, "filters": lambda random, inputs: random.choice([1, 2, 3, 4, 6, 12])},
    ),
    "Filter": Case(image(2), {"kernel": kernel_rows}),
    "MaxPool": Case(image(1, 2, 2, 3)),
    "AvgPool": Case(image(1, 2, 2, 3)),
    "GlobalAvgPool": Case(image(1, 2, 3)),
    "GlobalMaxPool": Case(image(1, 2, 3)),
    "AdaptiveAvgPool": Case(image(1, 2, 3)),
    "AdaptiveMaxPool": Case(image(1, 2, 3)),
    "BatchNorm": Case(image(0, 1, 2, 3)),
    "LayerNorm": Case(any_shape()),
    "GroupNorm": Case(image(0, 1, 2, 3), _groups),
    "InstanceNorm": Case(image(1, 2, 3)),
    "RMSNorm": Case(any_shape()),
    "LRN": Case(image(1, 2, 3), {"k": lambda random, inputs: random.choice([0.5, 2.0])}),
    "Upsample": Case(image(1, 2, 2, 3)),
    "PixelShuffle": Case(image(2, channels=_squares)),
    "ChannelShuffle": Case(image(1, 2, 3), _groups),
    "Pad": Case(image(1, 2, 3), {"amount": pad_amounts}),
    "CenterCrop": Case(image(1, 2, 3), {"size": crop_sizes}),
    **dict.fromkeys(
        (
            "Identity",
            "ReLU",
            "ReLU6",
            "LeakyReLU",
            "PReLU",
            "ELU",
            "SELU",
            "GELU",
            "SiLU",
            "Mish",
            "Sigmoid",
            "HardSigmoid",
            "HardSwish",
            "Tanh",
            "Softplus",
            "Softsign",
            "Step",
            "Sign",
        ),
        _anything,
    ),
    "Softmax": Case(any_shape(), {"axis": axis}),
    "LogSoftmax": Case(any_shape(), {"axis": axis}),
    "Flatten": Case(any_shape(), {"start": axis}),
    "Concat": Case(
        concatenable,
        {
            "axis": lambda random, inputs: random.choice(
                [0, 0, -inputs[0].rank, axis(random, inputs)]
            )
        },
    ),
    "Stack": Case(alike(1), {"axis": new_axis}),
    **dict.fromkeys(("Add", "Multiply", "Average", "Maximum", "Minimum"), Case(broadcast(1))),
    "Subtract": Case(broadcast(2, 2)),
    "Divide": Case(broadcast(2, 2), positive=True),
    **dict.fromkeys(("Scale", "Shift", "Abs", "Square", "Exp", "AtLeast", "AtMost"), _anything),
    **dict.fromkeys(("Power", "DivideInto", "Sqrt", "Log"), _positive),
    **dict.fromkeys(("Mean", "Sum", "Max", "Min"), Case(any_shape(), {"axis": axes})),
    "Split": Case(any_shape(), {"parts": parts, "axis": axis}),
    "Slice": Case(
        any_shape(),
        {
            "start": lambda random, inputs: random.randint(-2, 2),
            "stop": lambda random, inputs: random.choice([None, -1, 1, 2, 3, 4]),
            "axis": axis,
        },
    ),
    "Index": Case(any_shape(), {"index": index}),
    "MatMul": Case(matrices),
    "Dot": Case(dotted),
    "Reshape": Case(any_shape(), {"shape": new_shape}),
    "Permute": Case(any_shape(), {"order": order}),
    "Squeeze": Case(with_ones, {"axis": axis_of_one}),
    "Unsqueeze": Case(any_shape(), {"axis": new_axis}),
    "Expand": Case(with_ones, {"shape": wider}),
    **dict.fromkeys(("Dropout", "DropPath", "GaussianNoise", "StopGradient"), _anything),
    "SpatialDropout": Case(image(1, 2, 3)),
    "Embedding": Case(any_shape(dtype="int"), below=lambda layer: layer.vocab),
    "OneHot": Case(any_shape(dtype="int"), below=lambda layer: layer.classes),
    "PositionEmbedding": Case(
        any_shape(2, 2), {"length": lambda random, inputs: random.choice([6, 7, 9])}
    ),
    "Unembed": Case(
        any_shape(),
        {
            "embed": lambda random, inputs: Embedding(
                vocab=random.randint(1, 9), width=inputs[0].shape[-1]
            )
        },
    ),
    **dict.fromkeys(("RNN", "LSTM", "GRU"), _recurrent),
    "Attention": Case(looked_at, {"heads": divisor_of_features}),
}


def draws(kind: str, count: int, seed: str = "") -> list[Draw]:
    """`count` draws of a layer that it accepts, each field in turn away from its default.

    Raises AssertionError where it refuses more than nine draws of ten.
    """
    found: list[Draw] = []
    layer_type = find(kind)
    assert layer_type is not None
    for attempt in range(20 * count):
        random = Random(f"{kind} {seed} {attempt}")
        layer, inputs = draw_layer(layer_type, CASES[kind], random, forced=len(found))
        try:
            found.append(Draw(layer, inputs, layer.infer(inputs)))
        except ShapeProblem:
            continue
        if len(found) == count:
            return found
    raise AssertionError(f"{kind} accepts only {len(found)} of {20 * count} draws")
