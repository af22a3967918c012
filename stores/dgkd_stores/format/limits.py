"""The most that a store may ask of a reader's memory and time, checked before anything of it is allocated."""

from __future__ import annotations

__all__ = [
    "MAX_ARRAY_METADATA_BYTES",
    "MAX_CHUNKS",
    "MAX_CLASSES",
    "MAX_DATASETS",
    "MAX_ENCODED_CHUNK_BYTES",
    "MAX_JSON_COMMAS",
    "MAX_JSON_CONTAINERS",
    "MAX_JSON_DEPTH",
    "MAX_METADATA_BYTES",
    "MAX_NAMED_ABSENT",
    "MAX_OBJECT_HEADER_BYTES",
    "MAX_OTHER_BYTES",
    "MAX_RECORD_BYTES",
    "MAX_ROW_BYTES",
    "MAX_SAMPLES",
    "MAX_TRIALS",
    "MAX_TRIAL_BYTES",
    "MAX_VIEWS",
]

# The header: counts of what a store holds.
MAX_SAMPLES = 2**31
MAX_CLASSES = 2**20
MAX_VIEWS = 2**20
MAX_ROW_BYTES = 2**24
MAX_RECORD_BYTES = 2**47
"""All rows of a store together: about 90 times ImageNet in float32 over 300 views."""

# Arrays and their chunks.
MAX_CHUNKS = 2**24
"""The most chunks of one array."""

MAX_OTHER_BYTES = 2**30
"""The bytes of all arrays outside the records, which are read into memory: twice those of ImageNet over 300 views."""

MAX_ENCODED_CHUNK_BYTES = 512 * 2**20
"""The limit of a chunk that has to be decoded, once decoded: it lies in memory as a whole."""

# JSON.
MAX_METADATA_BYTES = 16 * 2**20
"""The limit of the group's zarr.json; a header with a hundred thousand class names fits easily."""

MAX_ARRAY_METADATA_BYTES = 64 * 2**10
"""The limit of an array's zarr.json, which says the same few things for every array."""

MAX_JSON_DEPTH = 32

MAX_JSON_CONTAINERS = 2**16
"""Brackets and braces that open, wherever they stand: 16 MiB of empty lists take 400 MiB, and seconds to look at."""

MAX_JSON_COMMAS = 2**21
"""Wherever they stand; a list of the most classes there may be has half as many."""

# HDF5.
MAX_DATASETS = 64
"""Datasets in a file."""

MAX_OBJECT_HEADER_BYTES = 64 * 2**10
"""The limit of an object header, and of the block that holds the names."""

# What `verify` and repair do about a damaged store.
MAX_NAMED_ABSENT = 2**16
"""Missing chunks of an array that are named one by one; metadata of a few bytes may claim 2^24."""

MAX_TRIAL_BYTES = 2**30
"""Hashed at most in search of the damaged digests."""

MAX_TRIALS = 2**12
