"""Logs where a data set was read from, and what was skipped or changed.

The lines are records of the logger `dgkd_cache.datasets`, INFO for the source and WARNING for the rest. The command
line shows both on stderr. Without a logging configuration, Python prints the warnings there.
"""

from __future__ import annotations

import logging
from pathlib import Path

from dgkd_stores import one_line

__all__ = ["say_aligned", "say_indexing", "say_loading", "say_source", "warn"]

_LOGGER = logging.getLogger("dgkd_cache.datasets")


def say_loading(dataset: str) -> None:
    """Logs one line before a data set is read, which may take minutes."""
    _LOGGER.info("%s", one_line(f"data set {dataset}: loading"))


def say_source(dataset: str, *places: Path) -> None:
    """Logs one line that says where the samples of a data set were found."""
    found = " and ".join(str(place.absolute()) for place in places)
    _LOGGER.info("%s", one_line(f"data set {dataset}: read from {found}"))


def say_indexing(folder: Path, done: int, total: int) -> None:
    """Logs one line on the progress of reading the files of a folder for the first time."""
    _LOGGER.info("%s", one_line(f"{folder}: {done:,} of {total:,} files indexed ({100 * done // total} %)"))


def say_aligned(dataset: str, what: str) -> None:
    """Logs one line on images that were put into the order of a guide's samples."""
    _LOGGER.info("%s", one_line(f"data set {dataset}: aligned with {what}"))


def warn(text: str) -> None:
    """Logs one line about something unexpected in the images."""
    _LOGGER.warning("%s", one_line(text))
