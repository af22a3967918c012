"""Stores that strangers may send: code that makes each one out of a good small store, and how it must be refused.

To add one, write a line into a table of the file of its kind; or, for what no table has, a function of the store's
folder under `@hostile(...)`, whose docstring says what the store tries.
"""

from __future__ import annotations

from . import (
    chunk_stores,
    content_stores,
    factored_stores,
    file_stores,
    good_stores,
    hdf5_bytes,
    hdf5_stores,
    metadata_stores,
    text_stores,
    topk_stores,
    zarr_stores,
)
from .corpus import CORPUS, Hostile, build

__all__ = [
    "CORPUS",
    "Hostile",
    "build",
    "chunk_stores",
    "content_stores",
    "factored_stores",
    "file_stores",
    "good_stores",
    "hdf5_bytes",
    "hdf5_stores",
    "metadata_stores",
    "text_stores",
    "topk_stores",
    "zarr_stores",
]
