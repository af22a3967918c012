"""The common base of a Zarr folder's compressors: one stage in a zarr.json, and a bound on a file's size."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.codecs.abc import ZarrCodec

__all__ = ["Compressor", "is_integer_within"]


class Compressor(ZarrCodec):
    """A codec that is one stage after `bytes`, with a configuration."""

    def plausible(self, stored: int, nbytes: int) -> bool:
        # Incompressible data grows by a header and a fraction of a percent.
        return 0 < stored <= nbytes + nbytes // 64 + 4096

    def matches(self, found: JsonValue, itemsize: int) -> bool:
        wanted = self.metadata(itemsize)[0]
        if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
            return False
        (stage,) = found
        given, ours = stage.get("configuration"), wanted["configuration"]
        assert isinstance(ours, dict)
        return (
            set(stage) == {"name", "configuration"}
            and stage["name"] == self.name
            and isinstance(given, dict)
            and set(given) == set(ours)
            and self.accepts(given, itemsize)
        )

    @abstractmethod
    def accepts(self, given: dict[str, Any], itemsize: int) -> bool:
        """Returns True if another writer's configuration, which has our keys, is supported."""


def is_integer_within(value: object, least: int, most: int) -> bool:
    """Returns True if `value` is an integer from `least` to `most`; a bool is not."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
