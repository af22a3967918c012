"""Limits on a reader's memory and time for one store, checked before anything is allocated."""

# Counts in the header.
MAX_SAMPLES = 2**31
MAX_CLASSES = 2**20
MAX_VIEWS = 2**20
"""Maximum number of views of one store."""

MAX_ROW_BYTES = 2**24
MAX_RECORD_BYTES = 2**47
"""All rows of a store together: about 90 times ImageNet in float32 over 300 views."""

# Arrays and their chunks.
MAX_CHUNKS = 2**24
"""Maximum number of chunks of one array."""

MAX_OTHER_BYTES = 2**30
"""Bytes of all arrays outside the records, which are read into memory: twice those of ImageNet with 300 views."""

MAX_ENCODED_CHUNK_BYTES = 512 * 2**20
"""The decoded size of a compressed chunk, which is in memory as a whole."""

# JSON.
MAX_METADATA_BYTES = 16 * 2**20
"""Bytes of the group's zarr.json; a header with 100,000 class names fits easily."""

MAX_ARRAY_METADATA_BYTES = 64 * 2**10
"""Bytes of an array's zarr.json, which has the same few keys for every array."""

MAX_JSON_DEPTH = 32

MAX_JSON_CONTAINERS = 2**16
"""Opening brackets and braces, inside text or not: 16 MiB of empty lists take 400 MiB, and seconds to parse."""

MAX_JSON_COMMAS = 2**21
"""Commas, inside text or not; a list of the maximum number of classes has half as many."""

# HDF5.
MAX_DATASETS = 64
"""Number of datasets in a file."""

MAX_OBJECT_HEADER_BYTES = 64 * 2**10
"""Bytes of an object header, and of the block that holds the names."""

# What `verify` and repair do about a damaged store.
MAX_NAMED_ABSENT = 2**16
"""Missing chunks of an array that are named singly; metadata of a few bytes may claim 2^24."""

MAX_TRIAL_BYTES = 2**30
"""Maximum bytes hashed in the search for damaged digests."""

MAX_TRIALS = 2**12
