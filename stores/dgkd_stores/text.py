"""Text from a store, a card or another host made safe to show: no control characters, no markup, bounded."""

from __future__ import annotations

import unicodedata

__all__ = ["MAX_SHOWN", "clean"]

MAX_SHOWN = 200
"""Characters shown of any one text."""

# Brackets open markup in rich and in HTML alike; round ones open nothing anywhere.
_BRACKETS = str.maketrans("[]<>", "()()")
# Other, format (bidirectional overrides), private use, surrogates, line and paragraph separators.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def clean(text: str) -> str:
    """`text` as it may be shown: what could act on a terminal or a page becomes "?" or a round bracket."""
    cut = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
    safe = "".join("?" if unicodedata.category(letter) in _UNSAFE_CATEGORIES else letter for letter in cut)
    return safe.translate(_BRACKETS)
