"""The order in which stores are listed."""

from __future__ import annotations

import re

from dgkd_stores import split_draw_name

__all__ = ["by_draw"]


def by_draw(name: str) -> tuple[str, int, str]:
    """Returns the key that sorts draws by their number, and those of some views beside them."""
    guide, draw = split_draw_name(re.sub(r"(\.d\d+)-\d+-\d+$", r"\1", name))
    return guide, -1 if draw is None else draw, name
