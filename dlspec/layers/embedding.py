"""Layers that turn whole numbers into vectors, and positions."""

from __future__ import annotations

from typing import Annotated

from dlspec.ir.arguments import Expected, PositiveInt
from dlspec.ir.dims import Dim, product
from dlspec.ir.forms import Call, OnnxConstant, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Initial, Layer, ShapeProblem
from dlspec.ir.types import TensorType, tensor
from dlspec.layers.batch import expression, integers
from dlspec.layers.shapes import fixed, needs_float

_POSITION_EMBEDDING = '''class PositionEmbedding(nn.Module):
    """Adds a learned vector for each position."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(length, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: x.shape[1]]
'''


def _needs_int(layer: Layer, x: TensorType) -> None:
    if x.dtype != "int":
        raise ShapeProblem(
            "E0406",
            f"`{layer.kind}` works on whole numbers; this is {x}",
            culprit=0,
            help="declare the input as `int[…]`",
        )


class Embedding(Layer):
    """A learned vector for each of `vocab` numbers."""

    kind = "Embedding"
    summary = "A learned vector for each number from 0 to below `vocab`."
    example = "Embedding(65, 384) -> LSTM(512)"
    example_input = "int[50]"
    shape_rule = "a last axis of `width` is added"
    counts = "vocab"

    vocab: PositiveInt = Field(description="how many different numbers there are")
    width: PositiveInt = Field(description="size of the vectors")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        _needs_int(self, x)
        return (tensor(*x.shape, self.width),)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.vocab, self.width)}

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return {"weight": ("normal", 1.0)}

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(Call("nn.Embedding", (self.vocab, self.width)))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm((OnnxNode("Gather", ("w.weight", "x0")),))


class Unembed(Layer):
    """A score for each of an embedding's numbers: a `Dense` without bias with its weights."""

    kind = "Unembed"
    summary = "A Dense without bias that shares the weights of an Embedding (Press, Wolf 2017)."
    example = "layer embed = Embedding(65, 384)\n  embed -> Unembed(embed)"
    example_input = "int[50]"
    shape_rule = "the last axis, as wide as the embedding, becomes its `vocab`"
    on_last_axis = True
    tied = "embed"

    embed: Annotated[Embedding, Expected("a `layer` that is an `Embedding`")] = Field(
        description="the name of the `layer` whose weights it takes"
    )

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if x.rank == 0 or x.shape[-1] != self.embed.width:
            raise ShapeProblem(
                "E0402",
                f"`Unembed` needs {self.embed.width} features, the width of its embedding; "
                f"this is {x.shape_text()}",
                culprit=0,
            )
        return (x.with_shape((*x.shape[:-1], self.embed.vocab)),)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return self.embed.weights(inputs)

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return self.embed.initial(inputs)

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product(outputs[0].shape) * self.embed.width

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(
            Call("nn.Embedding", (self.embed.vocab, self.embed.width)),
            "F.linear({0}, {m}.weight)",
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        nodes = (
            OnnxNode("Transpose", ("w.weight",), ("t.turned",), {"perm": (1, 0)}),
            OnnxNode("MatMul", ("x0", "t.turned")),
        )
        return OnnxForm(nodes)


class OneHot(Layer):
    """A vector with a 1 at the place of the number and 0 elsewhere."""

    kind = "OneHot"
    summary = "A vector with a 1 at the place of the number, and 0 elsewhere."
    example = "OneHot(65) -> LSTM(512)"
    example_input = "int[50]"
    shape_rule = "a last axis of `classes` is added"
    counts = "classes"
    aliases = ("CategoryEncoding",)

    classes: PositiveInt = Field(description="how many different numbers there are")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        _needs_int(self, x)
        return (tensor(*x.shape, self.classes),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(f"F.one_hot({{0}}, {self.classes}).float()")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        node = OnnxNode("OneHot", ("x0", "c.classes", "c.values"))
        return OnnxForm(
            (node,), {"classes": integers(self.classes), "values": OnnxConstant((2,), (0.0, 1.0))}
        )


class PositionEmbedding(Layer):
    """Adds a learned vector for each position of a sequence."""

    kind = "PositionEmbedding"
    summary = "Adds a learned vector for each position of a sequence (Gehring 2017)."
    example = "Embedding(65, 384) -> PositionEmbedding(256)"
    example_input = "int[50]"
    shape_rule = "the shape stays; [length, features] with at most `length` positions"

    length: PositiveInt = Field(description="the greatest length of a sequence")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if x.rank != 2:
            raise ShapeProblem(
                "E0401",
                f"`PositionEmbedding` needs [length, features]; this is {x.shape_text()}",
                culprit=0,
            )
        fixed(self, x, -1)
        length = x.shape[0]
        if isinstance(length, int) and length > self.length:
            raise ShapeProblem(
                "E0402",
                f"`PositionEmbedding` has {self.length} positions; the sequence has {length}",
                culprit=0,
                help=f"give it {length} positions",
            )
        return inputs

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.length, fixed(self, inputs[0], -1))}

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return {"weight": ("normal", 0.02)}

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        width = fixed(self, inputs[0], -1)
        return TorchForm(
            Call("PositionEmbedding", (self.length, width)), definitions=(_POSITION_EMBEDDING,)
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        if inputs[0].shape[0] == self.length:
            return OnnxForm((OnnxNode("Add", ("x0", "w.weight")),))
        return OnnxForm(
            (
                OnnxNode("Shape", ("x0",), ("t.length",), {"start": 1, "end": 2}),
                OnnxNode("Slice", ("w.weight", "c.zero", "t.length", "c.zero"), ("t.positions",)),
                OnnxNode("Add", ("x0", "t.positions")),
            ),
            {"zero": integers(0)},
        )
