"""The kinds of a member of a chain: an architecture, a pruned or adopted model, or a store. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Member", "parse_member"]

Kind = Literal["trained", "pruned", "adopted", "store"]


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member of a chain, by the text in [chain]."""

    kind: Kind
    """`trained` here, `pruned` here, `adopted` with `dgkd-cache adopt`, or a `store` from elsewhere."""
    what: str
    """The architecture, the name of the model that is pruned or adopted, or the path of the store."""
    sparsity: str = ""
    """The sparsity of a pruned model as it is written, which `parse_sparsity` takes or refuses."""


def parse_member(text: str) -> Member:
    """Returns the member that a text of [chain] names.

    It is `pruned:NAME@SPARSITY`, `adopted:NAME`, `store:PATH`, or else an architecture.
    """
    prefix, colon, rest = text.partition(":")
    if colon and prefix == "adopted":
        return Member(kind="adopted", what=rest)
    if colon and prefix == "pruned":
        what, _, sparsity = rest.partition("@")
        return Member(kind="pruned", what=what, sparsity=sparsity)
    if colon and prefix == "store":
        return Member(kind="store", what=rest)
    return Member(kind="trained", what=text)
