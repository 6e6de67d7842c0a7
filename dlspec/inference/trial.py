"""Tries a foreign model in a process of its own: `python -m dlspec.inference.trial FOLDER SECONDS`.

The model comes on standard input; a sentence as JSON, or null, goes to standard output. What
a hostile file does to ONNX Runtime ends this process and no other.
"""

from __future__ import annotations

import json
import sys

_MEMORY = 16 * 2**30


def main() -> int:
    """Load the model and run it once. Returns 3 where ONNX Runtime is not installed."""
    folder, seconds = sys.argv[1], int(sys.argv[2])
    content = sys.stdin.buffer.read()
    _limit(seconds)
    try:
        from dlspec.inference.session import open_session, zeros

        session = open_session(content, folder)
        session.run(None, zeros(session))
    except ModuleNotFoundError:
        return 3
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        sentence = " ".join(str(error).split()) or type(error).__name__
        sys.stdout.write(json.dumps(sentence[:300]))
        return 1
    sys.stdout.write("null")
    return 0


def _limit(seconds: int) -> None:
    """Bound memory and processor time, and write no core file, where the system can do so."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (most, hard))


if __name__ == "__main__":
    sys.exit(main())
