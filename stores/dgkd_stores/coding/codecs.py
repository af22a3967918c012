"""Codecs, the forms of a chunk's bytes on disk: raw, or compressed by a codec of this short list.

A codec never gives out more or fewer bytes than the chunk's declared size, whatever its input says of itself.
Sources: the Zarr v3 codecs `blosc` and `zstd`; the blosc header (c-blosc, README_CHUNK_FORMAT).
"""

from __future__ import annotations

import difflib
import os
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import require_kind
from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.errors import InvalidInput
from dgkd_stores.fork_lock import fork_safe_lock

__all__ = [
    "MAX_ENCODED_CHUNK_BYTES",
    "RAW",
    "Blosc",
    "Codec",
    "Raw",
    "ZarrCodec",
    "Zstd",
    "codec_named",
    "codec_names",
    "codec_of",
]

MAX_ENCODED_CHUNK_BYTES = 512 * 2**20
"""The limit of a chunk that has to be decoded, once decoded: it lies in memory as a whole."""

_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")


class Codec(ABC):
    """One way to hold the bytes of a chunk, in any container."""

    name: str

    @abstractmethod
    def encode(self, raw: NDArray[np.uint8], itemsize: int) -> bytes | memoryview:
        """The bytes of the file for the flat bytes of a chunk with its padding."""

    @abstractmethod
    def decode(self, stored: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
        """Exactly `nbytes` bytes; `ValueError` for anything that is not exactly that."""

    @abstractmethod
    def plausible(self, stored: int, nbytes: int) -> bool:
        """True where a file of `stored` bytes can hold a chunk of `nbytes`."""


class ZarrCodec(Codec):
    """One that an array of a Zarr folder can have: its zarr.json says so."""

    @abstractmethod
    def metadata(self, itemsize: int) -> list[dict[str, JsonValue]]:
        """The codecs after `bytes` in an array's zarr.json, as our writer writes it."""

    @abstractmethod
    def matches(self, found: JsonValue, itemsize: int) -> bool:
        """True where `found`, in that place, means this codec: levels and the like do not matter to a reader."""


class Raw(ZarrCodec):
    """The elements themselves."""

    name = "none"

    def metadata(self, itemsize: int) -> list[dict[str, JsonValue]]:
        return []

    def matches(self, found: JsonValue, itemsize: int) -> bool:
        return found == []

    def encode(self, raw: NDArray[np.uint8], itemsize: int) -> bytes | memoryview:
        return raw.data

    def decode(self, stored: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
        if stored.size != nbytes:
            raise ValueError(f"{stored.size} bytes")
        return stored

    def plausible(self, stored: int, nbytes: int) -> bool:
        return stored == nbytes


class _Compressed(ZarrCodec):
    """The base of the two compressors."""

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
            and self._configuration(given, itemsize)
        )

    @abstractmethod
    def _configuration(self, given: dict[str, Any], itemsize: int) -> bool:
        """True where another writer's configuration, which has our keys, is one that we know."""


class Zstd(_Compressed):
    """Zstandard (RFC 8878)."""

    name = "zstd"
    level = 3

    def metadata(self, itemsize: int) -> list[dict[str, JsonValue]]:
        # The frame's own checksum: a damaged file is noticed by any reader, not only by ours.
        return [{"name": "zstd", "configuration": {"level": self.level, "checksum": True}}]

    def _configuration(self, given: dict[str, Any], itemsize: int) -> bool:
        return _integer(given["level"], -(2**17), 22) and isinstance(given["checksum"], bool)

    def encode(self, raw: NDArray[np.uint8], itemsize: int) -> bytes | memoryview:
        from numcodecs import zstd

        return bytes(zstd.compress(raw, level=self.level, checksum=True))

    def decode(self, stored: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
        into = np.empty(nbytes, dtype=np.uint8)
        # The library says neither how much it decoded nor that it was too little. What does not fit into one byte
        # less and fits into `nbytes` has that many; a size that the frame states is compared before any decoding.
        if _fits(stored, into[:-1]):
            raise ValueError(f"less than {nbytes} bytes")
        if not _fits(stored, into):
            raise ValueError(f"no frame of {nbytes} bytes")
        return into


class _OneThread:
    """Blosc without its own threads: they order blocks by chance, and do not survive a fork.

    Its switch is a global one: the first thread to come in turns it off, the last one to leave puts it back.
    """

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._inside = 0
        self._before: bool | None = None
        os.register_at_fork(after_in_child=self._alone)

    def __enter__(self) -> None:
        from numcodecs import blosc

        with self._lock:
            if not self._inside:
                self._before, blosc.use_threads = blosc.use_threads, False
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        from numcodecs import blosc

        with self._lock:
            self._inside -= 1
            if not self._inside:
                blosc.use_threads = self._before

    def _alone(self) -> None:
        """In a forked child nobody else is inside."""
        if self._inside:
            from numcodecs import blosc

            self._inside, blosc.use_threads = 0, self._before


_ONE_THREAD = _OneThread()


class Blosc(_Compressed):
    """Blosc 1 with Zstandard inside; elements of several bytes are shuffled, which gains 8 % on float16 logits."""

    name = "blosc"
    level = 5

    def metadata(self, itemsize: int) -> list[dict[str, JsonValue]]:
        settings: dict[str, JsonValue] = {
            "typesize": itemsize,
            "cname": "zstd",
            "clevel": self.level,
            "shuffle": "shuffle" if itemsize > 1 else "noshuffle",
            "blocksize": 0,
        }
        return [{"name": "blosc", "configuration": settings}]

    def _configuration(self, given: dict[str, Any], itemsize: int) -> bool:
        return (
            given["cname"] in ("zstd", "lz4", "lz4hc", "zlib", "blosclz")
            and given["shuffle"] in _SHUFFLES
            and _integer(given["typesize"], 1, 255)
            and _integer(given["clevel"], 0, 9)
            and _integer(given["blocksize"], 0, 2**31 - 1)
        )

    def encode(self, raw: NDArray[np.uint8], itemsize: int) -> bytes | memoryview:
        from numcodecs import blosc

        shuffle = blosc.SHUFFLE if itemsize > 1 else blosc.NOSHUFFLE
        with _ONE_THREAD:
            return bytes(blosc.compress(raw, b"zstd", self.level, shuffle, 0, itemsize))

    def decode(self, stored: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
        from numcodecs import blosc

        # The library believes the sizes in the header: they are compared with the file's and the chunk's first.
        if stored.size < 16:
            raise ValueError(f"{stored.size} bytes")
        declared, block, compressed = np.frombuffer(stored[4:16].tobytes(), dtype="<u4").tolist()
        if declared != nbytes or compressed != stored.size or block > nbytes:
            raise ValueError(f"a header of {declared} bytes in {compressed}, in blocks of {block}")
        into = np.empty(nbytes, dtype=np.uint8)
        try:
            with _ONE_THREAD:
                blosc.decompress(stored, into)
        except (RuntimeError, ValueError) as error:
            raise ValueError(str(error)) from error
        return into


RAW = Raw()

_CODECS: dict[str, ZarrCodec] = {each.name: each for each in (RAW, Blosc(), Zstd())}


def codec_names() -> tuple[str, ...]:
    """Every codec of a Zarr folder; the first is no compression."""
    return tuple(_CODECS)


def codec_named(name: str) -> ZarrCodec:
    """The codec of a Zarr folder that has that name; `InvalidInput` names the known ones and the closest."""
    require_kind("codec_named", "name", name, str, expected="the name of a codec")
    if name not in _CODECS:
        closest = difflib.get_close_matches(name, _CODECS, n=1, cutoff=0.4)
        raise InvalidInput(
            "unknown codec",
            expected=f"one of {', '.join(codec_names())}",
            found=repr(name[:64]),
            do=f"did you mean {closest[0]!r}?" if closest else "",
        )
    return _CODECS[name]


def codec_of(stages: JsonValue, itemsize: int) -> ZarrCodec | None:
    """The codec that these stages after `bytes` in a zarr.json mean; None for any that is not on the list."""
    return next((each for each in _CODECS.values() if each.matches(stages, itemsize)), None)


def _fits(stored: NDArray[np.uint8], into: NDArray[np.uint8]) -> bool:
    from numcodecs import zstd

    try:
        zstd.decompress(stored, into)
    except (RuntimeError, ValueError):
        return False
    return True


def _integer(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
