"""Keeps the mean and deviation of a folder's images, so that they are computed once, and not by every process.

They are found by the digests of the images in their order, their sizes and the version of the decoder, and have a
digest of their own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.normalisation import Constants
from dgkd_cache.datasets.remarks import warn
from dgkd_cache.errors import DgkdError
from dgkd_stores import JsonValue, canonical_json, parse_strictly
from dgkd_stores.disk import make_folder, plain_file, write_durably

__all__ = ["content_key", "kept_constants"]

_MOST_BYTES = 4096


def content_key(sizes_N2: NDArray[np.int64], digest_N16: NDArray[np.uint8], *, decoder: str) -> str:
    """Returns the digest (hex) of what the decoded pixels of a split depend on."""
    key = hashlib.sha256(decoder.encode() + b"\0" + len(sizes_N2).to_bytes(8, "little"))
    key.update(np.ascontiguousarray(sizes_N2, "<i8").tobytes())
    key.update(digest_N16.tobytes())
    return key.hexdigest()


def kept_constants(key: str, compute: Callable[[], Constants], *, cache: Path) -> Constants:
    """Returns mean and deviation of the content with this key: those that are kept below `cache`, else computed."""
    path = cache / "constants" / f"{key}.constants"
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, DgkdError, ValueError, RecursionError) as error:
        warn(f"the kept mean and deviation {path} are damaged ({error}): they are made again")
    mean, std = compute()
    record: dict[str, JsonValue] = {"mean": list(mean), "std": list(std)}
    try:
        make_folder(path.parent)
        write_durably(path, canonical_json({**record, "digest": _digest(record)}))
    except (OSError, DgkdError) as error:
        warn(f"mean and deviation cannot be kept in {path.parent}: {error}")
    return mean, std


def _read(path: Path) -> Constants:
    """Returns what a file keeps. Raises ValueError for content that its digest does not cover, or of another form."""
    with plain_file(path) as (handle, size):
        value = parse_strictly(os.read(handle, min(size, _MOST_BYTES)))
    if not isinstance(value, dict) or value.keys() != {"mean", "std", "digest"}:
        raise ValueError("another form")
    mean, std = value["mean"], value["std"]
    if _digest({"mean": mean, "std": std}) != value["digest"]:
        raise ValueError("another digest")
    if not isinstance(mean, list) or not isinstance(std, list) or not len(mean) == len(std) == 3:
        raise ValueError("another form")
    return tuple(map(str, mean)), tuple(map(str, std))


def _digest(record: dict[str, JsonValue]) -> str:
    return hashlib.sha256(canonical_json(record)).hexdigest()
