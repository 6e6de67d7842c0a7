"""What people who know PyTorch or Keras type first is answered with dlspec's own spelling."""

from __future__ import annotations

import inspect
import re

import pytest
from torch import nn

from dlspec.layers import spelled
from dlspec.passes.spellings import ARGUMENT_SPELLINGS, foreign_help
from dlspec.pipeline import compile_text

NO_LAYERS = frozenset(
    {
        "Container",
        "CosineSimilarity",
        "DataParallel",
        "PairwiseDistance",
        "RNNBase",
        "RNNCellBase",
        "NLLLoss2d",
    }
)
"""Classes of `torch.nn` that nobody would write in a network."""

KERAS = re.findall(
    r"\w+",
    """
Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D
BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose
Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D
Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D Convolution3DTranspose
Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU EinsumDense
Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D
GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D
GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D
GlobalMaxPooling3D GroupNormalization GroupQueryAttention Identity InputLayer LSTM LSTMCell Lambda
Layer LayerNormalization LeakyReLU Masking MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D
MaxPooling3D Maximum Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute
RMSNormalization RNN RandAugment RandomContrast RandomCrop RandomFlip RandomRotation RandomZoom
ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D
SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax SpatialDropout1D
SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells Subtract TimeDistributed
UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
""",
)
"""The layers of Keras 3, its wrappers of other libraries and its text processing left out."""


def modules() -> list[str]:
    return [
        name
        for name, value in inspect.getmembers(nn, inspect.isclass)
        if issubclass(value, nn.Module) and name not in NO_LAYERS
    ]


@pytest.mark.parametrize("names", [modules(), KERAS], ids=["PyTorch", "Keras"])
def test_every_layer_of_theirs_is_known(names: list[str]) -> None:
    assert len(names) > 90
    assert [name for name in names if not spelled(name) and not foreign_help(name)] == []


def answers(line: str) -> str:
    """The help lines and fixes for a line in a model with an image for its input."""
    text = f"model M {{\n  input image: float[4, 8, 8]\n  {line}\n}}\n"
    diagnostics = compile_text(text).diagnostics
    assert diagnostics, line
    return " | ".join(
        f"{d.message} ({d.help or ''} {d.fix.title if d.fix else ''})" for d in diagnostics
    )


LINES = {
    # layers
    "Linear(10)": "`Dense`",
    "nn.Linear(4, 10)": "no module in front",
    "nn.Conv2d(4, 8, 3)": "`Conv2D`",
    "keras.layers.Dense(3)": "no module in front",
    "torch.cat((it, it), 1)": "along an arrow",
    "F.relu(it)": "along an arrow",
    "Conv2d(4, 8, 3)": "`Conv2D`",
    "LazyConv2d(8, 3)": "`Conv2D`",
    "Conv2DTranspose(8, 3)": "`ConvTranspose2D`",
    "MaxPooling2D(2)": "`MaxPool`",
    "AveragePooling2D(2)": "`AvgPool`",
    "AdaptiveAvgPool2d(1)": "`AdaptiveAvgPool2D`",
    "BatchNormalization()": "`BatchNorm`",
    "BatchNorm2d(4)": "`BatchNorm2D`",
    "SeparableConv2D(8, 3)": "DepthwiseConv(3, padding=same) -> Conv(64, 1)",
    "ZeroPadding2D(1)": "`Pad`",
    "CircularPad2d(1)": "`Pad`",
    "UpSampling2D(2)": "`Upsample`",
    "UpsamplingBilinear2d(2)": "Upsample(2, mode=bilinear)",
    "Concatenate()": "`Concat`",
    "Bidirectional(LSTM(4))": "LSTM(64, bidirectional=true)",
    "SimpleRNN(4)": "`RNN`",
    "MultiHeadAttention(4)": "`Attention`",
    "TransformerEncoderLayer(4, 2)": "LayerNorm -> Attention(8)",
    "Activation(\"relu\")": "Dense(10) -> ReLU",
    "Lambda(2)": "write an expression",
    "Minimum()": "-max(-a, -b)",
    "Sequential(Flatten, ReLU)": "below each other",
    "x = Input(3)": "input image: float[3, 224, 224]",
    "CrossEntropyLoss()": "loss = cross_entropy",
    "RandomFlip()": "augment = RandomFlip",
    # functions and methods
    "it -> relu": "`x -> ReLU`",
    "relu(it)": "`x -> ReLU`",
    "softmax(it)": "`x -> Softmax`",
    "max_pool2d(it, 2)": "`x -> MaxPool`",
    "leaky_relu(it)": "`x -> LeakyReLU`",
    "layer_norm(it)": "`x -> LayerNorm`",
    "flatten(it)": "`x -> Flatten`",
    "interpolate(it)": "`x -> Upsample`",
    "it.view(3)": "`x -> Reshape`",
    "it.flatten()": "`x -> Flatten`",
    "Flatten()(it)": "`x -> Flatten`",
    "Dense(3)(it)": "`x -> Dense(3)`",
    "Concat([it, it])": "(a, b) -> Layer(…)",
    # arguments
    "Conv(out_channels=8, kernel=3)": "calls it `filters`",
    "Conv(8, kernel_size=3)": "calls it `kernel`",
    "Conv(8, 3, strides=2)": "calls it `stride`",
    "Conv(8, 3, dilation_rate=2)": "calls it `dilation`",
    "Conv(8, 3, use_bias=false)": "calls it `bias`",
    "Conv(8, 3, in_channels=4)": "come from what flows in",
    "Conv(8, 3, kernel_initializer=he_normal)": "weights start as PyTorch's",
    "Conv(8, 3, data_format=channels_last)": "[channels, height, width]",
    "Conv(8, 3, padding=\"same\")": "padding=same",
    "Conv(8, 3, activation=\"relu\")": "activation=relu",
    "Conv(8, 3, activation=swish)": "calls it `silu`",
    "MaxPool(pool_size=2)": "calls it `size`",
    "MaxPool(kernel_size=2)": "calls it `size`",
    "MaxPool(2, ceil_mode=true)": "calls it `ceil`",
    "AdaptiveAvgPool(output_size=1)": "calls it `size`",
    "Dropout(p=0.5)": "calls it `rate`",
    "BatchNorm(epsilon=1e-3)": "calls it `eps`",
    "BatchNorm(affine=false)": "calls it `scale`",
    "BatchNorm(num_features=4)": "come from what flows in",
    "LayerNorm(center=false)": "calls it `shift`",
    "LayerNorm(normalized_shape=8)": "come from what flows in",
    "LeakyReLU(negative_slope=0.1)": "calls it `slope`",
    "ReLU(inplace=true)": "leave it out",
    "Softmax(dim=1)": "calls it `axis`",
    "Flatten(start_dim=1)": "calls it `start`",
    "Reshape(target_shape=[4, 64])": "calls it `shape`",
    "Permute(dims=[1, 0, 2])": "calls it `order`",
    "Dense(out_features=3)": "calls it `units`",
    "Dense(3, name=head)": "`layer conv = …`",
    "LSTM(hidden_size=3)": "calls it `units`",
    "LSTM(3, num_layers=2)": "calls it `layers`",
    "LSTM(3, return_sequences=true)": "calls it `return`",
    "LSTM(3, batch_first=true)": "leaves the batch out",
    "Embedding(num_embeddings=3, embedding_dim=4)": "calls it `vocab`",
    "Embedding(input_dim=3, output_dim=4)": "calls it `width`",
    "Attention(num_heads=2)": "calls it `heads`",
    "Upsample(scale_factor=2)": "calls it `scale`",
    "Upsample(2, interpolation=bilinear)": "calls it `mode`",
    "GroupNorm(num_groups=2)": "calls it `groups`",
    "PixelShuffle(upscale_factor=2)": "calls it `factor`",
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_theirs_is_answered_in_dlspecs_words(line: str) -> None:
    assert LINES[line] in answers(line)


SETTINGS = {
    "gradient_accumulation_steps = 4": "accumulate",
    "use_ema = true": "ema = 0.999",
    "kernel_regularizer = l2(1e-4)": "regularization",
    "frozen = true": "freeze",
    "pretrained = true": "start_from",
    "optimizer = Adam(lr=1e-3)": "calls it `adam`",
    "optimizer = adam(learning_rate=1e-3)": "calls it `lr`",
    "optimizer = SGD(0.1)": "calls it `sgd`",
    "loss = CrossEntropyLoss": "calls it `cross_entropy`",
    "loss = sparse_categorical_crossentropy": "calls it `cross_entropy`",
    "loss = SparseCategoricalCrossentropy": "calls it `cross_entropy`",
    "loss = MeanSquaredError": "calls it `mse`",
    "loss = BinaryCrossentropy": "calls it `binary_cross_entropy`",
    "schedule = StepLR(10)": "calls it `step_decay`",
    "schedule = CosineAnnealingLR": "calls it `cosine`",
    "schedule = ReduceLROnPlateau": "calls it `plateau`",
    "lr = 0.1": "belongs to the optimizer",
    "num_epochs = 3": "calls it `epochs`",
    "scheduler = cosine": "calls it `schedule`",
    "criterion = mse": "calls it `loss`",
    "shuffle = true": "every epoch is shuffled",
    "validation_split = 0.1": "belongs to the `data`",
    "max_grad_norm = 1": "calls it `gradient_clip`",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_of_theirs_is_answered_in_dlspecs_words(setting: str) -> None:
    text = (
        "model M { input image: float[1, 8, 8]\n Flatten -> Dense(10) }\n"
        f"data D {{ source = digits() }}\ntrain M on D {{\n {setting}\n}}\n"
    )
    helps = [d.help or "" for d in compile_text(text).diagnostics]
    assert any(SETTINGS[setting] in help for help in helps), helps


def test_no_spelling_is_dlspecs_own_name_for_something_else() -> None:
    for foreign, meant in ARGUMENT_SPELLINGS.items():
        assert meant and foreign not in meant
