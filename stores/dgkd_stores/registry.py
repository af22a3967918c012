"""Registries of objects by name, and suggestions of known names for unknown ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from dgkd_stores.errors import InvalidInput

__all__ = ["Registry", "closest_names", "did_you_mean"]

T = TypeVar("T")


class Registry(dict[str, T]):
    """The objects of one `kind` by name, in the order in which they were registered.

    A name can be registered once. `unknown` makes the error for a kind, an unknown name, and the known ones.
    """

    kind: str
    """The kind of the objects, for messages: one word, such as codec."""

    def __init__(
        self,
        kind: str,
        known: Mapping[str, T] | None = None,
        *,
        unknown: Callable[[str, str, Iterable[str]], InvalidInput] | None = None,
    ) -> None:
        super().__init__(known or {})
        self.kind = kind
        self._unknown = unknown or _unknown

    def register(self, name: str, known: T) -> None:
        """Registers an object under its name. Raises InvalidInput if the name is taken."""
        assert name, "what is registered has a name"
        if name in self:
            raise InvalidInput(f"{self.kind} {name!r} is registered already", do="give the new one another name")
        self[name] = known

    def find(self, name: str) -> T:
        """Returns the object of that name. Raises the error for an unknown name, which names the closest ones."""
        if not isinstance(name, str) or name not in self:
            raise self._unknown(self.kind, name, self)
        return self[name]


def closest_names(name: str, known: Iterable[str], *, most: int = 1) -> list[str]:
    """Returns the known names that are similar to `name`, the closest first."""
    return difflib.get_close_matches(name, list(known), n=most, cutoff=0.5)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a "did you mean" question with the closest known name, or ""."""
    return "".join(f"did you mean {close!r}?" for close in closest_names(name, known))


def _unknown(kind: str, name: str, known: Iterable[str]) -> InvalidInput:
    names = list(known)
    return InvalidInput(
        f"unknown {kind}", expected=f"one of {', '.join(names)}", found=repr(name[:64]), do=did_you_mean(name, names)
    )
