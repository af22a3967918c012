"""KeptPixels: the decoded pixels of a split, kept as one mapped file, so that its images are decoded once.

A file is found by the digests of the images in their order, their sizes and the version of the decoder. It has a digest
of its own content, which is compared each time before a pixel is used. All files together have a bounded size: the one
that was used longest ago is removed first.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.datasets.kept_constants import content_key
from dgkd_cache.datasets.remarks import warn
from dgkd_cache.errors import DgkdError
from dgkd_stores.disk import make_folder, partials, plain_file, write_durably

__all__ = ["LEAST_BYTES", "MOST_BYTES", "KeptPixels"]

MOST_BYTES = 10 * 1024**3
"""The bytes of all kept pixels together."""

LEAST_BYTES = 2**20
"""Splits of fewer bytes are not kept: they are decoded at once."""

_MAGIC = b"dgkd pixels 1\n\0\0"
_HEADER_BYTES = mmap.ALLOCATIONGRANULARITY
_BLOCK = 2**24
_SUFFIX = ".pixels"
_FREE_SHARE = 2  # a file is written where the disk has room for two


class KeptPixels:
    """The kept pixels of one split, in a file below `cache`: sizes [N, 2] and digests [N, 16] in the order of samples.

    `decoder` names the version that decoded them.
    """

    def __init__(
        self, sizes_N2: NDArray[np.int64], digest_N16: NDArray[np.uint8], *, cache: Path, decoder: str
    ) -> None:
        self._key = bytes.fromhex(content_key(sizes_N2, digest_N16, decoder=decoder))
        self._samples = len(sizes_N2)
        self._nbytes = int(3 * sizes_N2.prod(axis=1).sum())
        self._path = cache / "pixels" / f"{self._key.hex()}{_SUFFIX}"

    def find(self) -> tuple[Tensor, NDArray[np.uint8]] | None:
        """Returns (all pixels as one flat tensor, the traits of each image), or None if they are not kept.

        The tensor is mapped; what is written into it stays in this process. A damaged file is removed, with one line.
        """
        try:
            with plain_file(self._path) as (handle, size):
                header = os.pread(handle, _HEADER_BYTES, 0)
                expected = _HEADER_BYTES + self._nbytes + self._samples
                if size != expected or not header.startswith(_MAGIC + self._key):
                    raise ValueError(f"{size} bytes, or another header, where {expected} are needed")
                with open(handle, "rb", closefd=False) as file:
                    mapped = np.memmap(file, np.uint8, "c")
            pixels, traits_N = mapped[_HEADER_BYTES:][: self._nbytes], np.array(mapped[_HEADER_BYTES + self._nbytes :])
            start = len(_MAGIC) + len(self._key)
            if _digest(pixels, traits_N) != header[start : start + 32]:
                raise ValueError("another digest")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, DgkdError, ValueError) as error:
            warn(f"the kept pixels {self._path} are damaged ({error}): they are made again")
            with contextlib.suppress(OSError):
                self._path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(self._path)  # the time of the last use
        return torch.from_numpy(pixels), traits_N

    def keep(self, pixels: Tensor, traits_N: NDArray[np.uint8]) -> None:
        """Writes the file, after removing others until all fit; where that cannot be, it is left, with one line."""
        if not LEAST_BYTES <= self._nbytes <= MOST_BYTES:
            return
        header = (_MAGIC + self._key + _digest(pixels.numpy(), traits_N)).ljust(_HEADER_BYTES, b"\0")
        try:
            make_folder(self._path.parent)
            self._make_room(len(header) + self._nbytes + self._samples)
            if shutil.disk_usage(self._path.parent).free < _FREE_SHARE * self._nbytes:
                warn(f"decoded pixels of {self._nbytes:,} bytes are not kept: {self._path.parent} has no room")
                return
            write_durably(self._path, header, pixels.numpy().data, traits_N.data)
        except (OSError, DgkdError) as error:
            warn(f"decoded pixels cannot be kept in {self._path.parent}: {error}")

    def _make_room(self, nbytes: int) -> None:
        """Removes files, the one that was used longest ago first, until `nbytes` more fit.

        What a killed process left unfinished counts as well: nobody would use or remove it.
        """
        others = []
        folder = self._path.parent
        for path in (*folder.glob(f"*{_SUFFIX}"), *partials(folder)):
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                others.append((found.st_mtime_ns, found.st_size, path))
        left = MOST_BYTES - nbytes - sum(size for _, size, _ in others)
        for _, size, path in sorted(others):
            if left >= 0:
                return
            path.unlink(missing_ok=True)
            left += size


def _digest(pixels: NDArray[np.uint8], traits_N: NDArray[np.uint8]) -> bytes:
    """Returns SHA-256 over the SHA-256 of each block of pixels and of the traits, which are computed in parallel."""
    blocks = [*(pixels[start : start + _BLOCK] for start in range(0, len(pixels), _BLOCK)), traits_N]
    with ThreadPoolExecutor(min(len(blocks), os.cpu_count() or 1)) as pool:
        return hashlib.sha256(b"".join(pool.map(lambda block: hashlib.sha256(block).digest(), blocks))).digest()
