"""Opening a finished store, and verifying one, beside reading and hashing the bytes that each must look at.

Everything is read from the page cache: what is timed is the work, not the disk.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.harness import arguments, at_least, at_most, finish, ratio, rounds, scratch, seconds
from benchmarks.result import Row, Side
from benchmarks.spread import Bar
from benchmarks.synthetic import cifar_like, random_store, views_of
from dgkd_stores import GuideStore, encoding_names, verify


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 11, "views": 200, "samples": 50_000, "classes": 100, "verify_views": 40, "verify_rounds": 7}
    quick = {"rounds": 2, "views": 5, "samples": 2_000, "verify_views": 2, "verify_rounds": 2}
    options = arguments(__doc__, defaults, quick, given)
    views = views_of(cifar_like(options.samples, options.classes))
    rows: list[Row] = []
    notes: list[str] = []
    with scratch(options) as folder:
        path = folder / "large.zarr"
        random_store(path, views, count=options.views)
        rows.append(_opening(path, options.rounds, at_most(0.3)))
    for encoding in encoding_names():
        with scratch(options) as folder:
            path = folder / "guide.zarr"
            random_store(path, views, count=options.verify_views, encoding=encoding)
            row, note = _verifying(path, encoding, options.verify_rounds)
            rows.append(row)
            notes.append(note)
    finish("stores", "Opening and verifying a store", rows, options, notes)


def _opening(path: Path, count: int, bar: Bar | None) -> Row:
    """The floor is to read and hash every file that opening must read: all but the rows."""
    rows = {"logits", "scale"}
    files = [
        file
        for file in path.rglob("*")
        if file.is_file() and not (file.parent.name in rows and file.name != "zarr.json")
    ]
    nbytes = sum(file.stat().st_size for file in files)
    times = rounds(
        {
            "open": lambda i: seconds(lambda: GuideStore.open(path).close()),
            "floor": lambda i: seconds(partial(_hash_all, files)),
        },
        count,
    )
    with GuideStore.open(path) as store:
        shape = f"{len(store.views)} x {len(store.label_N):,} x {store.header.classes}"
    floor = statistics.median(times["floor"])
    return Row(
        what=f"opening {shape} ({store.nbytes / 1e9:.2f} GB, {store.header.encoding})",
        unit="s",
        samples=tuple(times["open"]),
        sides=(Side(name=f"read and hash {len(files)} files, {nbytes / 1e6:.1f} MB", median=floor),),
        floor=floor,
        floor_is="reading and hashing what it must look at",
        higher_is_better=False,
        bar=bar,
    )


def _verifying(path: Path, encoding: str, count: int) -> tuple[Row, str]:
    files = sorted(path.rglob("c.*"))
    nbytes = sum(file.stat().st_size for file in files)
    assert verify(path, full=True).exit_code == 0, "a store that was just written"
    times = rounds(
        {
            "SHA-256": lambda i: seconds(partial(_hash_all, files)),
            "verify --full": lambda i: seconds(partial(verify, path, full=True)),
            "verify": lambda i: seconds(partial(verify, path)),
        },
        count,
    )
    row = ratio(
        f"{encoding}, {nbytes / 1e6:,.0f} MB: SHA-256 alone / verify --full",
        times,
        over="SHA-256",
        under="verify --full",
        floor_is="hashing alone",
        bar=at_least(0.7),
    )
    rate = nbytes / 1e6 / statistics.median(times["verify --full"])
    quick = statistics.median(times["verify"])
    return row, f"{encoding}: verify --full {rate:,.0f} MB/s; verify without --full {1e3 * quick:.0f} ms."


def _hash_all(files: Sequence[Path]) -> None:
    for file in files:
        with file.open("rb") as content:
            hashlib.file_digest(content, "sha256")


if __name__ == "__main__":
    main()
