"""Fuzzing guided by coverage: metadata, compressed chunks, HDF5 files; a script, for Linux with atheris installed.

    python tests/stores/proofs/fuzz_metadata.py metadata -runs=200000
    python tests/stores/proofs/fuzz_metadata.py chunk -max_total_time=300

Options are libFuzzer's. It starts from good stores, changes JSON by its structure, stops at the first input that breaks
a promise (`fuzz_targets.py`), leaving it as `crash-...`, and prints last what came of the inputs.
"""

from __future__ import annotations

import atexit
import json
import random
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from support.memory import go_on_in_a_child

if __name__ == "__main__":
    go_on_in_a_child()  # libFuzzer's limit on memory is on `ru_maxrss`

import atheris

with atheris.instrument_imports(include=["dgkd_stores"]):
    import dgkd_stores.coding.codecs
    import dgkd_stores.containers
    import dgkd_stores.format.header
    import dgkd_stores.format.metadata
    import dgkd_stores.reading.reader  # noqa: F401  (imported here to be instrumented)

import numpy as np
from numcodecs import blosc, zstd
from stores.proofs.fuzz_targets import OUTCOMES, decode_chunk, hdf5_blocks, open_hdf5, open_with, read_group
from stores.support.small_store import SmallStore
from support.mutations import as_json, mutate, mutate_text

from dgkd_stores import convert
from dgkd_stores.coding.codecs import Zstd

FILES = ("zarr.json", "logits/zarr.json", "digest/zarr.json", "label/zarr.json")
EVERY = 1000


def metadata(folder: Path) -> None:
    """The first byte of an input chooses the zarr.json, the rest is its bytes."""
    store, seeds = folder / "a.zarr", folder / "seeds"
    SmallStore(views=2, samples=24, classes=3, tests=5).write(store)
    good = [(store / name).read_bytes() for name in FILES]
    for number, data in enumerate(good):
        # Compact, so that mutations seldom hit white space.
        (seeds / str(number)).write_bytes(bytes([number]) + as_json(json.loads(data)))

    def change(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        # Half of all is the group's, which has the header in it.
        which = chance.choice([0, 0, 0, chance.randrange(len(FILES))])
        if chance.randrange(8) == 0:
            return atheris.Mutate(data, most)
        try:
            same = data and data[0] == which and chance.randrange(4)
            value = json.loads(data[1:] if same else good[which])
            text = as_json(mutate(value, chance)) if chance.randrange(4) else mutate_text(data[1:], chance)
        except (ValueError, RecursionError):
            text = good[which]
        return (bytes([which]) + text)[:most]

    def run(data: bytes) -> None:
        name = FILES[data[0] % len(FILES)] if data else FILES[0]
        if name != FILES[0] or read_group(data[1:]):
            open_with(store, name, data[1:])
        say()

    start(run, seeds, change, 8192)


def chunk(folder: Path) -> None:
    """The form of `decode_chunk`: sound chunks with a few bytes changed, for the C libraries are not instrumented."""
    sound = []
    rng = np.random.default_rng(0)
    for nbytes in (1, 100, 192, 4096, 40_000, 65_536):
        for levels in (1, 5, 256):
            raw = rng.integers(0, levels, nbytes, dtype=np.uint8)
            head = (nbytes - 1).to_bytes(2, "little")
            for typesize in (1, 4):
                for name in (b"zstd", b"lz4", b"zlib", b"blosclz"):
                    for shuffle in range(3):
                        # The last number is the size of a block: several of them in a chunk.
                        made = blosc.compress(raw, name, 5, shuffle, rng.choice([0, 512, 4096]), typesize)
                        sound.append(b"\0" + head + bytes(made))
            sound.append(b"\1" + head + bytes(Zstd().encode(raw, 1)))
            sound.append(b"\1" + head + bytes(zstd.compress(raw, 1, False)))
    for number, data in enumerate(sound):
        (folder / "seeds" / str(number)).write_bytes(data)

    def change(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        changed = bytearray(chance.choice(sound) if chance.randrange(4) else data or b"\0")
        for _ in range(chance.choice([1, 1, 2, 4, 16])):
            # Headers and offsets of blocks more often than what they lead to.
            at = chance.randrange(min(len(changed), chance.choice([12, 24, 60, len(changed)])))
            changed[at] = chance.choice(
                [0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256), changed[at] ^ 1 << chance.randrange(8)]
            )
        if chance.randrange(8) == 0:
            del changed[chance.randrange(len(changed)) :]
        if changed[:1] == b"\0" and len(changed) > 19 and chance.randrange(8):
            # The sizes that are compared before the library sees any of it.
            nbytes = 1 + int.from_bytes(changed[1:3], "little")
            changed[7:11], changed[15:19] = nbytes.to_bytes(4, "little"), (len(changed) - 3).to_bytes(4, "little")
        return bytes(changed[:most])

    def run(data: bytes) -> None:
        decode_chunk(data)
        say()

    start(run, folder / "seeds", change, 70_000)


def hdf5(folder: Path) -> None:
    """An input is the seed of the changes to one of two good files."""
    SmallStore(views=2, samples=24, classes=3, tests=5).write(folder / "a.zarr")
    made = []
    for codec in ("none", "gzip"):
        convert(folder / "a.zarr", folder / f"{codec}.h5", codec=codec)
        good = (folder / f"{codec}.h5").read_bytes()
        made.append((good, hdf5_blocks(good)))

    def change(data: bytes, most: int, seed: int) -> bytes:
        return seed.to_bytes(8, "little", signed=seed < 0)

    def run(data: bytes) -> None:
        chance = random.Random(data)
        open_hdf5(folder / "changed.h5", *chance.choice(made), chance)
        say()

    start(run, folder / "seeds", change, 8)


def start(run, seeds, change, most) -> None:
    options = [sys.argv[0], *sys.argv[2:], f"-max_len={most}", "-timeout=20", "-rss_limit_mb=1024", str(seeds)]
    atheris.Setup(options, run, custom_mutator=change)
    atheris.Fuzz()


def say() -> None:
    """Prints the outcomes so far, once in a while: libFuzzer does not tell Python when it ends."""
    if OUTCOMES.total() % EVERY == 0:
        print(OUTCOMES.total(), dict(OUTCOMES.most_common()), flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "seeds").mkdir()
        atexit.register(lambda: print(OUTCOMES.total(), dict(OUTCOMES.most_common()), flush=True))
        {"metadata": metadata, "chunk": chunk, "hdf5": hdf5}[sys.argv[1]](Path(made))
