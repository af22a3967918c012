"""Guide stores without torch: read, check, write, mend, convert. Needs numpy, and numcodecs for compressed chunks."""

from __future__ import annotations

from .checking.damage import Damage, Verification
from .checking.verify import verify
from .coding.canonical import canonical_json, decimal, sha256_hex
from .coding.codecs import codec_names
from .coding.encodings import encoding_names
from .errors import (
    DamagedStore,
    DgkdError,
    Incomplete,
    Interrupted,
    InvalidInput,
    Mismatch,
    NoPermission,
    NoSpace,
    StoreLocked,
    StoreNotFound,
    UnsafeStore,
)
from .format.header import DatasetIdentity, GuideIdentity, StoreHeader
from .format.identity import IdentityArrays
from .format.layout import default_digest_rows
from .reading.reader import Completeness, GuideStore
from .reading.row_index import RowIndex
from .text import clean
from .writing.chunk_files import ChunkSlot
from .writing.convert import convert
from .writing.repair import StoreRepair
from .writing.writer import GuideStoreWriter

__all__ = [
    "ChunkSlot",
    "Completeness",
    "Damage",
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
    "NoPermission",
    "NoSpace",
    "RowIndex",
    "StoreHeader",
    "StoreLocked",
    "StoreNotFound",
    "StoreRepair",
    "UnsafeStore",
    "Verification",
    "canonical_json",
    "clean",
    "codec_names",
    "convert",
    "decimal",
    "default_digest_rows",
    "encoding_names",
    "sha256_hex",
    "verify",
]
