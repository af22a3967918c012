"""The rate of dropout in the name of an architecture, as in wrn-16-2-dropout0.3."""

from __future__ import annotations

import re

from dgkd_cache.errors import InvalidInput

__all__ = ["DROPOUT", "parse_dropout"]

DROPOUT = "dropout"
"""The word before the rate."""


def parse_dropout(architecture: str) -> tuple[str, float | None]:
    """Returns the name without its rate, and the rate; None for a name without one.

    Raises InvalidInput for a rate that is no decimal from 0 to below 1.
    """
    plain, dash, rate = architecture.partition(f"-{DROPOUT}")
    if not dash:
        return architecture, None
    if not re.fullmatch(r"0(\.[0-9]{1,9})?", rate):
        raise InvalidInput(
            f"there is no {architecture}",
            expected=f"{plain}-{DROPOUT} and the rate, a decimal from 0 to below 1",
            found=architecture,
            do=f"try {plain}-{DROPOUT}0.3",
        )
    return plain, float(rate)
