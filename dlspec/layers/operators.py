"""What expressions on tensors make: `a - b`, `x * 2`, `sqrt(x)`. None has a name in a spec."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.arguments import Float
from dlspec.ir.forms import OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType
from dlspec.layers.batch import expression, scalar
from dlspec.layers.merging import Elementwise, Maximum
from dlspec.layers.shapes import needs_float


class Subtract(Elementwise):
    """`a - b`."""

    kind = "Subtract"
    linear = True
    summary = "The elementwise difference, `a - b`."
    example = "skip - it"
    inputs: ClassVar[tuple[int, int | None]] = (2, 2)
    operator = True
    verb = "subtracted"
    symbol = "-"
    onnx_op = "Sub"


class Divide(Elementwise):
    """`a / b`."""

    kind = "Divide"
    summary = "The elementwise quotient, `a / b`."
    example = "it / norm"
    inputs: ClassVar[tuple[int, int | None]] = (2, 2)
    operator = True
    verb = "divided"
    symbol = "/"
    onnx_op = "Div"

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, *inputs)
        return super().infer(inputs)


class Minimum(Maximum):
    """`min(a, b)`."""

    kind = "Minimum"
    summary = "The elementwise minimum of tensors, `min(a, b)`."
    example = "min(left, right)"
    aliases = ()
    operator = True
    onnx_op = "Min"
    function = "torch.minimum"


class Pointwise(Layer):
    """A function of every element on its own."""

    shape_rule: ClassVar[str] = "the shape stays"
    operator: ClassVar[bool] = True

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, *inputs)
        return inputs

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(self.written())

    def written(self) -> str:
        """The expression in PyTorch over `{0}`."""
        raise NotImplementedError(self.kind)


def _with_number(op: str, number: float) -> OnnxForm:
    return OnnxForm((OnnxNode(op, ("x0", "c.number")),), {"number": scalar(number)})


class Scale(Pointwise):
    """`x * factor`."""

    kind = "Scale"
    linear = True
    summary = "A tensor times a number, `x * 0.5`."
    example = "it * 0.17"

    factor: Float = Field(description="what every element is multiplied by")

    def written(self) -> str:
        return "-{0}" if self.factor == -1 else f"{{0}} * {self.factor!r}"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return _with_number("Mul", self.factor)


class Shift(Pointwise):
    """`x + offset`."""

    kind = "Shift"
    linear = True
    summary = "A tensor plus a number, `x + 1`."
    example = "it + 1"

    offset: Float = Field(description="what is added to every element")

    def written(self) -> str:
        sign = "-" if self.offset < 0 else "+"
        return f"{{0}} {sign} {abs(self.offset)!r}"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return _with_number("Add", self.offset)


class Power(Pointwise):
    """`x ** exponent`."""

    kind = "Power"
    summary = "A tensor to the power of a number, `x ** 2`."
    example = "it ** 2"

    exponent: Float = Field(description="the power every element is raised to")

    def written(self) -> str:
        return f"{{0}} ** {self.exponent!r}"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return _with_number("Pow", self.exponent)


class DivideInto(Pointwise):
    """`numerator / x`."""

    kind = "DivideInto"
    summary = "A number divided by a tensor, `1 / x`."
    example = "1 / it"

    numerator: Float = Field(description="what is divided by every element")

    def written(self) -> str:
        return f"{self.numerator!r} / {{0}}"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm((OnnxNode("Div", ("c.number", "x0")),), {"number": scalar(self.numerator)})


class AtLeast(Pointwise):
    """`max(x, bound)`."""

    kind = "AtLeast"
    summary = "A tensor, but nowhere below a number, `max(x, 0)`."
    example = "max(1 - it, 0)"

    bound: Float = Field(description="the least that an element becomes")

    def written(self) -> str:
        return f"{{0}}.clamp(min={self.bound!r})"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return _with_number("Max", self.bound)


class AtMost(Pointwise):
    """`min(x, bound)`."""

    kind = "AtMost"
    summary = "A tensor, but nowhere above a number, `min(x, 6)`."
    example = "min(it, 6)"

    bound: Float = Field(description="the most that an element becomes")

    def written(self) -> str:
        return f"{{0}}.clamp(max={self.bound!r})"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return _with_number("Min", self.bound)


class Function(Pointwise):
    """A named function, one call in PyTorch and one node in ONNX."""

    function: ClassVar[str]
    """`torch.abs`."""
    onnx_op: ClassVar[str]
    """`Abs`."""

    def written(self) -> str:
        return f"{self.function}({{0}})"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm((OnnxNode(self.onnx_op, ("x0",)),))


class Abs(Function):
    """`abs(x)`."""

    kind = "Abs"
    summary = "The absolute value of every element, `abs(x)`."
    example = "abs(it)"
    function = "torch.abs"
    onnx_op = "Abs"


class Square(Function):
    """`square(x)`."""

    kind = "Square"
    summary = "The square of every element, `square(x)`."
    example = "square(it)"
    function = "torch.square"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm((OnnxNode("Mul", ("x0", "x0")),))


class Sqrt(Function):
    """`sqrt(x)`."""

    kind = "Sqrt"
    summary = "The square root of every element, `sqrt(x)`."
    example = "sqrt(it)"
    function = "torch.sqrt"
    onnx_op = "Sqrt"


class Exp(Function):
    """`exp(x)`."""

    kind = "Exp"
    summary = "The exponential of every element, `exp(x)`."
    example = "exp(it)"
    function = "torch.exp"
    onnx_op = "Exp"


class Log(Function):
    """`log(x)`, the natural logarithm."""

    kind = "Log"
    summary = "The natural logarithm of every element, `log(x)`."
    example = "log(it)"
    function = "torch.log"
    onnx_op = "Log"
