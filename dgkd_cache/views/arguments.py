"""The arguments of a transform's text, as the 4 in "crop(4)": integers, decimals and words.

A decimal is kept as text, in one form for each number, because plans hold integers and texts but no floats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

__all__ = ["Argument", "Choice", "Decimal", "Integer", "Value", "probability"]

Value = int | str

_INTEGER = re.compile(r"[0-9]{1,9}", re.ASCII)
_DECIMAL = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?", re.ASCII)


class Argument(Protocol):
    """One argument: how it is called in the transform's form, and which values it takes."""

    @property
    def name(self) -> str:
        """The name in the form, as PIXELS in crop(PIXELS)."""

    @property
    def expected(self) -> str:
        """The values that it takes, for messages."""

    def read(self, text: str) -> Value | None:
        """Returns the value of a text, None for a text of another kind."""

    def has_kind(self, value: object) -> bool:
        """Returns whether it could be a value: an integer, a decimal in its one form, a word."""

    def takes(self, value: Value) -> bool:
        """Returns whether a value of its kind is one that it takes."""


@dataclass(frozen=True)
class Integer:
    """An integer in a range, called `what` and counted in `unit`."""

    name: str
    what: str
    low: int
    high: int
    unit: str = ""

    @property
    def expected(self) -> str:
        return f"{self.what} from {self.low} to {self.high}{self.unit and f' {self.unit}'}"

    def read(self, text: str) -> Value | None:
        return int(text) if _INTEGER.fullmatch(text) else None

    def has_kind(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def takes(self, value: Value) -> bool:
        return self.low <= int(value) <= self.high


@dataclass(frozen=True)
class Decimal:
    """A decimal in a range, called `what`: text without leading or trailing zeros, such as "0.25" or "1"."""

    name: str
    what: str
    low: str
    high: str

    @property
    def expected(self) -> str:
        return f"{self.what} from {self.low} to {self.high}"

    def read(self, text: str) -> Value | None:
        found = _DECIMAL.fullmatch(text)
        if found is None:
            return None
        whole, rest = str(int(found[1])), (found[2] or "").rstrip("0")
        return f"{whole}.{rest}" if rest else whole

    def has_kind(self, value: object) -> bool:
        return isinstance(value, str) and self.read(value) == value

    def takes(self, value: Value) -> bool:
        return Fraction(self.low) <= Fraction(value) <= Fraction(self.high)


@dataclass(frozen=True)
class Choice:
    """A word out of `words`, called `what`."""

    name: str
    what: str
    words: Sequence[str]

    @property
    def expected(self) -> str:
        return f"{self.what} out of {', '.join(self.words)}"

    def read(self, text: str) -> Value | None:
        return text

    def has_kind(self, value: object) -> bool:
        return isinstance(value, str)

    def takes(self, value: Value) -> bool:
        return value in self.words


def probability(name: str = "P") -> Decimal:
    """Returns the argument that is a probability."""
    return Decimal(name, "a probability", "0", "1")
