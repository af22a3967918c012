"""The kinds of a member of a chain: an architecture that is trained here, an adopted model, or a store. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Member", "parse_member"]

Kind = Literal["trained", "adopted", "store"]


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member of a chain, by the text in [chain]."""

    kind: Kind
    """`trained` here, `adopted` with `dgkd-cache adopt`, or a `store` from elsewhere."""
    what: str
    """The architecture, the name of the adopted model, or the path of the store."""


def parse_member(text: str) -> Member:
    """Returns the member that a text of [chain] names: `adopted:NAME`, `store:PATH`, or else an architecture."""
    prefix, colon, rest = text.partition(":")
    if colon and prefix == "adopted":
        return Member(kind="adopted", what=rest)
    if colon and prefix == "store":
        return Member(kind="store", what=rest)
    return Member(kind="trained", what=text)
