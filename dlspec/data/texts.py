"""The reader of texts as tokens. It uses NumPy and the standard library alone: emitted
programs carry copies.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_text(
    path: str | Path, level: str, length: int
) -> tuple[NDArray[Any], NDArray[Any], list[str]]:
    """A text cut into pieces of `length` tokens, what follows each token, and all tokens.

    level: `char`, or `word`: words, other marks and line ends, without the blanks between.
    Gives int64 [N, length] twice, the second one place ahead of the first, and the different
    tokens in order; a token's number is its place there. What is left over at the end of the
    text, less than a piece, is not used.
    Raises ValueError where the file is not UTF-8 or too short.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{line}: not a text in UTF-8") from error
    if level == "word":
        words = re.findall(r"\w+|[^\w\s]|\n", text)
        tokens = sorted(set(words))
        places = {token: number for number, token in enumerate(tokens)}
        numbers = np.fromiter((places[word] for word in words), np.int64, len(words))
    else:
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        different, numbers = np.unique(codes, return_inverse=True)
        tokens = [chr(code) for code in different]
    count = (len(numbers) - 1) // length
    if count < 1:
        raise ValueError(
            f"{path}: has {len(numbers)} tokens, and an example takes {length + 1}"
        )
    numbers = numbers.astype(np.int64)
    pieces = numbers[: count * length].reshape(count, length)
    following = numbers[1 : count * length + 1].reshape(count, length)
    return pieces, following, tokens
