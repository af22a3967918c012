"""The fuzzers' targets: metadata and chunks of any bytes end in a sound value or in the errors that are promised."""

from __future__ import annotations

import ctypes
import itertools
import json
import mmap
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stores.support.checksums import add_checksum

from dgkd_stores import DgkdError, GuideStore, StoreHeader
from dgkd_stores.coding.codecs import Blosc, Codec, Zstd, blosc, zstd
from dgkd_stores.format.metadata import parse_json

__all__ = ["OUTCOMES", "REFUSALS", "Guarded", "decode_chunk", "hdf5_blocks", "open_hdf5", "open_with", "read_group"]

REFUSALS = (12, 13, 15)

OUTCOMES: Counter[str] = Counter()
"""The number of inputs by their result: the depth that a fuzzer reaches."""


def read_group(data: bytes) -> bool:
    """Returns True if bytes are JSON with a header that could be a store's: `open_with` asks this first, on no disk."""
    try:
        group = parse_json(data, Path("x.zarr"))
        attributes = group.get("attributes") if isinstance(group, dict) else None
        StoreHeader.from_dict(attributes.get("dgkd") if isinstance(attributes, dict) else None)
        return True
    except DgkdError as error:
        refuse(error)
        return False


def refuse(error: DgkdError) -> None:
    """Count a refusal, if it is one that is promised."""
    assert error.exit_code in REFUSALS, error
    assert str(error).isprintable(), repr(str(error))
    problem = re.split("[.](?:zarr|h5)", error.problem)[-1]
    OUTCOMES[problem if re.fullmatch("[a-zA-Z_.:,/ 0-9]{1,60}", problem) else "in other words"] += 1


def open_with(store: Path, name: str, data: bytes) -> None:
    """Open a good store with other bytes in one of its zarr.json files, and put back what was there."""
    file = store / name
    before = file.read_bytes()
    file.write_bytes(data)
    try:
        with GuideStore.open(store, allow_incomplete=True) as opened:
            # What is taken means what the JSON says, and nothing is put right on the way.
            group = json.loads((store / "zarr.json").read_bytes())
            assert (
                opened.header.canonical
                == json.dumps(
                    group["attributes"]["dgkd"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
                ).encode()
            )
            assert opened.seal == group["attributes"].get("dgkd_seal")
            if opened.seal or opened.completeness().complete:
                opened.gather([opened.views[0]], [0])
            OUTCOMES["opened"] += 1
    except DgkdError as error:
        refuse(error)
    finally:
        file.write_bytes(before)


def hdf5_blocks(data: bytes) -> list[tuple[int, int]]:
    """Returns the places and lengths of the blocks of metadata in a sound HDF5 file, without their checksums."""
    found = []
    for signature in (b"\x89HDF", b"OHDR", b"FAHD", b"FADB", b"FRHP", b"BTHD", b"BTLF"):
        for match in re.finditer(re.escape(signature), data):
            at = match.start()
            fits = (n for n in range(12, 600) if data[at + n : at + n + 4] == add_checksum(data[at : at + n])[-4:])
            found += [(at, length) for length in itertools.islice(fits, 1)]
    return found


def change_hdf5(good: bytes, blocks: list[tuple[int, int]], chance: random.Random) -> bytes:
    """A good file with changes in one block of its metadata, under a checksum that fits."""
    data, (at, length) = bytearray(good), chance.choice(blocks)
    for _ in range(chance.choice([1, 1, 2, 4])):
        place = at + 4 + chance.randrange(length - 4)
        new = chance.choice([b"\0", b"\1", b"\xff", bytes([chance.randrange(256)]), b"\xff" * 8, b"\0" * 8])
        new = new[: at + length - place]
        data[place : place + len(new)] = new
    data[at + length : at + length + 4] = add_checksum(bytes(data[at : at + length]))[-4:]
    return bytes(data)


def open_hdf5(path: Path, good: bytes, blocks: list[tuple[int, int]], chance: random.Random) -> bool:
    """Returns True if a good file opens and reads whole with one block of its metadata changed as in `change_hdf5`."""
    path.write_bytes(change_hdf5(good, blocks, chance))
    try:
        with GuideStore.open(path) as store:
            samples_N = np.arange(store.header.dataset.samples)
            for view in store.views:
                store.gather(np.full_like(samples_N, view), samples_N)
            OUTCOMES["opened"] += 1
            return True
    except DgkdError as error:
        refuse(error)
        return False


class Guarded:
    """Memory that ends where a page begins that nobody may touch: one byte too far is a crash and not a chance."""

    def __init__(self, most: int) -> None:
        page = mmap.PAGESIZE
        self.size = -(-most // page) * page
        self._map = mmap.mmap(-1, self.size + page)
        self._all = np.frombuffer(self._map, dtype=np.uint8)
        libc = ctypes.CDLL(None, use_errno=True)
        end = ctypes.c_void_p(self._all.ctypes.data + self.size)
        assert libc.mprotect(end, ctypes.c_size_t(page), 0) == 0, ctypes.get_errno()

    def last(self, nbytes: int, fill: int) -> NDArray[np.uint8]:
        """The last bytes before the guard, and what lies before them, all of one value."""
        self._all[: self.size] = fill
        return self._all[self.size - nbytes : self.size]

    def before(self, nbytes: int) -> NDArray[np.uint8]:
        """Returns the memory before those bytes."""
        return self._all[: self.size - nbytes]


class _Numpy:
    """numpy as the codecs see it, with `empty` in guarded memory."""

    def __init__(self, memory: Guarded) -> None:
        self.memory, self.fill = memory, 0

    def empty(self, nbytes: int, dtype: Any) -> NDArray[np.uint8]:
        return self.memory.last(nbytes, self.fill)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


MOST = 2**16
_SOURCE, _INTO = Guarded(MOST), Guarded(MOST)


def decode_chunk(data: bytes) -> None:
    """Decode a chunk: the first byte chooses the codec, two say how large it is to be, the rest is the file."""
    if len(data) < 3:
        return
    codec: Codec = Zstd() if data[0] % 2 else Blosc()
    nbytes = 1 + int.from_bytes(data[1:3], "little")
    stored = _SOURCE.last(len(data[3 : MOST + 3]), 0)
    stored[:] = np.frombuffer(data[3 : MOST + 3], dtype=np.uint8)
    numpy = _Numpy(_INTO)
    found = []
    blosc.np = zstd.np = numpy
    try:
        for numpy.fill in (0xAA, 0x55):
            raw = codec.decode(stored, nbytes)
            assert raw.nbytes == nbytes and (_INTO.before(nbytes) == numpy.fill).all()
            found.append(raw.tobytes())
        # Nothing of what was in memory before comes out.
        assert found[0] == found[1], f"{codec.name} leaves bytes unset"
        OUTCOMES[f"{codec.name} decoded"] += 1
    except ValueError as error:
        OUTCOMES[f"{codec.name}: {re.sub('-?[0-9]+', 'n', str(error))}"] += 1
    finally:
        blosc.np = zstd.np = np
