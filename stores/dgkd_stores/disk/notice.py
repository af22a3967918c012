"""Notices of conditions that do not stop the work: warnings of the logger `dgkd_stores`.

Without a logging configuration, Python prints them on stderr; a program can redirect them like any library's.
"""

from __future__ import annotations

import logging

from dgkd_stores.sanitize import one_line

__all__ = ["notice", "notice_once"]

_LOGGER = logging.getLogger("dgkd_stores")
said = set[str]()


def notice(text: str) -> None:
    """Logs one line."""
    _LOGGER.warning("%s", one_line(text))


def notice_once(kind: str, text: str) -> None:
    """Logs one line, the first time that this process has one of this kind."""
    if kind not in said:
        said.add(kind)
        notice(text)
