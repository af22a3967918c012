"""Text from a store, a card or another host made safe to show: no control characters, no markup, bounded."""

from __future__ import annotations

import unicodedata

__all__ = ["MAX_LINE", "MAX_SHOWN", "clean", "is_utf8", "one_line"]

MAX_SHOWN = 200
"""Characters shown of any one text."""

MAX_LINE = 2000
"""The longest part of a message; a path may have 4096 bytes."""

# Brackets open markup in rich and in HTML alike; round ones open nothing anywhere.
_BRACKETS = str.maketrans("[]<>", "()()")
# Other, format (bidirectional overrides), private use, surrogates, line and paragraph separators.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def clean(text: str) -> str:
    """`text` as it may be shown: what could act on a terminal or a page becomes "?" or a round bracket."""
    return _harmless(_cut(str(text), MAX_SHOWN)).translate(_BRACKETS)


def one_line(text: str) -> str:
    """A part of a message, which may have a path or another library's words in it, as one line of bounded length."""
    return _harmless(" ".join(_cut(text, MAX_LINE).splitlines()))


def is_utf8(text: str) -> bool:
    """True where UTF-8 can hold the text: it has no lone surrogate, which stands for a byte that is no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _harmless(text: str) -> str:
    return "".join("?" if unicodedata.category(letter) in _UNSAFE_CATEGORIES else letter for letter in text)
