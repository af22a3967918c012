"""Shows how HDF5's own library takes files that our reader takes or refuses; a script, for `docs/reliability.md`.

    python tests/stores/proofs/hdf5_library.py FOLDER RUNS FILES

Each run is a process that reads changed files with h5py until it dies, at most FILES of them: a good store with one
block of its metadata changed, under a checksum that fits, as `fuzz_targets.change_hdf5` has it. Our reader then gets
the same FILES of each run, and whatever it does but open a store or raise a promised error ends the script. Another
process reads with h5py the files that our reader took, as `to_h5py` does; it must not die, nor find another value.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
from pathlib import Path

import h5py
from stores.proofs.fuzz_targets import OUTCOMES, change_hdf5, hdf5_blocks, open_hdf5
from stores.support.small_store import SmallStore

from dgkd_stores import convert


def read_all(path: Path) -> dict[str, bytes]:
    """Every element of every dataset, as anybody reads them; without those that HDF5's library refuses."""
    found: dict[str, bytes] = {}
    with contextlib.suppress(Exception), h5py.File(path) as file:
        for name in file:
            with contextlib.suppress(Exception):
                found[name] = file[name][...].tobytes()
    return found


def main(folder: Path, runs: int, files: int) -> None:
    SmallStore().write(folder / "good.zarr")
    for codec in ("none", "gzip"):
        convert(folder / "good.zarr", folder / f"{codec}.h5", codec=codec)
    print(h5py.version.info.splitlines()[3:5])
    for seed in range(runs):
        command = [sys.executable, __file__, str(folder), "--read", str(seed), str(files)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        how = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
        print(f"run {seed}: {how} after {len(done.stdout)} files", flush=True)
        chance, good = random.Random(seed), good_files(folder)
        for number in range(files):
            if open_hdf5(folder / "changed.h5", *chance.choice(good), chance):
                (folder / "changed.h5").rename(folder / f"taken.{seed}.{number}.h5")
    opened = OUTCOMES["opened"]
    print(f"our reader: {opened} of {runs * files} files opened, {sum(OUTCOMES.values()) - opened} refused", flush=True)
    subprocess.run([sys.executable, __file__, str(folder), "--taken"], check=True)


def good_files(folder: Path) -> list[tuple[bytes, list[tuple[int, int]]]]:
    """With where their metadata lies."""
    return [(data, hdf5_blocks(data)) for data in ((folder / f"{codec}.h5").read_bytes() for codec in ("none", "gzip"))]


def one_run(folder: Path, seed: int, files: int) -> None:
    chance, good = random.Random(seed), good_files(folder)
    for _ in range(files):
        (folder / "changed.h5").write_bytes(change_hdf5(*chance.choice(good), chance))
        read_all(folder / "changed.h5")
        sys.stdout.write(".")
        sys.stdout.flush()


def read_taken(folder: Path) -> None:
    good, refused = read_all(folder / "none.h5"), 0
    assert len(good) > 8
    taken = sorted(folder.glob("taken.*"))
    for path in taken:
        found = read_all(path)
        assert found.items() <= good.items(), path
        refused += found != good
    print(f"HDF5's library: {len(taken)} of the opened files read, {refused} of them refused in part")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if sys.argv[2] == "--read":
        one_run(place, int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[2] == "--taken":
        read_taken(place)
    else:
        place.mkdir(parents=True)
        main(place, int(sys.argv[2]), int(sys.argv[3]))
