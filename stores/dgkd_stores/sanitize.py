"""Sanitises text from a store, a card or another host for display: no control characters, no markup, bounded length."""

from __future__ import annotations

import unicodedata

__all__ = ["MAX_LINE", "MAX_SHOWN", "clean", "is_utf8", "one_line"]

MAX_SHOWN = 200
"""Maximum characters shown of one text."""

MAX_LINE = 2000
"""Maximum length of a part of a message; a path may have 4096 bytes."""

# Square and angle brackets open markup in rich and HTML; round ones do not.
_BRACKETS = str.maketrans("[]<>", "()()")
# Other, format (bidirectional overrides), private use, surrogates, line and paragraph separators.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def clean(text: str) -> str:
    """Returns `text` with characters that could act on a terminal or a page replaced by "?" or a round bracket."""
    return _harmless(_cut(str(text), MAX_SHOWN)).translate(_BRACKETS)


def one_line(text: str) -> str:
    """Returns a part of a message, such as a path or another library's text, as one line of bounded length."""
    return _harmless(" ".join(_cut(text, MAX_LINE).splitlines()))


def is_utf8(text: str) -> bool:
    """Returns True if the text can be encoded in UTF-8, so has no lone surrogate (an undecodable byte)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _harmless(text: str) -> str:
    return "".join("?" if unicodedata.category(letter) in _UNSAFE_CATEGORIES else letter for letter in text)
