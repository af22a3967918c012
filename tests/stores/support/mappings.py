"""The mappings of files that this process has, as /proc lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["mappings", "needs_maps"]

MAPS = Path("/proc/self/maps")

needs_maps = pytest.mark.skipif(not MAPS.exists(), reason="counts mappings in /proc")


def mappings(path: Path) -> int:
    """Returns the number of mappings that lie under a path."""
    return sum(str(path) in line for line in MAPS.read_text(encoding="utf-8").splitlines())
