"""The default folder of data sets; a module of its own because the command line loads no torch."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DEFAULT_DATA_ROOT"]

DEFAULT_DATA_ROOT = Path("~/.cache/dgkd-cache")
