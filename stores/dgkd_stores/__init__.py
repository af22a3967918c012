"""Guide stores without torch: read, check, write, mend, convert. Needs numpy, and numcodecs for compressed chunks.

`verify` and `convert` are in the modules of these names: `from dgkd_stores.verify import verify`.
"""

from __future__ import annotations

from .canonical import canonical_json, decimal, sha256_hex
from .codecs import codec_names
from .damage import Damage, Verification
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
from .repair import StoreRepair
from .text import clean
from .writer import ChunkSlot, GuideStoreWriter

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
    "NoSpace",
    "StoreHeader",
    "StoreLocked",
    "StoreNotFound",
    "StoreRepair",
    "UnsafeStore",
    "Verification",
    "canonical_json",
    "clean",
    "codec_names",
    "decimal",
    "default_digest_rows",
    "encoding_names",
    "sha256_hex",
]
