"""What a spec names in lower case with arguments: losses, optimizers, sources, transforms …

Each is one frozen class whose fields are its arguments in their positional order,
with a line of description each; `kind` is its name in a spec. Check, documentation,
emitted code and training all read it from here.
"""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.frozen import Frozen


class Option(Frozen):
    """One named choice with its arguments. Subclasses add `kind: Literal[…] = …` first."""

    summary: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    """Spellings of other frameworks that the diagnostics answer with this one."""

    @classmethod
    def kind_name(cls) -> str:
        """The name in a spec."""
        return str(cls.model_fields["kind"].default)

    @classmethod
    def argument_names(cls) -> tuple[str, ...]:
        """The arguments in their positional order."""
        return tuple(f.alias or name for name, f in cls.model_fields.items() if name != "kind")
