"""The arrays of a store's folder that are read as a whole: digests and identity.

Sizes are checked before memory is taken, so a small store cannot ask for much.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DamagedStore, UnsafeStore
from .files import read_exactly
from .guard import Inspection, dump_again
from .identity import labels_within

__all__ = ["blocks_done", "raw_bytes", "read_digests", "read_identity"]


def raw_bytes(array: NDArray[Any]) -> memoryview:
    """The elements as they lie on disk: `array` is little-endian already."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def read_digests(path: Path, seen: Inspection) -> NDArray[np.uint8]:
    """All digests [V, blocks, 32]; zeros for a view whose digest chunk is not there."""
    layout = seen.layout.digest
    digest_VB32 = np.zeros(layout.shape, dtype=np.uint8)
    for view in np.flatnonzero(seen.present["digest"]).tolist():
        read_exactly(path / "digest" / layout.key(view, 0, 0), digest_VB32[view].reshape(-1))
    return digest_VB32


def read_identity(path: Path, seen: Inspection) -> dict[str, NDArray[Any]]:
    """The identity arrays by name, as stored; `DamagedStore` for one that is not there in its exact size."""
    arrays = {}
    for name, layout in seen.layout.identity.items():
        if not seen.present[name].all():
            raise DamagedStore(
                f"{path} has lost its array {name}",
                expected=f"{name}/{layout.key(*(0 for _ in layout.shape))} of {layout.chunk_bytes} bytes",
                found="another size" if any(odd.startswith(name + "/") for odd in seen.wrong_size) else "no such file",
                do=dump_again(path, seen.header),
            )
        raw = np.empty(layout.nbytes, dtype=np.uint8)
        if layout.nbytes:
            read_exactly(path / name / layout.key(*(0 for _ in layout.shape)), raw)
        arrays[name] = raw.view(layout.numpy_dtype).reshape(layout.shape)
        if name in ("label", "test_label") and not labels_within(arrays[name], seen.header.classes):
            raise UnsafeStore(
                f"{path}: labels in {name} that are no class",
                expected=f"0 to {seen.header.classes - 1}",
                found=f"{arrays[name].min()} to {arrays[name].max()}",
            )
    return arrays


def blocks_done(seen: Inspection, digest_VB32: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which blocks [V, blocks] have a digest and a chunk file of the right size for each array."""
    done_VB = digest_VB32.any(axis=2)
    block = np.arange(done_VB.shape[1]) * seen.header.digest_rows // seen.layout.chunk_rows
    for name in seen.layout.rows:
        done_VB &= seen.present[name][:, block, 0]
    return np.asarray(done_VB)
