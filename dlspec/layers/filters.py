"""Fixed filters of image processing, the same on every channel: edges, sharpening, blur."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

from dlspec.ir.arguments import Expected, Float
from dlspec.ir.fields import After, Field
from dlspec.ir.forms import Argument, Call, OnnxConstant, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.shapes import fixed, needs_float

FilterName: TypeAlias = Literal[
    "identity",
    "edge_diagonal",
    "edge_laplace4",
    "edge_laplace8",
    "sharpen",
    "box_blur",
    "gaussian_blur3",
    "gaussian_blur5",
    "unsharp5",
]
Matrix: TypeAlias = tuple[tuple[float, ...], ...]

_BLUR5 = tuple(tuple(a * b for b in (1, 4, 6, 4, 1)) for a in (1, 4, 6, 4, 1))
_UNSHARP5 = (*_BLUR5[:2], (6, 24, -476, 24, 6), *_BLUR5[3:])

KERNELS: dict[str, tuple[Matrix, int]] = {
    "identity": (((0, 0, 0), (0, 1, 0), (0, 0, 0)), 1),
    "edge_diagonal": (((1, 0, -1), (0, 0, 0), (-1, 0, 1)), 1),
    "edge_laplace4": (((0, 1, 0), (1, -4, 1), (0, 1, 0)), 1),
    "edge_laplace8": (((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)), 1),
    "sharpen": (((0, -1, 0), (-1, 5, -1), (0, -1, 0)), 1),
    "box_blur": (((1, 1, 1), (1, 1, 1), (1, 1, 1)), 9),
    "gaussian_blur3": (((1, 2, 1), (2, 4, 2), (1, 2, 1)), 16),
    "gaussian_blur5": (_BLUR5, 256),
    "unsharp5": (_UNSHARP5, -256),
}
"""The named kernels: a matrix and the number that it is divided by."""


def _rectangular(value: str | Matrix) -> str | Matrix:
    if not isinstance(value, str) and len({len(row) for row in value}) != 1:
        raise ValueError("rows of different lengths")
    return value


_Row: TypeAlias = Annotated[tuple[Float, ...], Field(min_length=1, max_length=64)]
Kernel: TypeAlias = Annotated[
    FilterName | Annotated[tuple[_Row, ...], Field(min_length=1, max_length=64)],
    After(_rectangular),
    Expected(
        "one of "
        + ", ".join(f"`{name}`" for name in get_args(FilterName))
        + ", or a list of rows of equal length, such as [[0, 1, 0], [1, -4, 1], [0, 1, 0]]"
    ),
]

_DEFINITION = '''class Filter(nn.Module):
    """One fixed kernel on every channel; the size of the image stays."""

    def __init__(
        self, kernel: tuple[tuple[float, ...], ...], divisor: float = 1
    ) -> None:
        super().__init__()
        weight = torch.tensor(kernel, dtype=torch.float32) / divisor
        self.register_buffer("kernel", weight[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        height, width = self.kernel.shape[2:]
        x = F.pad(x, ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2))
        return F.conv2d(x, self.kernel.expand(channels, -1, -1, -1), groups=channels)
'''


class Filter(Layer):
    """One fixed kernel that slides over every channel, with zeros around the image.

    Like `Conv` it does not mirror the kernel. Nothing is learned and nothing saved, and it
    counts no multiply-adds: those of `networks.md` are of learned layers.
    """

    kind = "Filter"
    summary = "A fixed kernel on every channel, by name or as a list of lists."
    example = "Filter(gaussian_blur3) -> Filter(edge_laplace8)"
    shape_rule = "the shape stays: the image is padded with zeros as by `same`"
    aliases = ("GaussianBlur", "FixedConv")
    ranks = (2,)

    kernel: Kernel = Field(description="a kernel's name, or its rows")

    def matrix(self) -> tuple[Matrix, int]:
        """The rows of the kernel and the number that they are divided by."""
        if isinstance(self.kernel, str):
            return KERNELS[self.kernel]
        return self.kernel, 1

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if x.rank != 3:
            raise ShapeProblem(
                "E0401",
                f"`Filter` works on [channels, height, width]; this is {x.shape_text()}",
                culprit=0,
            )
        fixed(self, x, 0)
        return (x,)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        rows, divisor = self.matrix()
        args: tuple[Argument, ...] = (rows,) if divisor == 1 else (rows, divisor)
        return TorchForm(Call("Filter", args), definitions=(_DEFINITION,))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        channels = fixed(self, inputs[0], 0)
        rows, divisor = self.matrix()
        height, width = len(rows), len(rows[0])
        values = tuple(value / divisor for row in rows for value in row)
        weight = OnnxConstant((channels, 1, height, width), values * channels)
        return OnnxForm(
            (
                OnnxNode(
                    "Conv",
                    ("x0", "c.kernel"),
                    ("y0",),
                    {
                        "kernel_shape": (height, width),
                        "group": channels,
                        "pads": ((height - 1) // 2, (width - 1) // 2, height // 2, width // 2),
                    },
                ),
            ),
            {"kernel": weight},
        )
