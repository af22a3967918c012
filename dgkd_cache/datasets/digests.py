"""Computes the digests that identify a sample and a split, by content alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dgkd_stores import JsonValue, canonical_json

__all__ = ["content_digest", "digest_rows", "pixel_digest"]

_DIGEST_BYTES = 16


class Split(Protocol):
    """The parts of a split that its digest covers."""

    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def channels(self) -> int: ...
    @property
    def height(self) -> int | None: ...
    @property
    def width(self) -> int | None: ...
    @property
    def digest_kind(self) -> str: ...
    @property
    def labels_N(self) -> NDArray[np.int64]: ...
    @property
    def sample_digest_N16(self) -> NDArray[np.uint8]: ...


def content_digest(split: Split) -> str:
    """Returns SHA-256 (hex) over classes and geometry, labels and sample digests."""
    record: dict[str, JsonValue] = {
        "channels": split.channels,
        "classes": list(split.classes),
        "height": split.height,
        "sample_digest": split.digest_kind,
        "samples": len(split.labels_N),
        "width": split.width,
    }
    content = hashlib.sha256(canonical_json(record))
    content.update(split.labels_N.astype("<i8").tobytes())
    content.update(split.sample_digest_N16.tobytes())
    return content.hexdigest()


def pixel_digest(image_IHW: Tensor) -> bytes:
    """Returns the first 16 bytes of SHA-256 over the shape (three little-endian int64) and the pixels of one image."""
    content = hashlib.sha256(np.asarray(image_IHW.shape, dtype="<i8").tobytes())
    content.update(image_IHW.cpu().numpy().tobytes())
    return content.digest()[:_DIGEST_BYTES]


def digest_rows(digests: Iterable[bytes]) -> NDArray[np.uint8]:
    """Returns digests of 16 bytes as the rows of an array."""
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, _DIGEST_BYTES).copy()
