"""Guide stores without torch: read, check and write them with numpy and Zarr alone."""

from __future__ import annotations

from .canonical import canonical_json, decimal, sha256_hex
from .codecs import codec_names
from .encodings import encoding_names
from .errors import (
    DamagedStore,
    DgkdError,
    Incomplete,
    Interrupted,
    InvalidInput,
    Mismatch,
    NoSpace,
    StoreLocked,
    StoreNotFound,
    UnsafeStore,
)
from .header import DatasetIdentity, GuideIdentity, StoreHeader
from .identity import IdentityArrays
from .layout import default_digest_rows
from .reader import Completeness, GuideStore
from .text import clean
from .writer import ChunkSlot, GuideStoreWriter

__all__ = [
    "ChunkSlot",
    "Completeness",
    "DamagedStore",
    "DatasetIdentity",
    "DgkdError",
    "GuideIdentity",
    "GuideStore",
    "GuideStoreWriter",
    "IdentityArrays",
    "Incomplete",
    "Interrupted",
    "InvalidInput",
    "Mismatch",
    "NoSpace",
    "StoreHeader",
    "StoreLocked",
    "StoreNotFound",
    "UnsafeStore",
    "canonical_json",
    "clean",
    "codec_names",
    "decimal",
    "default_digest_rows",
    "encoding_names",
    "sha256_hex",
]
