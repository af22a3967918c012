"""Converts a finished store to another container, codec or chunking, with the same digests and seal.

Every block is checked when it is copied, and again after it was written; the target appears whole or not at all.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import as_path, require_callable, require_flags, require_kind
from dgkd_stores.coding.codecs import Codec, Deflate, codec_names, get_codec
from dgkd_stores.containers import damaged
from dgkd_stores.containers.hdf5_writer import ChunkToWrite, write_hdf5
from dgkd_stores.disk.files import full_disk, make_folder, publish_new, sync_folder, write_synced
from dgkd_stores.disk.locks import ALL_VIEWS, ViewLock
from dgkd_stores.disk.paths import names_hdf5, names_store
from dgkd_stores.errors import DgkdError, InvalidInput
from dgkd_stores.format.layout import StoreLayout, default_chunk_rows
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.writing.skeleton import write_skeleton

__all__ = ["Converted", "Report", "codecs_for", "convert"]

Report = Callable[[int, int], None]
"""Gets the bytes done and the total; rows count twice, because they are written and read again."""

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
"""Errors of a rename to a name that is in use meanwhile."""

_LEFT = "nothing half-done stays"

Advance = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Converted:
    """The store that a conversion wrote, or found at its target."""

    seal: str
    """The seal, SHA-256 in hex: that of the source."""
    kind: str
    """`zarr` or `hdf5`."""
    codec: str
    """The name of the codec of its rows."""
    nbytes: int
    """The size of all files, in bytes."""
    written: bool
    """False if the target was this store already."""


def codecs_for(target: Path | str) -> tuple[str, ...]:
    """Returns the codecs for a store of that name; the first is no compression."""
    return ("none", Deflate.name) if names_hdf5(target) else codec_names()


def convert(
    source: Path | str,
    target: Path | str,
    *,
    codec: str = "none",
    take_over: bool = False,
    report: Report = lambda done, total: None,
) -> Converted:
    """Converts the finished store `source` to `target`, of the same seal.

    A `target` that already is this store, in that container and codec, is not changed. Raises `InvalidInput` if
    anything else is there, for a name without a store's suffix, or a codec that the container does not have, `Locked`
    while another process writes there (`take_over`: see `ViewLock`), `NoSpace`, and as `GuideStore.open` and `gather`.
    """
    source, target = as_path("convert", "source", source), as_path("convert", "target", target)
    require_kind("convert", "codec", codec, str, expected="the name of a codec")
    require_flags("convert", take_over=take_over)
    require_callable("convert", report=report)
    _check_suffix(target)
    chosen = _codec(target, codec)
    with GuideStore.open(source) as store:
        header = store.header
        layout = StoreLayout(header, chunk_rows=default_chunk_rows(header), codec=chosen)
        layout.check_limits(target)
        _refuse_inside(source, target)
        if os.path.lexists(target):
            return _same_already(store, target, codec)
        with full_disk(target, left=_LEFT):
            make_folder(target.parent)
        lock = ViewLock(target, ALL_VIEWS, guide="", take_over=take_over)
        with lock, full_disk(target, left=_LEFT):
            if os.path.lexists(target):
                return _same_already(store, target, codec)
            with lock.unfinished(target.name) as partial:
                advance = _counter(2 * header.views * header.dataset.samples * header.row_bytes, report)
                _write(partial, store, layout, advance)
                converted = _read_back(partial, store, advance)
                _publish(partial, target)
    return converted


def _write(partial: Path, store: GuideStore, layout: StoreLayout, advance: Advance) -> None:
    held = store.container
    assert held.seal is not None
    header, seal, identity = held.header, held.seal, held.identity()
    chunks = _chunks(store, layout, held.digests(), advance)
    if names_hdf5(partial):
        write_hdf5(partial, header, layout, identity, chunks, seal=seal)
        return
    write_skeleton(partial, header, layout, identity, seal=seal)
    for array, position, rows in chunks:
        write_synced(partial / array.name / array.key(*position), array.encode(rows))
    for name in ("digest", *layout.rows):
        sync_folder(partial / name)


def _chunks(
    store: GuideStore, layout: StoreLayout, digest_VB32: NDArray[np.uint8], advance: Advance
) -> Iterator[ChunkToWrite]:
    """Yields all chunks of digests and rows, with the rows checked."""
    for view, digest_B32 in enumerate(digest_VB32):
        yield layout.digest, (view, 0, 0), digest_B32
    for view, part, rows in _proven_rows(store, layout.chunk_rows, advance):
        for name, array in layout.rows.items():
            yield array, (view, part, 0), rows[name]


def _proven_rows(
    store: GuideStore, chunk_rows: int, advance: Advance
) -> Iterator[tuple[int, int, dict[str, NDArray[Any]]]]:
    """Yields for each chunk of so many rows its view (from 0), its number in it and its rows; one is in memory at a
    time.

    The order is that in which a compressed source decodes chunks ahead: all views of a chunk, then the next chunk.
    """
    samples = store.header.dataset.samples
    for part, start in enumerate(range(0, samples, chunk_rows)):
        sample_S = np.arange(start, min(start + chunk_rows, samples))
        for view in store.views:
            yield store.header.place_of(view), part, store.gather_stored(np.full_like(sample_S, view), sample_S)
            advance(len(sample_S) * store.header.row_bytes)


def _read_back(partial: Path, store: GuideStore, advance: Advance) -> Converted:
    """Describes the written store, with a seal that is computed from all of its content."""
    with GuideStore.open(partial) as written:
        for _ in _proven_rows(written, default_chunk_rows(written.header), advance):
            pass
        if written.seal is None or written.seal != store.seal:
            problem = f"{store.path} changed while it was read: damaged"
            raise damaged(store.path, problem, f"seal {store.seal}", str(written.seal))
        return _describe(written, written=True)


def _publish(partial: Path, target: Path) -> None:
    """Moves the finished store to its path; does not replace what another program has put there meanwhile."""
    try:
        publish_new(partial, target)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        raise _in_the_way(target) from error


def _same_already(store: GuideStore, target: Path, codec: str) -> Converted:
    """Describes the target, if it is this store in this form."""
    try:
        with GuideStore.open(target) as there:
            same = (there.seal, there.codec) == (store.seal, codec)
            if same and there.kind == ("hdf5" if names_hdf5(target) else "zarr"):
                return _describe(there, written=False)
    except (DgkdError, OSError):
        pass
    raise _in_the_way(target)


def _describe(store: GuideStore, *, written: bool) -> Converted:
    assert store.seal is not None
    return Converted(seal=store.seal, kind=store.kind, codec=store.codec, nbytes=store.nbytes, written=written)


def _in_the_way(target: Path) -> InvalidInput:
    return InvalidInput(
        f"{target} is there already and is left as it is",
        expected="a name that is free, or the same store in the same form",
        found="something else",
        do="give another name, or remove it",
    )


def _check_suffix(target: Path) -> None:
    if not names_store(target):
        raise InvalidInput(
            f"{target} is no name that tells a store's form",
            expected=".zarr for a folder, .h5 or .hdf5 for a file",
            found=target.suffix or "no suffix",
            do="give a name that ends in one of these",
        )


def _refuse_inside(source: Path, target: Path) -> None:
    if source.resolve() in target.resolve().parents:
        raise InvalidInput(f"{target} lies within the store that it is made from", do="give a place beside it")


def _codec(target: Path, name: str) -> Codec:
    known = codecs_for(target)
    if name not in known:
        form = "an HDF5 file" if Deflate.name in known else "a Zarr folder"
        raise InvalidInput(f"a codec that {form} does not have", expected=f"one of {', '.join(known)}", found=name[:64])
    return Deflate() if name == Deflate.name else get_codec(name)


def _counter(total: int, report: Report) -> Advance:
    done = 0

    def advance(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        report(done, total)

    return advance
