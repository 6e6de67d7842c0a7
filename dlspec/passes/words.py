"""The option words that layers know, `same` or `relu`, where a block's arguments hand them on."""

from __future__ import annotations

from functools import cache

from dlspec.ir.layer import Layer
from dlspec.layers import activation_options, all_layers, built_in_layers
from dlspec.passes.arguments import option_words


def is_option(word: str) -> bool:
    """Whether some layer knows an option word; what is installed is looked through last."""
    return word in _words(built_in_layers()) or word in _words(all_layers())


@cache
def _words(layers: tuple[type[Layer], ...]) -> frozenset[str]:
    words = set(activation_options())
    for cls in layers:
        for field in cls.model_fields.values():
            words.update(option_words(field.annotation))
    return frozenset(words)
