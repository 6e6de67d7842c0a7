"""Snake, a periodic activation: no weights and no module, one expression will do."""

from __future__ import annotations

from dlspec.layers.custom import (
    Field,
    Layer,
    OnnxConstant,
    OnnxForm,
    OnnxNode,
    PositiveFloat,
    TensorType,
    TorchForm,
    needs_float,
)


class Snake(Layer):
    """`x + sin(frequency * x)² / frequency`."""

    kind = "Snake"
    summary = "A periodic activation, x + sin²(f x) / f (Ziyin et al. 2020)."
    example = "Conv(16, 3, padding=1) -> Snake(0.5)"
    shape_rule = "the shape stays"

    frequency: PositiveFloat = Field(1.0, description="how fast it swings")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, inputs[0])
        return inputs

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        text = f"{{0}} + torch.sin({self.frequency!r} * {{0}}).square() / {self.frequency!r}"
        return TorchForm(None, text, text)

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm(
            (
                OnnxNode("Mul", ("x0", "c.frequency"), ("t.turned",)),
                OnnxNode("Sin", ("t.turned",), ("t.sine",)),
                OnnxNode("Mul", ("t.sine", "t.sine"), ("t.square",)),
                OnnxNode("Div", ("t.square", "c.frequency"), ("t.wave",)),
                OnnxNode("Add", ("x0", "t.wave"), ("y0",)),
            ),
            {"frequency": OnnxConstant((), (self.frequency,))},
        )
