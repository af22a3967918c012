"""Indexes the image files of a folder: digest, size and traits of each, read once and remembered by `FileIndex`.

Files are read in parallel. What was read is kept while the work goes on, so that it continues where it was stopped.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgkd_cache.datasets.decoders import decoder_version
from dgkd_cache.datasets.file_index import FileFacts, FileIndex
from dgkd_cache.datasets.reading import file_digest, header_traits, open_file, read_bytes, read_each
from dgkd_cache.datasets.remarks import say_indexing
from dgkd_cache.errors import Interrupted
from dgkd_cache.paths import cache_folder
from dgkd_stores.disk import Stop, never

__all__ = ["index_files"]

_TRAITS = 2
"""The number of the traits that are looked for: it changes whenever there are others."""

_KEPT_FILES = 2**15
"""Files after which a segment is written: half a minute on a slow disk."""

_SAID = 20
"""Lines of progress at most, for as many parts of the work."""

_LEAST_SAID = 20_000
"""Files that are indexed without a line."""


def index_files(
    folder: Path,
    paths: Sequence[str],
    *,
    threads: int,
    cache: Path | None = None,
    rehash: bool = False,
    stop: Stop = never,
    clock: Callable[[], int] = time.time_ns,
) -> FileFacts:
    """Returns the facts of the files at `paths` below `folder`; reads those that are not known, with `rehash` all.

    The index lies below `cache`, by default the user's. `stop` is asked after each file: Interrupted is raised if it
    says so, and what was read is kept. Raises DataUnreadable with the number of files that cannot be read and the first
    five of them. Pillow reads the headers, whichever library decodes the pixels.
    """
    version = f"{decoder_version()}, traits {_TRAITS}"
    index = FileIndex(folder, cache=cache or cache_folder(), decoder=version, clock=clock)
    if rehash:
        index.forget()
    facts = index.find(paths)
    with index.reading(stop) if len(_unknown(facts)) else nullcontext(False) as others_kept:
        if others_kept and not rehash:
            facts = index.find(paths)
        unknown = _unknown(facts)
        # Another version of the decoder needs the headers again, and not the bytes.
        for rows, look in ((unknown[facts.read_N[unknown]], _measure), (unknown[~facts.read_N[unknown]], _read)):
            _look_at(index, facts, folder, paths, rows, look, threads, stop)
        index.finish(paths, facts)
    return facts


def _unknown(facts: FileFacts) -> NDArray[np.int64]:
    """Returns the rows of the files that have to be looked at."""
    return np.flatnonzero(~(facts.read_N & facts.measured_N))


def _look_at(
    index: FileIndex,
    facts: FileFacts,
    folder: Path,
    paths: Sequence[str],
    rows: NDArray[np.int64],
    look: Callable[[Path], _Look],
    threads: int,
    stop: Stop,
) -> None:
    """Enters what `look` finds of the files of these rows; keeps it from time to time, and when it is stopped."""
    step = max(_LEAST_SAID, len(rows) // _SAID + 1)
    done = kept = 0
    try:
        for place, found in read_each(folder, [paths[row] for row in rows], look, threads):
            row = rows[place]
            if found.digest is not None:
                facts.digest_N16[row] = np.frombuffer(found.digest, np.uint8)
            facts.shape_N2[row], facts.traits_N[row] = (found.height, found.width), found.traits
            facts.read_N[row] = facts.measured_N[row] = True
            done = place + 1
            if done - kept >= _KEPT_FILES:
                index.keep(paths, facts, rows[kept:done])
                kept = done
            if done % step == 0 and done < len(rows):
                say_indexing(folder, done, len(rows))
            if done < len(rows) and stop():
                raise Interrupted(
                    f"the reading of the files in {folder} was stopped",
                    found=f"{done:,} of {len(rows):,} read",
                    do="run the same command again to go on: what was read is kept",
                )
    finally:
        index.keep(paths, facts, rows[kept:done])


class _Look(NamedTuple):
    """The facts that are read from one file."""

    digest: bytes | None
    height: int
    width: int
    traits: int


def _read(path: Path) -> _Look:
    content = read_bytes(path)
    file = io.BytesIO(content)
    with Image.open(file) as picture:
        return _Look(file_digest(content), picture.height, picture.width, header_traits(file, picture).value)


def _measure(path: Path) -> _Look:
    with open_file(path) as file, Image.open(file) as picture:
        return _Look(None, picture.height, picture.width, header_traits(file, picture).value)
