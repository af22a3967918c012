"""The registry of encodings."""

from __future__ import annotations

from dgkd_stores.arguments import require_kind
from dgkd_stores.coding.encodings.abc import Encoding
from dgkd_stores.registry import Registry

__all__ = ["ENCODINGS", "encoding_names", "get_encoding", "register_encoding"]

ENCODINGS = Registry[Encoding]("encoding")


def register_encoding(cls: type[Encoding]) -> type[Encoding]:
    """Registers an encoding under its class's name in lower case, which must be free."""
    cls.name = cls.__name__.lower()
    ENCODINGS.register(cls.name, cls())
    return cls


def encoding_names() -> tuple[str, ...]:
    """Returns every known encoding, in name order."""
    return tuple(sorted(ENCODINGS))


def get_encoding(name: str) -> Encoding:
    """Returns the encoding of that name. Raises InvalidInput, which names the known ones and the closest."""
    require_kind("get_encoding", "name", name, str, expected="the name of an encoding")
    return ENCODINGS.find(name)
