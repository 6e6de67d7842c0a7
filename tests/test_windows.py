"""Windows that slide: sizes, refusals and paddings, with PyTorch and ONNX Runtime as oracles.

Small cases are tried exhaustively, since it is the odd rows and the last windows that go wrong.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from layer_evaluators import BATCH, OPSET, build_module, run_torch
from onnx import TensorProto, helper, numpy_helper

from dlspec.ir.forms import OnnxForm, TorchForm
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType, tensor
from dlspec.layers import find


def layer(kind: str, **arguments: object) -> Layer:
    found = find(kind)
    assert found is not None
    return found(**arguments)


def length_of(made: Layer, size: int) -> int | None:
    """The length that a layer makes of one, None where it refuses."""
    try:
        (y,) = made.infer((tensor(1, size),))
    except ShapeProblem:
        return None
    result = y.shape[1]
    assert isinstance(result, int)
    return result


def torch_length(function: object, *args: object, **kwargs: object) -> int | None:
    """The same for a function of PyTorch; None too where a window sees padding alone."""
    assert callable(function)
    try:
        result = function(*args, **kwargs)
    except RuntimeError:
        return None
    assert isinstance(result, torch.Tensor)
    return None if result.isinf().any() else int(result.shape[-1])


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool"])
def test_pooling_has_pytorchs_sizes_and_refusals(kind: str, ceil: bool) -> None:
    function = {"MaxPool": F.max_pool1d, "AvgPool": F.avg_pool1d}[kind]
    for size, window, stride, padding in product(range(1, 10), range(1, 5), range(1, 6), range(3)):
        mine = layer(kind, size=window, stride=stride, padding=padding, ceil=ceil)
        theirs = torch_length(
            function, torch.zeros(1, 1, size), window, stride, padding, ceil_mode=ceil
        )
        assert length_of(mine, size) == theirs, (size, mine)


def test_dilated_max_pooling_has_pytorchs_sizes_and_refusals() -> None:
    for size, window, stride, padding, dilation, ceil in product(
        range(1, 9), range(1, 4), range(1, 4), range(3), (1, 2, 3, 6), (False, True)
    ):
        mine = layer(
            "MaxPool", size=window, stride=stride, padding=padding, dilation=dilation, ceil=ceil
        )
        theirs = torch_length(
            F.max_pool1d, torch.zeros(1, 1, size), window, stride, padding, dilation, ceil
        )
        assert length_of(mine, size) == theirs, (size, mine)


def test_convolution_has_pytorchs_sizes_and_refusals() -> None:
    for size, kernel, stride, padding, dilation in product(
        range(1, 8), range(1, 5), range(1, 4), range(3), range(1, 4)
    ):
        mine = layer(
            "Conv", filters=1, kernel=kernel, stride=stride, padding=padding, dilation=dilation
        )
        theirs = torch_length(
            F.conv1d,
            torch.zeros(1, 1, size),
            torch.zeros(1, 1, kernel),
            None,
            stride,
            padding,
            dilation,
        )
        assert length_of(mine, size) == theirs, (size, mine)


def test_transposed_convolution_has_pytorchs_sizes_and_refusals() -> None:
    for size, kernel, stride, padding, more, dilation in product(
        range(1, 5), range(1, 5), range(1, 4), range(4), range(3), range(1, 3)
    ):
        mine = layer(
            "ConvTranspose",
            filters=1,
            kernel=kernel,
            stride=stride,
            padding=padding,
            output_padding=more,
            dilation=dilation,
        )
        theirs = torch_length(
            F.conv_transpose1d,
            torch.zeros(1, 1, size),
            torch.zeros(1, 1, kernel),
            None,
            stride,
            padding,
            more,
            1,
            dilation,
        )
        assert length_of(mine, size) == theirs, (size, mine)


@pytest.mark.parametrize("mode", ["reflect", "circular", "replicate", "zeros"])
@pytest.mark.parametrize("kind", ["Conv", "Pad"])
def test_padding_modes_have_pytorchs_refusals(kind: str, mode: str) -> None:
    name = "constant" if mode == "zeros" else mode
    for size, padding in product(range(1, 5), range(6)):
        mine = (
            layer("Conv", filters=1, kernel=1, padding=padding, padding_mode=mode)
            if kind == "Conv"
            else layer("Pad", amount=padding, mode=mode)
        )
        theirs = torch_length(F.pad, torch.zeros(1, 1, size), (padding, padding), mode=name)
        assert length_of(mine, size) == theirs, (size, mine)


def same_by_runtime(
    op: str, x: np.ndarray, weight: np.ndarray | None, **attributes: object
) -> np.ndarray:
    """What ONNX Runtime's own `auto_pad=SAME_UPPER` gives."""
    import onnxruntime

    names = ["x"] if weight is None else ["x", "w"]
    node = helper.make_node(op, names, ["y"], auto_pad="SAME_UPPER", **attributes)
    graph = helper.make_graph(
        [node],
        "same",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [] if weight is None else [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"x": x})[0])


@pytest.mark.parametrize(
    ("kind", "kernel", "stride", "dilation"),
    [
        *(
            (kind, kernel, stride, 1)
            for kind in ("Conv", "ConvTranspose", "MaxPool", "AvgPool")
            for kernel in (2, 3, 4, 5)
            for stride in (1, 2, 3)
            if kernel >= stride
        ),
        *((kind, *rest) for kind in ("Conv", "ConvTranspose") for rest in ((3, 1, 2), (2, 2, 3))),
    ],
)
def test_same_padding_is_that_of_onnx(kind: str, kernel: int, stride: int, dilation: int) -> None:
    generator = torch.Generator().manual_seed(kernel * 100 + stride)
    for height, width in ((8, 8), (7, 10), (5, 9)):
        x = torch.randn(BATCH, 2, height, width, generator=generator)
        arguments = {"stride": stride, "padding": "same"}
        reach = dilation * (kernel - 1) + 1
        attributes = {"kernel_shape": (reach, reach), "strides": (stride, stride)}
        weight = None
        if kind in ("Conv", "ConvTranspose"):
            arguments |= {"filters": 3, "kernel": kernel, "dilation": dilation, "bias": False}
            shape = (3, 2, kernel, kernel) if kind == "Conv" else (2, 3, kernel, kernel)
            weight = torch.randn(shape, generator=generator)
        else:
            arguments["size"] = kernel
        made = layer(kind, **arguments)
        result = through_torch(made, x, weight)
        op = {"AvgPool": "AveragePool"}.get(kind, kind)
        taps = None if weight is None else spread(weight, dilation).numpy()
        expected = same_by_runtime(op, x.numpy(), taps, **attributes)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-5)


def spread(weight: torch.Tensor, dilation: int) -> torch.Tensor:
    """A kernel with zeros between its taps, which says dilation without saying it."""
    size = dilation * (weight.shape[-1] - 1) + 1
    wide = torch.zeros(*weight.shape[:2], size, size)
    wide[:, :, ::dilation, ::dilation] = weight
    return wide


def test_same_with_a_window_smaller_than_its_stride_takes_every_nth_cell() -> None:
    x = torch.randn(1, 1, 8, 7)
    for kind in ("MaxPool", "AvgPool"):
        result = through_torch(layer(kind, size=1, stride=3, padding="same"), x)
        assert torch.equal(result, x[:, :, ::3, ::3])


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_same_transposed_is_the_gradient_of_same(kernel: int, stride: int, dilation: int) -> None:
    arguments = {
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "padding": "same",
        "bias": False,
    }
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(1, 1, kernel, generator=generator)
    y = torch.randn(1, 1, 5, generator=generator)
    made = layer("ConvTranspose", filters=1, **arguments)
    x = torch.zeros(1, 1, 5 * stride, requires_grad=True)
    wide = torch.zeros(1, 1, dilation * (kernel - 1) + 1)
    wide[:, :, ::dilation] = weight
    total = max(wide.shape[-1] - stride, 0)
    padded = F.pad(x, (total // 2, total - total // 2))
    F.conv1d(padded, wide, stride=stride).backward(y)
    torch.testing.assert_close(through_torch(made, y, weight), x.grad)


def through_torch(made: Layer, x: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """A layer's values in PyTorch, with a weight of ours."""
    inputs = (tensor(*x.shape[1:]),)
    form = made.torch(inputs, made.infer(inputs))
    assert isinstance(form, TorchForm)
    module = build_module(form)
    if weight is not None:
        assert module is not None
        module.load_state_dict({"weight": weight}, strict=True)
    return run_torch(form, module, [x])[0]


def test_same_with_stride_two_pads_an_even_input_at_the_end_alone() -> None:
    made = layer("Conv", filters=1, kernel=3, stride=2, padding="same", bias=False)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    ones = torch.ones(1, 1, 3, 3)
    result = through_torch(made, x, ones)
    # 0+1+2 + 4+5+6 + 8+9+10, then the last column and row with a border of zeros behind them.
    assert result.flatten().tolist() == [45.0, 39.0, 66.0, 50.0]
    assert not torch.equal(result, F.conv2d(x, ones, stride=2, padding=1))


@pytest.mark.parametrize(
    ("arguments", "corner"),
    [
        ({"padding": 1}, 4 / 9),
        ({"padding": 1, "count_include_pad": False}, 1.0),
        ({"padding": "same"}, 1.0),
    ],
)
def test_cells_that_average_pooling_counts(arguments: dict[str, object], corner: float) -> None:
    made = layer("AvgPool", size=3, stride=1, **arguments)
    result = through_torch(made, torch.ones(1, 1, 5, 5))
    assert result[0, 0, 0, 0].item() == pytest.approx(corner)
    assert result[0, 0, 2, 2].item() == pytest.approx(1.0)


def test_max_pooling_never_takes_padding() -> None:
    for arguments in ({"padding": 1}, {"padding": "same"}, {"padding": "same", "dilation": 2}):
        made = layer("MaxPool", size=3, stride=2, **arguments)
        assert through_torch(made, torch.full((1, 1, 8, 8), -5.0)).eq(-5.0).all()


def test_a_window_that_would_begin_in_the_padding_is_dropped() -> None:
    # GoogLeNet's 3×3 pooling with stride 2 rounds 112 up to 56; a window at 5 of 4 + 1 is none.
    assert length_of(layer("MaxPool", size=3, stride=2, ceil=True), 112) == 56
    assert length_of(layer("MaxPool", size=3, stride=2), 112) == 55
    assert length_of(layer("MaxPool", size=2, stride=3, padding=1, ceil=True), 4) == 2


def test_pads_are_explicit_and_counting_is_said_in_onnx() -> None:
    image: tuple[TensorType, ...] = (tensor(4, 9, 8),)
    for made in (
        layer("Conv", filters=2, kernel=3, stride=2, padding="same"),
        layer("ConvTranspose", filters=2, kernel=3, stride=2, padding="same"),
        layer("MaxPool", size=3, stride=2, padding="same"),
        layer("AvgPool", size=3, stride=2, padding="same"),
        layer("AvgPool", size=3, stride=2, padding=1),
    ):
        form = made.onnx(image, made.infer(image))
        assert isinstance(form, OnnxForm)
        (node,) = form.nodes
        assert "auto_pad" not in node.attributes and "pads" in node.attributes
        assert node.op != "AveragePool" or "count_include_pad" in node.attributes


def test_multiply_adds_are_those_of_the_papers() -> None:
    assert (
        multiply_adds(("Conv", {"filters": 20, "kernel": 5, "padding": "same"}), (1, 28, 28))
        == 392_000
    )
    assert (
        multiply_adds(("Conv", {"filters": 50, "kernel": 5, "padding": "same"}), (20, 14, 14))
        == 4_900_000
    )
    # AlexNet's second convolution in two groups; MobileNet's first depthwise one.
    assert (
        multiply_adds(
            ("Conv", {"filters": 256, "kernel": 5, "padding": 2, "groups": 2}), (96, 27, 27)
        )
        == 223_948_800
    )
    assert (
        multiply_adds(("DepthwiseConv", {"kernel": 3, "padding": 1}), (32, 112, 112)) == 3_612_672
    )


def test_dcgans_generator_has_its_multiply_adds() -> None:
    total, shape = 0, (100, 1, 1)
    for filters, stride, padding in ((512, 1, 0), (256, 2, 1), (128, 2, 1), (64, 2, 1), (3, 2, 1)):
        stage = (
            "ConvTranspose",
            {"filters": filters, "kernel": 4, "stride": stride, "padding": padding, "bias": False},
        )
        total += multiply_adds(stage, shape)
        shape = (filters, *(4 if stride == 1 else 2 * n for n in shape[1:]))
    assert total == 104_628_224


def multiply_adds(stage: tuple[str, dict[str, object]], shape: tuple[int, ...]) -> int:
    made = layer(stage[0], **stage[1])
    inputs = (tensor(*shape),)
    cost = made.cost(inputs, made.infer(inputs))
    assert isinstance(cost, int)
    return cost
