"""Methods as choices of guides: from scratch, one teacher, the model before, or all before.

Sources: Hinton et al. 2015 (kd), Mirzadeh et al. 2020 (takd), Son et al. 2021 (dgkd).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_stores import Registry, split_draw_name

__all__ = ["ONE_GUIDE", "guides_of", "method_names", "require_guides_of"]

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


ONE_GUIDE = {"kd": "the teacher", "takd": "the model before it"}
"""The methods with one guide, and which it is."""


def require_guides_of(method: str, guides: Sequence[str], chain: Sequence[str]) -> None:
    """Raises InvalidInput if `method` does not suit these `guides` of a model: its run would have a wrong name.

    A model outside the `chain` directly follows its one guide under takd. kd is the teacher alone: the first of the
    chain, or a guide from outside it. Draws of one model count as that model.
    """
    guides = tuple(dict.fromkeys(split_draw_name(guide)[0] for guide in guides))
    named = ", ".join(guides)
    if method == "scratch" and guides:
        raise InvalidInput(
            "method scratch trains without guides",
            expected="no guides",
            found=named,
            do="leave the guides out, or choose another method",
        )
    if method not in ONE_GUIDE:
        return
    uses = f"method {method} uses one guide ({ONE_GUIDE[method]})"
    if len(guides) > 1:
        raise InvalidInput(
            uses, expected="one guide", found=named, do="name that one alone, or choose dgkd to learn from all of them"
        )
    if method == "kd" and guides and guides[0] in chain[1:]:
        raise InvalidInput(uses, expected=chain[0], found=named, do=f"name {chain[0]}, or choose takd")


def method_names() -> tuple[str, ...]:
    """Returns the names of all methods."""
    return tuple(_CHOICES)
