"""Recurrent layers. PyTorch and ONNX differ in gate order, bias layout and axes: here is why."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Annotated, ClassVar, Literal

from dlspec.ir.arguments import Expected, Fraction, PositiveInt
from dlspec.ir.dims import Dim
from dlspec.ir.forms import Argument, Call, OnnxDerived, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Initial, Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import integers
from dlspec.layers.shapes import fixed, needs_float

MOST_LAYERS = 1024

Depth = Annotated[
    int,
    Field(ge=1, le=MOST_LAYERS),
    Expected("a whole number from 1 to 1,024"),
]
Activation = Annotated[Literal["tanh", "relu"], Expected("`tanh` or `relu`")]
Return = Annotated[Literal["sequence", "last"], Expected("`sequence` or `last`")]

_UNITS = "size of the state"
_LAYERS = "how many layers stand on each other"
_BIDIRECTIONAL = "whether a second pass runs backwards; the results are joined"
_DROPOUT = "share of the elements dropped between layers in training"
_RETURN = "`sequence` for every step's state, `last` for the final one"


class Recurrent(Layer):
    """Layers of cells that run along a sequence."""

    shape_rule: ClassVar[str] = (
        "[length, features] becomes [length, units], with `return=last` [units]; "
        "twice the units when bidirectional"
    )
    gates: ClassVar[tuple[int, ...]]
    """For each gate in ONNX's order, its place in PyTorch's order."""
    attributes: ClassVar[dict[str, int]] = {}
    """Further attributes of the ONNX node."""

    units: PositiveInt
    layers: Depth
    bidirectional: bool
    dropout: Fraction
    returns: Return

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if x.rank != 2:
            raise ShapeProblem(
                "E0401",
                f"`{self.kind}` needs [length, features]; this is {x.shape_text()}",
                culprit=0,
            )
        fixed(self, x, -1)
        if self.dropout and self.layers == 1:
            raise ShapeProblem(
                "E0303",
                f"`dropout` of `{self.kind}` acts between its layers, and there is only one",
                help="put `Dropout` behind it, or ask for `layers=2`",
            )
        width = self.units * self._directions
        return (x.with_shape((width,) if self.returns == "last" else (x.shape[0], width)),)

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _stacked(
        self, inputs: tuple[TensorType, ...]
    ) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        """Each layer's number, the size of its input, and the suffixes of its weights."""
        features = fixed(self, inputs[0], -1)
        for number in range(self.layers):
            forward = f"l{number}"
            suffixes = (forward, f"{forward}_reverse") if self.bidirectional else (forward,)
            yield number, features, suffixes
            features = self.units * self._directions

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        rows = len(self.gates) * self.units
        shapes: dict[str, tuple[int, ...]] = {}
        for _, features, suffixes in self._stacked(inputs):
            for suffix in suffixes:
                shapes[f"weight_ih_{suffix}"] = (rows, features)
                shapes[f"weight_hh_{suffix}"] = (rows, self.units)
                shapes[f"bias_ih_{suffix}"] = (rows,)
                shapes[f"bias_hh_{suffix}"] = (rows,)
        return shapes

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return dict.fromkeys(self.weights(inputs), ("uniform", 1 / sqrt(self.units)))

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        rows = len(self.gates) * self.units
        step = sum(
            rows * (features + self.units) * len(suffixes)
            for _, features, suffixes in self._stacked(inputs)
        )
        return inputs[0].shape[0] * step

    def torch_arguments(self) -> dict[str, Argument]:
        """The keyword arguments of the module, where they differ from its defaults."""
        chosen: dict[str, Argument] = {}
        if self.layers > 1:
            chosen["num_layers"] = self.layers
        if self.bidirectional:
            chosen["bidirectional"] = True
        if self.dropout:
            chosen["dropout"] = self.dropout
        return chosen | {"batch_first": True}

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        features = fixed(self, inputs[0], -1)
        call = Call(f"nn.{self.kind}", (features, self.units), self.torch_arguments())
        return TorchForm(call, self._result())

    def _result(self) -> str:
        if self.returns == "sequence":
            return "{m}({0})[0]"
        if not self.bidirectional:
            return "{m}({0})[0][:, -1]"
        # The backward pass ends at the first step, so its final state is not in the last one.
        return "{m}({0})[1]" + self._final + "[-2:].transpose(0, 1).flatten(1)"

    _final: ClassVar[str] = ""

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        """Layer upon layer on [length, batch, features], each with its gates reordered."""
        derived: dict[str, OnnxDerived] = {}
        nodes = [OnnxNode("Transpose", ("x0",), ("t.in0",), {"perm": (1, 0, 2)})]
        for number, features, suffixes in self._stacked(inputs):
            derived |= self._derived(number, features, suffixes)
            names = (f"t.in{number}", f"d.W{number}", f"d.R{number}", f"d.B{number}")
            results = (f"t.all{number}", f"t.final{number}")
            nodes.append(OnnxNode(self.kind, names, results, self.onnx_attributes()))
            if number < self.layers - 1:
                # [length, directions, batch, units] to the next layer's input
                nodes.append(
                    OnnxNode(
                        "Transpose", (results[0],), (f"t.turned{number}",), {"perm": (0, 2, 1, 3)}
                    )
                )
                nodes.append(
                    OnnxNode("Reshape", (f"t.turned{number}", "c.joined"), (f"t.in{number + 1}",))
                )
        last = self.layers - 1
        if self.returns == "sequence":
            source, order, shape = f"t.all{last}", (2, 0, 1, 3), (0, 0, -1)
        else:
            source, order, shape = f"t.final{last}", (1, 0, 2), (0, -1)
        nodes.append(OnnxNode("Transpose", (source,), ("t.result",), {"perm": order}))
        nodes.append(OnnxNode("Reshape", ("t.result", "c.shape")))
        constants = {"shape": integers(*shape)}
        if self.layers > 1:
            constants["joined"] = integers(0, 0, -1)
        return OnnxForm(tuple(nodes), constants, derived)

    def onnx_attributes(self) -> dict[str, int | str | tuple[str, ...]]:
        """The attributes of each ONNX node."""
        chosen: dict[str, int | str | tuple[str, ...]] = {"hidden_size": self.units}
        if self.bidirectional:
            chosen["direction"] = "bidirectional"
        return chosen | self.attributes

    def _derived(
        self, number: int, features: int, suffixes: tuple[str, ...]
    ) -> dict[str, OnnxDerived]:
        rows = len(self.gates) * self.units
        count = len(suffixes)
        biases = [
            piece
            for suffix in suffixes
            for name in ("bias_ih_", "bias_hh_")
            for piece in self._ordered(name + suffix)
        ]
        pieces = {
            name: [piece for suffix in suffixes for piece in self._ordered(name + suffix)]
            for name in ("weight_ih_", "weight_hh_")
        }
        return {
            f"W{number}": OnnxDerived(tuple(pieces["weight_ih_"]), (count, rows, features)),
            f"R{number}": OnnxDerived(tuple(pieces["weight_hh_"]), (count, rows, self.units)),
            f"B{number}": OnnxDerived(tuple(biases), (count, 2 * rows)),
        }

    def _ordered(self, name: str) -> list[tuple[str, int, int]]:
        """The slices of a weight, one a gate, in ONNX's order."""
        return [(name, gate * self.units, (gate + 1) * self.units) for gate in self.gates]


class RNN(Recurrent):
    """The plain recurrent layer: `h = tanh(W x + b + R h + c)` (Elman 1990)."""

    kind = "RNN"
    summary = "The plain recurrent layer (Elman 1990)."
    example = "OneHot(65) -> RNN(128) -> Dense(65)"
    example_input = "int[50]"
    aliases = ("SimpleRNN",)
    gates = (0,)

    units: PositiveInt = Field(description=_UNITS)
    layers: Depth = Field(1, description=_LAYERS)
    bidirectional: bool = Field(False, description=_BIDIRECTIONAL)
    dropout: Fraction = Field(0.0, description=_DROPOUT)
    activation: Activation = Field("tanh", description="what each step applies to its sum")
    returns: Return = Field("sequence", alias="return", description=_RETURN)

    def torch_arguments(self) -> dict[str, Argument]:
        chosen: dict[str, Argument] = {"nonlinearity": "relu"} if self.activation == "relu" else {}
        return chosen | super().torch_arguments()

    def onnx_attributes(self) -> dict[str, int | str | tuple[str, ...]]:
        chosen = super().onnx_attributes()
        if self.activation == "relu":
            chosen["activations"] = ("Relu",) * self._directions
        return chosen


class LSTM(Recurrent):
    """The long short-term memory (Hochreiter, Schmidhuber 1997), with forget gates."""

    kind = "LSTM"
    summary = "The long short-term memory (Hochreiter, Schmidhuber 1997)."
    example = "OneHot(65) -> LSTM(512, layers=2) -> Dense(65)"
    example_input = "int[50]"
    gates = (0, 3, 1, 2)  # input, forget, cell, output becomes input, output, forget, cell
    _final: ClassVar[str] = "[0]"  # the second result is (state, cell)

    units: PositiveInt = Field(description=_UNITS)
    layers: Depth = Field(1, description=_LAYERS)
    bidirectional: bool = Field(False, description=_BIDIRECTIONAL)
    dropout: Fraction = Field(0.0, description=_DROPOUT)
    returns: Return = Field("sequence", alias="return", description=_RETURN)


class GRU(Recurrent):
    """The gated recurrent unit (Cho 2014), with the reset behind the product as in PyTorch."""

    kind = "GRU"
    summary = "The gated recurrent unit (Cho 2014)."
    example = "OneHot(65) -> GRU(256, return=last) -> Dense(2)"
    example_input = "int[50]"
    gates = (1, 0, 2)  # reset, update, new becomes update, reset, new
    attributes: ClassVar[dict[str, int]] = {"linear_before_reset": 1}

    units: PositiveInt = Field(description=_UNITS)
    layers: Depth = Field(1, description=_LAYERS)
    bidirectional: bool = Field(False, description=_BIDIRECTIONAL)
    dropout: Fraction = Field(0.0, description=_DROPOUT)
    returns: Return = Field("sequence", alias="return", description=_RETURN)
