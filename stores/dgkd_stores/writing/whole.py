"""Writes a finished store at once, from rows that lie in other stores: what `convert`, `subset` and `merge` share.

Every block is checked when it is copied, and again after it was written; the target appears whole or not at all.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.codecs import Codec, Deflate, codec_names, get_codec
from dgkd_stores.coding.digests import Seal, compute_seal
from dgkd_stores.containers import damaged
from dgkd_stores.containers.hdf5_writer import ChunkToWrite, write_hdf5
from dgkd_stores.disk.files import make_folder, publish_new, sync_folder, write_synced
from dgkd_stores.disk.locks import ALL_VIEWS, ViewLock
from dgkd_stores.disk.paths import names_hdf5, names_store
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import DgkdError, InvalidInput
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import StoreLayout, default_chunk_rows
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.writing.skeleton import write_skeleton

__all__ = ["Converted", "Report", "WholeStore", "check_target", "codecs_for", "write_whole"]

Report = Callable[[int, int], None]
"""Gets the bytes done and the total; rows count twice, because they are written and read again."""

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
"""Errors of a rename to a name that is in use meanwhile."""

_LEFT = "nothing half-done stays"

Advance = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Converted:
    """The store that was written, or found at its target."""

    seal: str
    """The seal, SHA-256 in hex."""
    kind: str
    """`zarr` or `hdf5`."""
    codec: str
    """The name of the codec of its rows."""
    nbytes: int
    """The size of all files, in bytes."""
    written: bool
    """False if the target was this store already."""


@dataclass(frozen=True, kw_only=True)
class WholeStore:
    """A finished store that is not written yet: its header and arrays, and the open stores that have its views.

    The rows and digests of each view are those of the first of `parts` that has it.
    """

    header: StoreHeader
    identity: Mapping[str, NDArray[Any]]
    """The identity arrays by name, as they are stored."""
    parts: Sequence[GuideStore]
    seal: Seal | None = None
    """The seal that it must have; None for a new store."""

    def part(self, view: int) -> GuideStore:
        """Returns the store that has the rows of a view."""
        return next(store for store in self.parts if view in store.views)

    def digests(self) -> NDArray[np.uint8]:
        """Returns the digests of all blocks [V, blocks, 32]."""
        held = {id(store): store.container.digests() for store in self.parts}
        parts = [(view, self.part(view)) for view in self.header.view_range]
        return np.stack([held[id(store)][store.header.place_of(view)] for view, store in parts])

    def proven_rows(self, chunk_rows: int, advance: Advance) -> Iterator[tuple[int, int, dict[str, NDArray[Any]]]]:
        """Yields for each chunk of so many rows its view (from 0), its number in it and its rows; one is in memory at a
        time.

        The order is that in which a compressed source decodes chunks ahead: all views of a chunk, then the next chunk.
        """
        samples = self.header.dataset.samples
        for part, start in enumerate(range(0, samples, chunk_rows)):
            sample_S = np.arange(start, min(start + chunk_rows, samples))
            for view in self.header.view_range:
                rows = self.part(view).gather_stored(np.full_like(sample_S, view), sample_S)
                yield self.header.place_of(view), part, rows
                advance(len(sample_S) * self.header.row_bytes)


def codecs_for(target: Path | str) -> tuple[str, ...]:
    """Returns the codecs for a store of that name; the first is no compression."""
    return ("none", Deflate.name) if names_hdf5(target) else codec_names()


def check_target(target: Path, codec: str) -> None:
    """Raises InvalidInput for a name without a store's suffix, or a codec that its container does not have."""
    if not names_store(target):
        raise InvalidInput(
            f"{target} is no name that tells a store's form",
            expected=".zarr for a folder, .h5 or .hdf5 for a file",
            found=target.suffix or "no suffix",
            do="give a name that ends in one of these",
        )
    _codec(target, codec)


def write_whole(target: Path, whole: WholeStore, *, codec: str, take_over: bool, report: Report) -> Converted:
    """Writes a store to `target`, and reads it back; see `convert` for the arguments and errors."""
    header, identity = whole.header, whole.identity
    layout = StoreLayout(header, chunk_rows=default_chunk_rows(header), codec=_codec(target, codec))
    layout.check_limits(target)
    for store in whole.parts:
        _refuse_inside(store.path, target)
    digest_VB32 = whole.digests()
    seal = whole.seal or compute_seal(header.canonical, {"digest": digest_VB32, **identity})
    if os.path.lexists(target):
        return _same_already(seal, target, codec)
    with full_disk(target, left=_LEFT):
        make_folder(target.parent)
    lock = ViewLock(target, ALL_VIEWS, guide="", take_over=take_over)
    with lock, full_disk(target, left=_LEFT):
        if os.path.lexists(target):
            return _same_already(seal, target, codec)
        with lock.unfinished(target.name) as partial:
            advance = _counter(2 * header.views * header.dataset.samples * header.row_bytes, report)
            _write(partial, whole, layout, digest_VB32, seal, advance)
            converted = _read_back(partial, whole, seal, advance)
            _publish(partial, target)
    return converted


def _write(
    partial: Path, whole: WholeStore, layout: StoreLayout, digest_VB32: NDArray[np.uint8], seal: Seal, advance: Advance
) -> None:
    chunks = _chunks(whole, layout, digest_VB32, advance)
    if names_hdf5(partial):
        write_hdf5(partial, whole.header, layout, whole.identity, chunks, seal=seal)
        return
    write_skeleton(partial, whole.header, layout, whole.identity, seal=seal)
    for array, position, rows in chunks:
        write_synced(partial / array.name / array.key(*position), array.encode(rows))
    for name in ("digest", *layout.rows):
        sync_folder(partial / name)


def _chunks(
    whole: WholeStore, layout: StoreLayout, digest_VB32: NDArray[np.uint8], advance: Advance
) -> Iterator[ChunkToWrite]:
    """Yields all chunks of digests and rows, with the rows checked."""
    for view, digest_B32 in enumerate(digest_VB32):
        yield layout.digest, (view, 0, 0), digest_B32
    for view, part, rows in whole.proven_rows(layout.chunk_rows, advance):
        for name, array in layout.rows.items():
            yield array, (view, part, 0), rows[name]


def _read_back(partial: Path, whole: WholeStore, seal: Seal, advance: Advance) -> Converted:
    """Describes the written store, with a seal that is computed from all of its content."""
    with GuideStore.open(partial) as written:
        again = WholeStore(header=written.header, identity={}, parts=[written])
        for _ in again.proven_rows(default_chunk_rows(written.header), advance):
            pass
        if written.seal is None or written.seal != seal.digest:
            path = whole.parts[0].path
            raise damaged(path, f"{path} changed while it was read: damaged", f"seal {seal.digest}", str(written.seal))
        return _describe(written, written=True)


def _publish(partial: Path, target: Path) -> None:
    """Moves the finished store to its path; does not replace what another program has put there meanwhile."""
    try:
        publish_new(partial, target)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        raise _in_the_way(target) from error


def _same_already(seal: Seal, target: Path, codec: str) -> Converted:
    """Describes the target, if it is the store of that seal in this form."""
    try:
        with GuideStore.open(target) as there:
            same = (there.seal, there.codec) == (seal.digest, codec)
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
