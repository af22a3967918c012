"""The record of a draw: a store whose rows are those of one pass with the guide's dropout layers active.

It lies in the header as `guide.training.draw`, so that every reader of version 1 can read such a store. The guide is
then called NAME.dNUMBER. stores/FORMAT.md, Identity, has the rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dgkd_stores.arguments import describe_value
from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.errors import InvalidInput

__all__ = ["DRAW", "MAX_DRAW", "draw_in", "draw_name", "split_draw_name", "training_with_draw"]

DRAW = "draw"
"""The key in `guide.training`."""

MAX_DRAW = 2**32 - 1
"""The largest number of a draw, a word of the counter."""

_RATE = re.compile(r"0(\.[0-9]{1,400})?|1")
_NAME = re.compile(r"([a-z0-9_-]{1,64})\.d(0|[1-9][0-9]{0,9})")


def training_with_draw(
    training: Mapping[str, JsonValue], number: int, rates: Mapping[str, str]
) -> dict[str, JsonValue]:
    """Returns `training` with the record of a draw.

    Raises InvalidInput for a number out of bounds, rates that are no decimals from 0 to 1, and where `training` has
    that key already.
    """
    if DRAW in training:
        raise InvalidInput(
            f"the training of a guide that is drawn has the key {DRAW!r}",
            expected="another name: the number and the rates of the draw are kept under this one",
            found=describe_value(training[DRAW]),
            do="rename that key",
        )
    record: dict[str, JsonValue] = {"number": number, "rates": dict(rates) if isinstance(rates, Mapping) else None}
    if draw_in({DRAW: record}) is None:
        raise InvalidInput(
            "no record of a draw",
            expected=f"a number from 0 to {MAX_DRAW}, and at least one rate, decimals from 0 to 1",
            found=describe_value(record),
        )
    return {**training, DRAW: record}


def draw_in(training: Mapping[str, JsonValue]) -> int | None:
    """Returns the number of the draw that `training` records; None if it records none.

    Anything of another form under that name is a setting of the guide, and says nothing here.
    """
    found: Any = training.get(DRAW)
    if not isinstance(found, Mapping) or set(found) != {"number", "rates"}:
        return None
    number, rates = found["number"], found["rates"]
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MAX_DRAW:
        return None
    if not isinstance(rates, Mapping) or not rates:
        return None
    if not all(isinstance(rate, str) and _RATE.fullmatch(rate) for rate in rates.values()):
        return None
    return number


def draw_name(name: str, number: int) -> str:
    """Returns what the draw of that number of the guide called `name` is called: ta1.d0."""
    return f"{name}.d{number}"


def split_draw_name(text: str) -> tuple[str, int | None]:
    """Returns the guide's name and the number of its draw in a name such as ta1.d0; None for the guide itself."""
    found = _NAME.fullmatch(text)
    if found is None or int(found[2]) > MAX_DRAW:
        return text, None
    return found[1], int(found[2])
