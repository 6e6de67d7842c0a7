"""How PyTorch and Keras spell what dlspec spells otherwise, to answer them by name."""

from __future__ import annotations

from dlspec.layers import activation_options, all_layers, find

ARGUMENT_SPELLINGS: dict[str, tuple[str, ...]] = {
    "out_channels": ("filters",),
    "out_features": ("units",),
    "num_filters": ("filters",),
    "channels": ("filters", "groups"),
    "kernel_size": ("kernel", "size"),
    "pool_size": ("size",),
    "output_size": ("size",),
    "strides": ("stride",),
    "pad": ("padding",),
    "dilation_rate": ("dilation",),
    "ceil_mode": ("ceil",),
    "use_bias": ("bias",),
    "depth_multiplier": ("multiplier",),
    "hidden_size": ("units",),
    "num_layers": ("layers",),
    "num_heads": ("heads",),
    "embed_dim": ("width",),
    "embedding_dim": ("width",),
    "num_embeddings": ("vocab",),
    "input_dim": ("vocab",),
    "output_dim": ("width",),
    "num_groups": ("groups",),
    "num_classes": ("classes",),
    "p": ("rate", "probability"),
    "drop": ("rate",),
    "dropout_rate": ("rate",),
    "negative_slope": ("slope",),
    "alpha": ("slope",),
    "epsilon": ("eps",),
    "center": ("shift",),
    "affine": ("scale", "shift"),
    "dim": ("axis",),
    "dims": ("order",),
    "start_dim": ("start",),
    "target_shape": ("shape",),
    "num_or_size_splits": ("parts",),
    "chunks": ("parts",),
    "scale_factor": ("scale",),
    "upscale_factor": ("factor",),
    "learning_rate": ("lr",),
    "beta_1": ("betas",),
    "return_sequences": ("return",),
    "batch_first": (),
    "in_channels": (),
    "in_features": (),
    "input_shape": (),
    "path": ("root",),
}
"""Foreign argument name to the dlspec names it may stand for, the likeliest first."""


def foreign_activation(word: str) -> str | None:
    """The help line where an option word is another framework's: `swish` is `silu`."""
    for option, kind in activation_options().items():
        cls = find(kind)
        if cls is not None and word.lower() in (alias.lower() for alias in cls.aliases):
            return f"dlspec calls it `{option}`"
    return None


def foreign_help(name: str) -> str | None:
    """The help line where `name` is another framework's word, or a layer in lower case."""
    suffixed = name[-1:] in ("d", "D") and name[-2:-1] in ("1", "2", "3")
    base = name[:-2] if suffixed else name
    for cls in all_layers():
        if cls.operator:
            continue
        if suffixed and base == cls.kind and int(name[-2]) in cls.ranks:
            return f"dlspec calls it `{base}{name[-2]}D`, or `{base}` for any number of axes"
        if name in cls.aliases or base in cls.aliases:
            return f"dlspec calls it `{cls.kind}`: `{cls.example}`"
        if name.islower() and name == cls.kind.lower():
            return f"layers are capitalised: `{cls.kind}`"
    return None
