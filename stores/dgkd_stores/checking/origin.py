"""Proves a store of some views against the published store that it was taken from.

Beside NAME.zarr lies NAME.zarr.origin, with the published root and its array of digests. The root's seal covers its
header and that array; so rows with these digests are rows that were published.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.checking.damage import Damage
from dgkd_stores.coding.digests import Seal, array_digest, differing_blocks, seal_of
from dgkd_stores.containers import ZarrFolder
from dgkd_stores.disk.files import lies_at, read_small
from dgkd_stores.errors import DgkdError, Mismatch
from dgkd_stores.format.derivation import derived_header
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import StoreLayout

__all__ = ["OriginCheck", "origin_path", "refuse_other_origin"]

_KEPT = ("zarr.json", "digest")
"""The parts of a published store that are kept."""

_OWN = ("digest", "view_digest")
"""Arrays that have a row for each view, so that a part has others."""


def origin_path(store: Path) -> Path:
    """Returns the path of what is kept of the published store that `store` was taken from; it may not exist."""
    return store.with_name(f"{store.name}.origin")


def refuse_other_origin(store: Path) -> None:
    """Raises Mismatch if NAME.origin is there and is not what is kept of a published store, which may be replaced."""
    path = origin_path(store)
    if not lies_at(path):
        return
    found = "a link" if path.is_symlink() else "" if path.is_dir() else "a file"
    found = found or next((repr(name) for name in sorted(os.listdir(path)) if name not in _KEPT), "")
    if found:
        raise Mismatch(
            f"{path} is in the way of what proves {store.name}, and is left as it is",
            expected="nothing, or root and digests of a published store",
            found=found,
            do="move it elsewhere, or give the store another name",
        )


class OriginCheck:
    """The comparison of a store, its header, seal and digests [V, blocks, 32], with the origin beside it."""

    def __init__(self, store: Path, header: StoreHeader, seal: Seal | None, digest_VB32: NDArray[np.uint8]) -> None:
        self._folder = origin_path(store)
        self._header, self._sealed, self._digest_VB32 = header, seal, digest_VB32
        self.seal: str | None = None
        """The seal of the published store."""
        self.damage = tuple(self._compare())
        """Blocks that are not as they were published."""

    def _compare(self) -> Iterator[Damage]:
        try:
            header, seal = ZarrFolder.read_head(self._folder)
        except (DgkdError, OSError) as error:
            yield self._damage("zarr.json", "the root of a published store", str(error))
            return
        if seal is None or seal_of(header.canonical, seal.arrays) != seal.digest:
            yield self._damage("zarr.json", "a header that its seal fits", "another one")
            return
        self.seal = seal.digest
        views = self._header.view_range
        if not set(views) <= set(header.view_range):
            yield self._damage("zarr.json", f"views {views.start} to {views.stop - 1}", "others")
            return
        part = replace(header, first_view=views.start, views=len(views))
        if derived_header(part, "subset", [(header, seal.digest)]).canonical != self._header.canonical:
            yield self._damage("zarr.json", "the header that the store's own is derived from", "another one")
            return
        for name, digest in seal.arrays.items():
            if name not in _OWN and (self._sealed is None or self._sealed.arrays[name] != digest):
                yield self._damage("zarr.json", f"{name} of SHA-256 {digest}", "another one in the store")
        published = self._digests(header)
        if published is None or array_digest(published) != seal.arrays["digest"]:
            yield self._damage("digest", f"digests of SHA-256 {seal.arrays['digest']}", "others")
            return
        first = header.place_of(views.start)
        wrong = differing_blocks(self._digest_VB32, published[first : first + len(views)])
        for view in np.flatnonzero(wrong.any(axis=1)).tolist():
            count = int(wrong[view].sum())
            yield self._damage("digest", "the rows that were published", f"{count} others", view=views[view])

    def _digests(self, header: StoreHeader) -> NDArray[np.uint8] | None:
        """Reads the published digests; None if a file is not there or has another size."""
        array = StoreLayout(header, chunk_rows=header.dataset.samples).digest
        chunks = []
        for view in range(header.views):
            try:
                chunks.append(read_small(self._folder / array.name / array.key(view, 0, 0), limit=array.chunk_bytes))
            except (DgkdError, OSError):
                return None
        if any(len(chunk) != array.chunk_bytes for chunk in chunks):
            return None
        return np.frombuffer(b"".join(chunks), dtype=np.uint8).reshape(array.shape)

    def _damage(self, file: str, expected: str, found: str, *, view: int | None = None) -> Damage:
        files = (f"../{self._folder.name}/{file}",)
        return Damage(kind="origin", files=files, view=view, expected=expected, found=found)
