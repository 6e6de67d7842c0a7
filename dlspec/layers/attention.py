"""Multi-head attention (Vaswani 2017), with the weights of PyTorch's module."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

from dlspec.ir.arguments import Fraction, PositiveInt
from dlspec.ir.dims import Dim
from dlspec.ir.forms import Argument, Call, OnnxConstant, OnnxDerived, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Initial, Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import integers, scalar
from dlspec.layers.shapes import fixed, needs_float

_SELF_ATTENTION = '''class SelfAttention(nn.MultiheadAttention):
    """Every position of a sequence looks at every other."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x, x, x, need_weights=False)[0]
'''

_CAUSAL_SELF_ATTENTION = '''class CausalSelfAttention(nn.MultiheadAttention):
    """Every position of a sequence looks at itself and the earlier ones."""

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        return super().forward(
            x, x, x, attn_mask=later, is_causal=True, need_weights=False
        )[0]
'''

_CAUSAL_ATTENTION = '''class CausalAttention(nn.MultiheadAttention):
    """Every query looks at the keys up to its own position."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        length = query.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=query.device)
        mask = {"attn_mask": later.triu(1), "is_causal": True}
        return super().forward(query, key, value, need_weights=False, **mask)[0]
'''


class Attention(Layer):
    """Every position looks at every other, in several heads."""

    kind = "Attention"
    summary = "Multi-head attention of a sequence, or of (query, key, value) (Vaswani 2017)."
    example = "it + (LayerNorm -> Attention(8, causal=true))"
    example_input = "float[50, 64]"
    shape_rule = "the shape of the query stays, [length, features]; `heads` divides the features"
    inputs: ClassVar[tuple[int, int | None]] = (1, 3)
    aliases = ("MultiheadAttention", "MultiHeadAttention", "SelfAttention")

    heads: PositiveInt = Field(description="how many heads share the features")
    causal: bool = Field(False, description="whether a position sees itself and earlier ones alone")
    dropout: Fraction = Field(0.0, description="share of the looks dropped in training")
    bias: bool = Field(True, description="whether learned biases are added")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        if len(inputs) == 2:
            raise ShapeProblem(
                "E0407",
                "`Attention` is fed one tensor, or three: (query, key, value); these are 2",
                culprit=1,
            )
        needs_float(self, *inputs)
        for number, x in enumerate(inputs):
            if x.rank != 2:
                raise ShapeProblem(
                    "E0401",
                    f"`Attention` needs [length, features]; this is {x.shape_text()}",
                    culprit=number,
                )
            fixed(self, x, -1, number)
        query, key, value = _three(inputs)
        features = fixed(self, query, -1)
        if features % self.heads:
            raise ShapeProblem(
                "E0404",
                f"`Attention` cannot share {features} features among {self.heads} heads",
                culprit=0,
                label=f"{self.heads} does not divide {features}",
            )
        if key.shape[0] != value.shape[0]:
            raise ShapeProblem(
                "E0402",
                "keys and values of `Attention` come in pairs: "
                f"{key.shape_text()} and {value.shape_text()}",
                culprit=2,
                label=f"axis 0 differs: {key.shape[0]} and {value.shape[0]}",
            )
        if self.causal and query.shape[0] != key.shape[0]:
            raise ShapeProblem(
                "E0402",
                "causal `Attention` needs as many keys as queries: "
                f"{query.shape_text()} and {key.shape_text()}",
                culprit=1,
                label=f"axis 0 differs: {query.shape[0]} and {key.shape[0]}",
            )
        return (query,)

    def _widths(self, inputs: tuple[TensorType, ...]) -> tuple[int, int, int]:
        """The features of query, key and value."""
        query, key, value = _three(inputs)
        return fixed(self, query, -1), fixed(self, key, -1), fixed(self, value, -1)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        width, key, value = self._widths(inputs)
        if width == key == value:
            shapes: dict[str, tuple[int, ...]] = {"in_proj_weight": (3 * width, width)}
        else:
            shapes = {
                "q_proj_weight": (width, width),
                "k_proj_weight": (width, key),
                "v_proj_weight": (width, value),
            }
        if self.bias:
            shapes["in_proj_bias"] = (3 * width,)
        shapes["out_proj.weight"] = (width, width)
        return shapes | {"out_proj.bias": (width,)} if self.bias else shapes

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        start: dict[str, Initial] = {}
        for name, shape in self.weights(inputs).items():
            if len(shape) == 1:
                start[name] = ("constant", 0.0)
            elif name == "out_proj.weight":
                start[name] = ("uniform", 1 / sqrt(shape[1]))
            else:
                start[name] = ("uniform", sqrt(6 / sum(shape)))  # Xavier
        return start

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        width, key, value = self._widths(inputs)
        length, keys = inputs[0].shape[0], _three(inputs)[1].shape[0]
        projections = length * (2 * width * width) + keys * (width * (key + value))
        return projections + length * keys * (2 * width)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        width, key, value = self._widths(inputs)
        chosen: dict[str, Argument] = {}
        if self.dropout:
            chosen["dropout"] = self.dropout
        if not self.bias:
            chosen["bias"] = False
        if key != width:
            chosen["kdim"] = key
        if value != width:
            chosen["vdim"] = value
        arguments = (width, self.heads), chosen | {"batch_first": True}
        if len(inputs) == 1:
            name, source = (
                ("CausalSelfAttention", _CAUSAL_SELF_ATTENTION)
                if self.causal
                else ("SelfAttention", _SELF_ATTENTION)
            )
            return TorchForm(Call(name, *arguments), definitions=(source,))
        if self.causal:
            return TorchForm(
                Call("CausalAttention", *arguments),
                "{m}({0}, {1}, {2})",
                definitions=(_CAUSAL_ATTENTION,),
            )
        return TorchForm(
            Call("nn.MultiheadAttention", *arguments), "{m}({0}, {1}, {2}, need_weights=False)[0]"
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        """Projections, scaled scores, mask, softmax, weighted values, projection back."""
        width = self._widths(inputs)[0]
        nodes: list[OnnxNode] = []
        for number, letter in enumerate("qkv"):
            source = f"x{number}" if len(inputs) == 3 else "x0"
            nodes += self._head_nodes(letter, source, self._weight(letter, inputs))
        nodes.append(OnnxNode("Mul", ("t.q", "c.scale"), ("t.scaled",)))
        nodes.append(OnnxNode("MatMul", ("t.scaled", "t.k"), ("t.scores",)))
        nodes += _MASK if self.causal else ()
        nodes.append(
            OnnxNode(
                "Softmax", ("t.masked" if self.causal else "t.scores",), ("t.looks",), {"axis": -1}
            )
        )
        nodes.append(OnnxNode("MatMul", ("t.looks", "t.v"), ("t.seen",)))
        nodes.append(OnnxNode("Transpose", ("t.seen",), ("t.turned",), {"perm": (0, 2, 1, 3)}))
        nodes.append(OnnxNode("Reshape", ("t.turned", "c.joined"), ("t.joined",)))
        nodes += _linear(
            "out", "t.joined", "w.out_proj.weight", "w.out_proj.bias" if self.bias else None
        )
        nodes[-1] = nodes[-1]._replace(outputs=("y0",))
        constants = {
            "scale": scalar(1 / sqrt(width // self.heads)),
            "heads": integers(0, 0, self.heads, width // self.heads),
            "joined": integers(0, 0, width),
        }
        return OnnxForm(
            tuple(nodes),
            constants | (_MASK_CONSTANTS if self.causal else {}),
            self._derived(inputs),
        )

    def _weight(self, letter: str, inputs: tuple[TensorType, ...]) -> str:
        width, key, value = self._widths(inputs)
        return f"d.{letter}" if width == key == value else f"w.{letter}_proj_weight"

    def _head_nodes(self, letter: str, source: str, weight: str) -> list[OnnxNode]:
        """[B, length, features] to [B, heads, length, share], keys with the last two swapped."""
        bias = f"d.{letter}_bias" if self.bias else None
        order = (0, 2, 3, 1) if letter == "k" else (0, 2, 1, 3)
        return [
            *_linear(letter, source, weight, bias),
            OnnxNode("Reshape", (f"t.{letter}_linear", "c.heads"), (f"t.{letter}_heads",)),
            OnnxNode("Transpose", (f"t.{letter}_heads",), (f"t.{letter}",), {"perm": order}),
        ]

    def _derived(self, inputs: tuple[TensorType, ...]) -> dict[str, OnnxDerived]:
        """Query, key and value stand one behind the other in `in_proj_weight` and its bias."""
        width, key, value = self._widths(inputs)
        derived: dict[str, OnnxDerived] = {}
        for number, letter in enumerate("qkv"):
            start, stop = number * width, (number + 1) * width
            if width == key == value:
                derived[letter] = OnnxDerived((("in_proj_weight", start, stop),), (width, width))
            if self.bias:
                derived[f"{letter}_bias"] = OnnxDerived((("in_proj_bias", start, stop),), (width,))
        return derived


def _three(inputs: tuple[TensorType, ...]) -> tuple[TensorType, TensorType, TensorType]:
    if len(inputs) == 3:
        return inputs[0], inputs[1], inputs[2]
    return inputs[0], inputs[0], inputs[0]


def _linear(name: str, source: str, weight: str, bias: str | None) -> list[OnnxNode]:
    """`source @ weight.T + bias`, into `t.NAME_linear`."""
    turned, result = f"t.{name}_weight", f"t.{name}_linear"
    product = f"t.{name}_product" if bias else result
    nodes = [
        OnnxNode("Transpose", (weight,), (turned,), {"perm": (1, 0)}),
        OnnxNode("MatMul", (source, turned), (product,)),
    ]
    if bias:
        nodes.append(OnnxNode("Add", (product, bias), (result,)))
    return nodes


_MASK = (
    OnnxNode("Shape", ("x0",), ("t.length1",), {"start": 1, "end": 2}),
    OnnxNode("Squeeze", ("t.length1",), ("t.length",)),
    OnnxNode("Range", ("c.zero", "t.length", "c.one"), ("t.keys",)),
    OnnxNode("Unsqueeze", ("t.keys", "c.last"), ("t.queries",)),
    OnnxNode("Greater", ("t.keys", "t.queries"), ("t.later",)),
    OnnxNode("Where", ("t.later", "c.never", "t.scores"), ("t.masked",)),
)
_MASK_CONSTANTS = {
    "zero": OnnxConstant((), (0,), "int64"),
    "one": OnnxConstant((), (1,), "int64"),
    "last": integers(-1),
    "never": scalar(float("-inf")),
}
