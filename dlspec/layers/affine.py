"""The learned scale and shift behind a normalisation, which four kinds of it share.

PyTorch's modules learn a scale and a shift together or neither. Where a spec wants
one of the two, a subclass a few lines long drops the other.
"""

from __future__ import annotations

from dlspec.ir.forms import Argument, Call, OnnxConstant, TorchForm
from dlspec.ir.layer import Initial, Layer
from dlspec.ir.types import TensorType

SCALE = "whether a learned factor is multiplied in"
SHIFT = "whether a learned term is added"
EPS = "added to the variance, so that it is never 0"


def affine(size: int, scale: bool, shift: bool) -> dict[str, tuple[int, ...]]:
    """The learned tensors, by PyTorch's names."""
    wanted = {"weight": scale, "bias": shift}
    return {name: (size,) for name, used in wanted.items() if used}


def ones_and_zeros(layer: Layer, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
    """How they start: a scale of 1 and a shift of 0."""
    return {name: ("constant", 1.0 if name == "weight" else 0.0) for name in layer.weights(inputs)}


def torch_norm(
    name: str, args: tuple[Argument, ...], kwargs: dict[str, Argument], scale: bool, shift: bool
) -> TorchForm:
    """The module `nn.NAME`, or a subclass of it that lacks the scale or the shift."""
    if scale and shift:
        return TorchForm(Call(f"nn.{name}", args, kwargs))
    if not scale and not shift:
        return TorchForm(Call(f"nn.{name}", args, kwargs | {"affine": False}))
    new, dropped, kept = (
        (f"Shifted{name}", "weight", "shift") if shift else (f"Scaled{name}", "bias", "scale")
    )
    definition = f'''class {new}(nn.{name}):
    """`nn.{name}` with a learned {kept} alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_parameter("{dropped}", None)
'''
    return TorchForm(Call(new, args, kwargs), definitions=(definition,))


def onnx_affine(
    size: int, scale: bool, shift: bool
) -> tuple[tuple[str, ...], dict[str, OnnxConstant]]:
    """The scale and the shift that ONNX's operators always take: learned, or ones and zeros."""
    constants: dict[str, OnnxConstant] = {}
    if not scale:
        constants["ones"] = OnnxConstant((size,), (1.0,))
    if not shift:
        constants["zeros"] = OnnxConstant((size,), (0.0,))
    return ("w.weight" if scale else "c.ones", "w.bias" if shift else "c.zeros"), constants
