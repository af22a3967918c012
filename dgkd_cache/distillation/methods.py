"""Methods as choices of guides: from scratch, one teacher, the model before, or all before.

Sources: Hinton et al. 2015 (kd), Mirzadeh et al. 2020 (takd), Son et al. 2021 (dgkd).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dgkd_cache.errors import unknown_name
from dgkd_stores import Registry

__all__ = ["guides_of", "method_names"]

_CHOICES = Registry[Callable[[tuple[str, ...]], tuple[str, ...]]](
    "method",
    {
        "scratch": lambda before: (),
        "kd": lambda before: before[:1],
        "takd": lambda before: before[-1:],
        "dgkd": lambda before: before,
    },
    unknown=unknown_name,
)


def guides_of(method: str, before: Sequence[str]) -> tuple[str, ...]:
    """Returns the guides of a model under `method`, from the models `before` it in the chain (largest first).

    Raises UnknownName for an unknown method.
    """
    return _CHOICES.find(method)(tuple(before))


def method_names() -> tuple[str, ...]:
    """Returns the names of all methods."""
    return tuple(_CHOICES)
