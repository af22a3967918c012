"""The parts of the HDF5 file format that our reader takes.

HDF5's own library does not read: files with valid checksums make it crash. Source: the HDF5 File Format Specification,
version 3.0.
"""

from __future__ import annotations

__all__ = [
    "CHUNKED",
    "CONTIGUOUS",
    "DATASPACE",
    "DATATYPE",
    "DATATYPES",
    "DEFLATE",
    "FILL",
    "FILTERS",
    "FIXED_ARRAY",
    "GROUP_INFO",
    "LAYOUT",
    "LINK",
    "LINK_INFO",
    "SHUFFLE",
    "SIGNATURE",
    "SINGLE_CHUNK",
    "SUPERBLOCK_BYTES",
    "UNDEFINED",
    "checksum",
]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUPERBLOCK_BYTES = 48
UNDEFINED = 2**64 - 1
"""The address that means "none"."""

DATASPACE, LINK_INFO, DATATYPE, FILL, LINK, LAYOUT, GROUP_INFO, FILTERS = 1, 2, 3, 5, 6, 8, 10, 11
"""Types of messages in an object header."""

CONTIGUOUS, CHUNKED = 1, 2
SINGLE_CHUNK, FIXED_ARRAY = 1, 3
"""Types of chunk indexes."""

DEFLATE, SHUFFLE = 1, 2

DATATYPES = {
    "uint8": bytes.fromhex("10000000 01000000 0000 0800"),
    "int32": bytes.fromhex("10080000 04000000 0000 2000"),
    "int64": bytes.fromhex("10080000 08000000 0000 4000"),
    "float16": bytes.fromhex("11200f00 02000000 0000 1000 0a 05 00 0a 0f000000"),
    "float32": bytes.fromhex("11201f00 04000000 0000 2000 17 08 00 17 7f000000"),
}
"""The message of each type: class, byte order, size, bits, and where the parts of a floating-point number are."""


def checksum(data: bytes) -> int:
    """lookup3 (Bob Jenkins, 2006), `hashlittle` with an initial value of 0."""
    # Loaded here, because numcodecs takes 0.2 s and only HDF5 files need it.
    from numcodecs.jenkins import jenkins_lookup3

    return int(jenkins_lookup3(data))
