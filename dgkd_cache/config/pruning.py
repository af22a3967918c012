"""The table [pruning] of `dgkd.toml`, and the sparsities of pruned models. Loads no torch."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from pydantic import Field

from dgkd_cache.config.tables import MOST, Table
from dgkd_cache.errors import InvalidInput

__all__ = ["PruningConfig", "parse_sparsity", "removed_weights", "sparsity_name"]


class PruningConfig(Table):
    """The importance by which weights are removed, for `dgkd-cache prune` and members `pruned:NAME@SPARSITY`."""

    criterion: Literal["guided", "gradient", "magnitude"] = Field(
        default="guided",
        description="guided: |weight x gradient| of the loss under guides; gradient: without them; magnitude: |weight|",
    )
    steps: int = Field(default=100, ge=1, le=MOST, description="batches whose gradients count; no weight is updated")
    batch_size: int = Field(default=128, ge=1, le=MOST, description="samples in each of them")
    standardize: bool = Field(default=True, description="guided: logits lose mean and spread first, as published")


def parse_sparsity(text: str) -> float:
    """Returns the share of weights to remove that a text names. Raises InvalidInput unless it is in [0, 1)."""
    try:
        sparsity = float(text)
    except ValueError:
        sparsity = math.nan
    if not 0 <= sparsity < 1:
        raise InvalidInput(
            "a sparsity is wrong",
            expected="a number from 0 to below 1, the share of weights that are removed, as 0.8",
            found=repr(text[:80]),
        )
    return abs(sparsity)  # -0 is 0


def removed_weights(sparsity: float, weights: int) -> int:
    """Returns how many of so many weights are removed: sparsity x weights, rounded to the nearest, of two the even one.

    The sparsity counts as the decimal number that it is written as: a tenth of ten is one, and no binary fraction.
    """
    return round(Fraction(repr(sparsity)) * weights)


def sparsity_name(sparsity: float) -> str:
    """Returns the sparsity as a part of a run's name, in per cent: "s80" of 0.8, "s97_5" of 0.975."""
    whole, _, rest = f"{Decimal(repr(sparsity)) * 100:f}".partition(".")
    return f"s{whole}_{rest.rstrip('0')}".rstrip("_")
