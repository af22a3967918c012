"""Checks what rows of the encoding `topk` are used for: a temperature, classes or a loss that they lack is refused.

A row has K logits, and spreads the probability of all other classes evenly among these. Their share is exact at the
temperatures that have a tail. What depends on single classes of the tail is not: their shares among themselves (dkd),
correlations (dist), or mean and deviation of all logits (standardize).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_stores import Encoding, GuideStore

__all__ = ["encoding_at", "require_all_classes", "topk_names"]


def encoding_at(store: GuideStore, temperature: float, columns_C: NDArray[np.int64] | None) -> Encoding:
    """Returns the encoding that decodes a store's rows for training at a temperature; `columns_C` are our classes.

    Raises Mismatch for rows that say nothing at this temperature, or nothing of our classes alone.
    """
    who, encoding = f"guide {store.header.guide.called!r} ({store.path})", store.encoding
    if encoding.temperatures and columns_C is not None and len(columns_C) < store.header.classes:
        raise Mismatch(
            f"{who} has rows of its largest logits, which say little of some classes alone",
            expected=f"all its {store.header.classes} classes, in any order",
            found=f"{len(columns_C)} of them in the class map",
            do="use a store of this guide in another encoding, such as float16",
        )
    try:
        return encoding.at(temperature)
    except InvalidInput as error:
        first, known = encoding.temperatures[0], " or ".join(f"{each:g}" for each in encoding.temperatures)
        raise Mismatch(
            f"{who} has rows of its largest logits, and the share of all others at some temperatures alone",
            expected=f"training at temperature {known}",
            found=f"{temperature:g}",
            do=f"train at temperature {first:g}, or dump the guide again with {temperature:g} among its "
            "topk_temperatures",
        ) from error


def topk_names(stores: Mapping[str, Sequence[GuideStore]]) -> tuple[str, ...]:
    """Returns the names of the guides with a store of the encoding `topk`; `stores` are those of each guide."""
    return tuple(name for name, own in stores.items() if any(store.encoding.temperatures for store in own))


def require_all_classes(guide_loss: GuideLoss, names: Sequence[str], *, do: str) -> None:
    """Raises InvalidInput for a guide loss that needs the logits of all classes, if these guides lack some.

    `names` are the guides with rows of the encoding `topk`, and `do` says how another loss is chosen.
    """
    if names and isinstance(guide_loss, GuideLoss) and guide_loss.needs_all_classes:
        found = guide_loss.kind if guide_loss.kind != "kl" else "standardize"
        raise InvalidInput(
            f"the guide loss {found} needs the logits of all classes, and rows in the encoding topk have the largest",
            expected="kl without standardize",
            found=f"{found}, under {', '.join(names)}",
            do=do,
        )
