"""Writes a value as TOML does, into dgkd.toml and into messages. Loads no torch."""

from __future__ import annotations

import datetime
import json
import re

__all__ = ["toml_text"]


def toml_text(value: object) -> str:
    """Returns a value of TOML as its text; anything else is as Python writes it.

    Raises ValueError for an integer with more digits than Python writes.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # TOML has JSON's escapes, but also requires one for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key_text(key)} = {toml_text(one)}' for key, one in value.items())}}}"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return repr(value)


def _key_text(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else toml_text(key)
