"""Notices of what work meets and goes on from: warnings of the logger `dgkd_stores`.

Without any set-up of logging, Python prints them on stderr; a program sends them elsewhere, or nowhere, as it does
with every other library's.
"""

from __future__ import annotations

import logging

from dgkd_stores.sanitize import one_line

__all__ = ["notice", "notice_once"]

_LOGGER = logging.getLogger("dgkd_stores")
_said = set[str]()


def notice(text: str) -> None:
    """One line for a person."""
    _LOGGER.warning("%s", one_line(text))


def notice_once(kind: str, text: str) -> None:
    """One line for a person, the first time that this process has one of this kind."""
    if kind not in _said:
        _said.add(kind)
        notice(text)
