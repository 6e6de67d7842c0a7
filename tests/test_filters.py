"""The nine named filters: their matrices as the language has them, and SciPy on a real image."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import torch
from layer_evaluators import build_module, onnx_model, run_onnx, run_torch

from dlspec.ir.forms import OnnxForm, TorchForm
from dlspec.ir.layer import Layer
from dlspec.ir.types import tensor
from dlspec.layers import find

ROW5 = np.array([1, 4, 6, 4, 1])
UNSHARP = np.outer(ROW5, ROW5)
UNSHARP[2, 2] = -476

MATRICES = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "edge_diagonal": [[1, 0, -1], [0, 0, 0], [-1, 0, 1]],
    "edge_laplace4": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "edge_laplace8": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "box_blur": np.ones((3, 3)) / 9,
    "gaussian_blur3": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,
    "gaussian_blur5": np.outer(ROW5, ROW5) / 256,
    "unsharp5": UNSHARP * (-1 / 256),
}


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A real image of three channels, [1, 3, height, width] in 0…1: digits that people wrote."""
    mnist = Path(__file__).parents[2] / "shared/data/mnist/t10k-images-idx3-ubyte.gz"
    if mnist.is_file():
        with gzip.open(mnist) as file:
            digits = np.frombuffer(file.read(16 + 3 * 784)[16:], np.uint8).reshape(1, 3, 28, 28)
        return digits.astype(np.float32) / 255
    bundled = next((Path(__file__).parents[1] / "dlspec/data").rglob("digits*.npz"))
    with np.load(bundled) as arrays:
        digits = arrays["image"]
    digits = digits[None, :3, 0].astype(np.float32) / digits.max()
    return np.kron(digits, np.ones((1, 1, 4, 4), np.float32))


def filtered(kernel: object, x: np.ndarray) -> list[np.ndarray]:
    """The image through the filter in PyTorch and in ONNX Runtime."""
    layer_type = find("Filter")
    assert layer_type is not None
    layer: Layer = layer_type(kernel=kernel)
    inputs = (tensor(*x.shape[1:]),)
    outputs = layer.infer(inputs)
    assert outputs == inputs and layer.weights(inputs) == {} and layer.cost(inputs, outputs) == 0
    forms = layer.torch(inputs, outputs), layer.onnx(inputs, outputs)
    assert isinstance(forms[0], TorchForm) and isinstance(forms[1], OnnxForm)
    module = build_module(forms[0])
    assert module is not None and not module.state_dict()
    (in_torch,) = run_torch(forms[0], module, [torch.tensor(x)])
    (in_onnx,) = run_onnx(onnx_model(layer, forms[1], inputs, outputs, {}), [x])
    return [in_torch.numpy(), in_onnx]


@pytest.mark.parametrize("name", sorted(MATRICES))
def test_a_named_filter_is_its_matrix(name: str) -> None:
    """The answer to a single 1 is the kernel itself, upside down and left to right."""
    matrix = np.array(MATRICES[name], dtype=np.float64)
    point = np.zeros((1, 1, 7, 7), np.float32)
    point[0, 0, 3, 3] = 1
    reach = len(matrix) // 2
    near = slice(3 - reach, 4 + reach)
    for result in filtered(name, point):
        np.testing.assert_allclose(result[0, 0, near, near], matrix[::-1, ::-1], rtol=1e-6)
        assert np.count_nonzero(result) == np.count_nonzero(matrix)


@pytest.mark.parametrize("name", sorted(MATRICES))
def test_a_named_filter_does_what_scipy_does(name: str, picture: np.ndarray) -> None:
    matrix = np.array(MATRICES[name], dtype=np.float64)
    assert picture.std() > 0.1, "a picture with something in it"
    for result in filtered(name, picture):
        assert result.shape == picture.shape
        for channel, image in zip(result[0], picture[0].astype(np.float64), strict=True):
            by_ndimage = scipy.ndimage.correlate(image, matrix, mode="constant")
            by_signal = scipy.signal.correlate2d(image, matrix, mode="same")
            np.testing.assert_allclose(channel, by_ndimage, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(channel, by_signal, rtol=1e-5, atol=1e-5)


def test_a_kernel_of_its_own_is_not_mirrored(picture: np.ndarray) -> None:
    kernel = ((1.0, 2.0, 0.5), (0.0, -1.0, 0.25))
    padded = np.pad(picture[0, 0].astype(np.float64), ((0, 1), (1, 1)))
    expected = scipy.signal.correlate2d(padded, np.array(kernel), mode="valid")
    for result in filtered(kernel, picture):
        np.testing.assert_allclose(result[0, 0], expected, rtol=1e-5, atol=1e-5)


def test_there_are_nine_names() -> None:
    layer_type = find("Filter")
    assert layer_type is not None
    for kernel in ("emboss", ((1.0, 2.0), (3.0,)), (), 3):
        with pytest.raises(ValueError):
            layer_type(kernel=kernel)
    assert {name for name in MATRICES if layer_type(kernel=name)} == set(MATRICES)
    assert len(MATRICES) == 9
