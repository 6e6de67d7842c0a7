"""Local response normalisation, which AlexNet and GoogLeNet used before BatchNorm."""

from __future__ import annotations

from dlspec.ir.arguments import NonNegativeFloat, PositiveFloat, PositiveInt
from dlspec.ir.forms import Argument, Call, OnnxForm, OnnxNode, TorchForm, Unsupported
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType
from dlspec.layers.batch import integers
from dlspec.layers.expressions import called
from dlspec.layers.windows import spatial

_TORCH_DEFAULTS = {"alpha": 1e-4, "beta": 0.75, "k": 1.0}


class LRN(Layer):
    """Division by (k + alpha * mean square of the neighbouring channels) ** beta.

    The mean is over `size` channels, absent ones counted as zeros, so alpha is in
    effect divided by the size, as in Caffe, PyTorch and ONNX.
    """

    kind = "LRN"
    summary = "Local response normalisation across channels (Krizhevsky et al. 2012)."
    example = "Conv(96, 11, stride=4) -> ReLU -> LRN(5) -> MaxPool(3, stride=2)"
    shape_rule = "the shape stays; axis 0 holds the channels"
    aliases = ("LocalResponseNorm", "LocalResponseNormalization", "CrossMapLRN")

    size: PositiveInt = Field(5, description="neighbouring channels that count")
    alpha: PositiveFloat = Field(1e-4, description="factor of the mean square")
    beta: PositiveFloat = Field(0.75, description="exponent")
    k: NonNegativeFloat = Field(1.0, description="added to the scaled mean square")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        spatial(self, inputs[0])
        return inputs

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        kwargs: dict[str, Argument] = {
            name: getattr(self, name)
            for name, default in _TORCH_DEFAULTS.items()
            if getattr(self, name) != default
        }
        # PyTorch views two of three spatial axes as one, which a permuted tensor does not allow.
        source = "{0}.contiguous()" if inputs[0].rank == 4 else "{0}"
        return TorchForm(
            Call("nn.LocalResponseNorm", (self.size,), kwargs),
            f"{{m}}({source})",
            called("F.local_response_norm", source, repr(self.size), **kwargs),
        )

    def onnx(
        self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]
    ) -> OnnxForm | Unsupported:
        if self.size % 2 == 0:
            return Unsupported(
                f"its size {self.size} is even, and ONNX Runtime takes as many "
                "channels before as behind"
            )
        attributes: dict[str, int | float] = {
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "bias": self.k,
        }
        if inputs[0].rank == 3:
            return OnnxForm((OnnxNode("LRN", ("x0",), ("y0",), attributes),))
        # ONNX Runtime takes images alone: other spatial axes become one and come back.
        return OnnxForm(
            (
                OnnxNode("Shape", ("x0",), ("t.shape",)),
                OnnxNode("Reshape", ("x0", "c.image"), ("t.image",)),
                OnnxNode("LRN", ("t.image",), ("t.normal",), attributes),
                OnnxNode("Reshape", ("t.normal", "t.shape")),
            ),
            {"image": integers(0, 0, -1, 1)},
        )
