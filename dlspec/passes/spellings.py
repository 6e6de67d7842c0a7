"""How PyTorch and Keras spell what dlspec spells otherwise; layers carry `aliases` themselves."""

from __future__ import annotations

import re
from collections.abc import Collection

from dlspec.layers import activation_options, all_layers, find, snake_case

ARGUMENT_SPELLINGS: dict[str, tuple[str, ...]] = {
    "out_channels": ("filters",),
    "out_features": ("units",),
    "num_filters": ("filters",),
    "channels": ("filters", "groups"),
    "kernel_size": ("kernel", "size"),
    "pool_size": ("size",),
    "output_size": ("size",),
    "cropping": ("size",),
    "strides": ("stride",),
    "pad": ("padding",),
    "padding": ("amount",),
    "dilation_rate": ("dilation",),
    "ceil_mode": ("ceil",),
    "use_bias": ("bias",),
    "depth_multiplier": ("multiplier",),
    "hidden_size": ("units",),
    "num_layers": ("layers",),
    "num_heads": ("heads",),
    "num_embeddings": ("vocab",),
    "input_dim": ("vocab",),
    "embed_dim": ("width",),
    "embedding_dim": ("width",),
    "output_dim": ("width",),
    "num_groups": ("groups",),
    "num_classes": ("classes",),
    "num_tokens": ("classes",),
    "p": ("rate", "probability"),
    "drop": ("rate",),
    "dropout_rate": ("rate",),
    "negative_slope": ("slope",),
    "alpha": ("slope",),
    "epsilon": ("eps",),
    "gamma": ("scale",),
    "center": ("shift",),
    "beta": ("shift",),
    "affine": ("scale", "shift"),
    "elementwise_affine": ("scale", "shift"),
    "bias": ("shift",),
    "dim": ("axis",),
    "axes": ("axis",),
    "dims": ("order",),
    "perm": ("order",),
    "start_dim": ("start",),
    "target_shape": ("shape",),
    "unflattened_size": ("shape",),
    "num_or_size_splits": ("parts",),
    "chunks": ("parts",),
    "split_size": ("parts",),
    "size": ("scale",),
    "scale_factor": ("scale",),
    "interpolation": ("mode",),
    "upscale_factor": ("factor",),
    "is_causal": ("causal",),
    "use_causal_mask": ("causal",),
    "learning_rate": ("lr",),
    "beta_1": ("betas",),
    "beta_2": ("betas",),
    "decay": ("weight_decay",),
    "step_size": ("period",),
    "gamma_decay": ("gamma",),
    "return_sequences": ("return",),
    "nonlinearity": ("activation",),
    "path": ("root",),
}
"""Foreign argument name to the dlspec names it may stand for, the likeliest first."""

_FLOWS = "leave it out: sizes of inputs come from what flows in"
_STARTS = "leave it out: weights start as PyTorch's layers start theirs"
_ALWAYS = "leave it out: dlspec does that where it can"
ARGUMENT_NOTES: dict[str, str] = {
    **dict.fromkeys(
        [
            "in_channels",
            "in_features",
            "input_size",
            "input_shape",
            "normalized_shape",
            "num_features",
            "num_channels",
            "kdim",
            "vdim",
            "key_dim",
            "value_dim",
            "d_model",
            "batch_input_shape",
        ],
        _FLOWS,
    ),
    **dict.fromkeys(
        ("inplace", "implementation", "unroll", "use_cudnn", "flash_attention"),
        _ALWAYS,
    ),
    "batch_first": "leave it out: a spec leaves the batch out of every shape",
    "batch_size": "leave it out: a spec leaves the batch out of every shape",
    "data_format": "leave it out: images are `[channels, height, width]`",
    "dtype": "leave it out: `precision` of a `train` chooses it",
    "device": "leave it out: `--device` of a command chooses it",
    "name": "a name stands in front or behind: `conv = it -> …`, `… as conv`, `layer conv = …`",
    "seed": "leave it out: `seed` of a `train` seeds all",
    "trainable": "leave it out: `freeze` of a `train` chooses what is kept",
    "activity_regularizer": "leave it out: `regularization` of a `train` does that",
    "return_state": "leave it out: `return=last` gives the last state",
    "track_running_stats": "leave it out: running statistics are always kept",
    "align_corners": "leave it out: corners are not aligned, as in ONNX's `half_pixel`",
    "return_indices": "leave it out: a layer has no second result here",
    "end_dim": "leave it out: `Flatten` joins all axes from `start` on",
}
"""What to do with a foreign argument that has no counterpart."""

_ENDINGS = {
    "_initializer": _STARTS,
    "_regularizer": "leave it out: `regularization` of a `train` does that",
    "_constraint": "leave it out: dlspec has no constraints on weights",
}

_DATA = "examples are prepared in a `data`: `transform = Resize(32) -> Normalize(0.5, 0.5)`"
_AUGMENT = "examples are changed at random in a `data`: `augment = RandomFlip`"
_TRAIN = "how to fit is said in a `train`: `optimizer = adam(lr=1e-3)`"
_STAGES = "layers stand by themselves and data flows in along an arrow: `x -> ReLU`"
_RECURRENT = "whole sequences go through `LSTM(64)`, `GRU(64)` or `RNN(64)`"
_MODULES = [
    "torch",
    "nn",
    "keras",
    "tf",
    "layers",
    "models",
    "functional",
    "jax",
    "jnp",
    "np",
    "numpy",
    "F",
]
OTHER_WORDS: dict[str, str] = {
    **dict.fromkeys(_MODULES, _STAGES),
    **dict.fromkeys(("Input", "InputLayer"), "write `input image: float[3, 224, 224]`"),
    "Sequential": (
        "stages of a `model` stand below each other or along arrows: `Conv(8, 3) -> ReLU`"
    ),
    **dict.fromkeys(
        ("Module", "Layer", "Model", "Wrapper"),
        "a part of one's own is a `block Name(width) { … }`",
    ),
    **dict.fromkeys(
        ("ModuleList", "ModuleDict"),
        "parts in a row are `repeat n { … }` or `for w in widths { … }`",
    ),
    **dict.fromkeys(
        ("Parameter", "ParameterList", "ParameterDict"),
        "a learned tensor is `parameter scale: float[8, 1, 1] = ones`",
    ),
    "Activation": "write the stage `Dense(10) -> ReLU` or the option `Dense(10, activation=relu)`",
    "Lambda": "write an expression: `it * 2 - 1`, `mean(it, axis=0)`",
    "Bidirectional": "write `LSTM(64, bidirectional=true)`",
    "TimeDistributed": "leave it out: `Dense`, `LayerNorm` … work on every step already",
    "ActivityRegularization": "weights are kept small in a `train`: `regularization = l2(5e-4)`",
    "Masking": "leave it out: sequences have their true lengths, `?length`",
    **dict.fromkeys(
        ("SeparableConv", "SeparableConvolution"),
        "write `DepthwiseConv(3, padding=same) -> Conv(64, 1)`",
    ),
    "Subtract": "write `a - b`",
    "Minimum": "write `-max(-a, -b)`",
    "RepeatVector": "write `Unsqueeze(0) -> Expand([10, -1])`",
    "EmbeddingBag": "write `Embedding(1000, 64) -> Mean(axis=0)`",
    "GLU": "write `a, b = Split(2)` and `a * (b -> Sigmoid)`",
    "Softmin": "write `-it -> Softmax`",
    "LogSigmoid": "write `-(-it -> Softplus)`",
    "Hardtanh": "write `it + 1 -> ReLU6` and so on, or choose `Tanh`",
    "Softmax2d": "write `Softmax(axis=0)`",
    "UpsamplingNearest": "write `Upsample(2)`",
    "UpsamplingBilinear": "write `Upsample(2, mode=bilinear)`",
    "Resizing": _DATA,
    "Rescaling": _DATA,
    "Normalization": _DATA,
    **dict.fromkeys(("AugMix", "RandAugment", "MixUp", "CutMix"), _AUGMENT),
    **dict.fromkeys(
        ["RNNCell", "LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"], _RECURRENT
    ),
    **dict.fromkeys(
        [
            "Transformer",
            "TransformerEncoder",
            "TransformerDecoder",
            "TransformerEncoderLayer",
            "TransformerDecoderLayer",
        ],
        "write it as a block: `it + (LayerNorm -> Attention(8))`, "
        "`it + (LayerNorm -> Dense(2048) -> GELU -> Dense(512))`",
    ),
    **dict.fromkeys(["compile", "fit", "optimizer", "backward"], _TRAIN),
}
"""Foreign word to what a spec says instead, where that is no layer with another name."""

MISSING = frozenset(
    {
        "AdaptiveLogSoftmaxWithLoss",
        "AdditiveAttention",
        "AlphaDropout",
        "Bilinear",
        "CELU",
        "ConvLSTM",
        "EinsumDense",
        "FeatureAlphaDropout",
        "Fold",
        "FractionalMaxPool",
        "GaussianDropout",
        "GroupQueryAttention",
        "Hardshrink",
        "LPPool",
        "MaxUnpool",
        "PixelUnshuffle",
        "RReLU",
        "Softshrink",
        "SpectralNormalization",
        "Tanhshrink",
        "Threshold",
        "Unfold",
        "UnitNormalization",
    }
)
"""Layers of other frameworks that dlspec has nothing for."""

SETTING_SPELLINGS: dict[str, str] = {
    **dict.fromkeys(("lr", "learning_rate"), "it belongs to the optimizer: `adam(lr=1e-3)`"),
    **dict.fromkeys(
        ("momentum", "weight_decay"), "it belongs to the optimizer: `sgd(0.1, momentum=0.9)`"
    ),
    **dict.fromkeys(("criterion", "loss_fn", "objective"), "dlspec calls it `loss`"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "dlspec calls it `schedule`"),
    **dict.fromkeys(("num_epochs", "max_epochs", "n_epochs"), "dlspec calls it `epochs`"),
    **dict.fromkeys(("max_steps", "num_steps"), "dlspec calls it `steps`"),
    **dict.fromkeys(
        ("clipnorm", "max_grad_norm", "gradient_clip_val", "clip_grad_norm"),
        "dlspec calls it `gradient_clip`",
    ),
    **dict.fromkeys(
        ("validation_split", "validation_data"), "it belongs to the `data`: `validation = 10%`"
    ),
    "shuffle": "leave it out: every epoch is shuffled, by `seed`",
    "callbacks": "stopping is `early_stopping`; checkpoints and curves are always written",
    "accumulate_grad_batches": "dlspec calls it `accumulate`",
    "gradient_accumulation_steps": "dlspec calls it `accumulate`",
    **dict.fromkeys(("ema_decay", "use_ema"), "write it as `ema = 0.999`"),
    "kernel_regularizer": "write it as `regularization = l2(5e-4)`",
    **dict.fromkeys(("frozen", "trainable"), "write it as `freeze = [stem]`"),
    **dict.fromkeys(("pretrained", "load_weights", "init_from"), "dlspec calls it `start_from`"),
}
"""Foreign setting of a `train` to what to write."""


def argument_help(name: str, known: Collection[str]) -> str | None:
    """The help line for a foreign argument of what has the arguments `known`."""
    meant = [one for one in ARGUMENT_SPELLINGS.get(name, ()) if one in known]
    if meant:
        return f"dlspec calls it `{meant[0]}`"
    ending = next((note for end, note in _ENDINGS.items() if name.endswith(end)), None)
    return ARGUMENT_NOTES.get(name) or ending


def foreign_activation(word: str) -> str | None:
    """The help line where an option word is another framework's: `swish` is `silu`."""
    for option, kind in activation_options().items():
        cls = find(kind)
        if cls is not None and word.lower() in (alias.lower() for alias in cls.aliases):
            return f"dlspec calls it `{option}`"
    return None


def foreign_help(name: str) -> str | None:
    """The help line where `name` is another framework's word, or a layer in lower case."""
    name = name.removeprefix("Lazy")
    base, rank = _without_rank(name)
    for word in (name, base):
        if word in OTHER_WORDS:
            return OTHER_WORDS[word]
    if name in MISSING or base in MISSING:
        return "dlspec has no layer like it; `dlspec layers` lists those there are"
    if name.endswith("Loss"):
        return "a loss is named in a `train`: `loss = cross_entropy`"
    if re.match(r"Random[A-Z]", name):
        return _AUGMENT
    for cls in (layer for layer in all_layers() if not layer.operator):
        if rank and base == cls.kind and rank in cls.ranks:
            return f"dlspec calls it `{base}{rank}D`, or `{base}` for any number of axes"
        if name in cls.aliases or base in cls.aliases:
            return f"dlspec calls it `{cls.kind}`: `{cls.example}`"
        if name[:1].islower() and _joined(base) in _lower_names(cls.kind, cls.aliases):
            return f"layers are capitalised stages: `x -> {cls.kind}`, as in `{cls.example}`"
    return None


def _without_rank(name: str) -> tuple[str, int]:
    """`Conv` and 2 of `Conv2d`; a name without a rank and 0. `Conv2DTranspose` has one inside."""
    match = re.fullmatch(r"(\w+?)([123])[dD](Transpose)?", name)
    return (f"{match[1]}{match[3] or ''}", int(match[2])) if match else (name, 0)


def _lower_names(kind: str, aliases: tuple[str, ...]) -> set[str]:
    """How functions of other frameworks, and Python's habits, write a layer."""
    return {_joined(_without_rank(name)[0]) for name in (kind, snake_case(kind), *aliases)}


def _joined(name: str) -> str:
    return name.replace("_", "").lower()
