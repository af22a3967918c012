"""The order in which runs and stores are listed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dgkd_stores import split_draw_name

__all__ = ["by_draw", "chain_first"]


def by_draw(name: str) -> tuple[str, int, str]:
    """Returns the key that sorts draws by their number, and those of some views beside them."""
    guide, draw = split_draw_name(re.sub(r"(\.d\d+)-\d+-\d+$", r"\1", name))
    return guide, -1 if draw is None else draw, name


def chain_first(names: Iterable[str], chain: Sequence[str]) -> tuple[str, ...]:
    """Returns each of `names` once: those of the chain in its order, then the others by `by_draw`."""
    found = set(names)
    first = [name for name in chain if name in found]
    return (*first, *sorted(found.difference(first), key=by_draw))
