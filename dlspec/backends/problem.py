"""What a backend says of a program that its target cannot express."""

from __future__ import annotations


class BackendProblem(Exception):
    """A node cannot be written for this target. It knows no spans: the caller has the side table.

    code:  a diagnostic code
    graph: the key of the graph that the node stands in
    node:  its path there, "" where the graph itself is at fault
    help:  how to mend it, where that is known
    """

    def __init__(
        self, code: str, message: str, *, graph: str, node: str = "", help: str | None = None
    ) -> None:
        place = f"{graph}.{node}" if node else graph
        super().__init__(f"{code} {place}: {message}")
        self.code = code
        self.message = message
        self.graph = graph
        self.node = node
        self.help = help
