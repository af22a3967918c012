"""Shows lines about the data set on stderr: where it was read from, and what was skipped or changed.

They come from the logger `dgkd_cache.datasets`. Loads no torch.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dgkd_cli.lines import WARNING, say

__all__ = ["data_lines"]


class _OnStderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(("" if record.levelno < logging.WARNING else WARNING) + record.getMessage())


@contextmanager
def data_lines(*, quiet: bool, said: bool) -> Iterator[None]:
    """Shows the lines in the `with` block: only warnings if `quiet`, none unless `said`."""
    logger, handler = logging.getLogger("dgkd_cache.datasets"), _OnStderr()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.CRITICAL if not said else logging.WARNING if quiet else logging.INFO)
    logger.propagate = False  # a user's module:factory may set up logging, and would show each line again
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
