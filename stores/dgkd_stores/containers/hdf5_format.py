"""The little of the HDF5 file format that a store is made of, for what reads it and what writes it.

HDF5's own library is not used: files with valid checksums make it crash. Source: the HDF5 File Format Specification,
version 3.0; the checksum is lookup3 (Bob Jenkins, 2006).
"""

from __future__ import annotations

import struct

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
    "PAGE_BITS",
    "SHUFFLE",
    "SIGNATURE",
    "SINGLE_CHUNK",
    "SUPERBLOCK_BYTES",
    "UNDEFINED",
    "checksum",
    "checksummed",
]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUPERBLOCK_BYTES = 48
UNDEFINED = 2**64 - 1
"""The address of what is not there."""

DATASPACE, LINK_INFO, DATATYPE, FILL, LINK, LAYOUT, GROUP_INFO, FILTERS = 1, 2, 3, 5, 6, 8, 10, 11
"""Messages of an object header."""

CONTIGUOUS, CHUNKED = 1, 2
SINGLE_CHUNK, FIXED_ARRAY = 1, 3
"""The ways in which chunks are found."""

PAGE_BITS = 10
"""A fixed array of more than 2^10 chunks is cut into pages of so many."""

DEFLATE, SHUFFLE = 1, 2

DATATYPES = {
    "uint8": bytes.fromhex("10000000 01000000 0000 0800"),
    "int32": bytes.fromhex("10080000 04000000 0000 2000"),
    "int64": bytes.fromhex("10080000 08000000 0000 4000"),
    "float16": bytes.fromhex("11200f00 02000000 0000 1000 0a 05 00 0a 0f000000"),
    "float32": bytes.fromhex("11201f00 04000000 0000 2000 17 08 00 17 7f000000"),
}
"""The message of each type: class, byte order, size, bits, and where the parts of a floating-point number are."""

_MASK = 0xFFFFFFFF


def checksummed(block: bytes) -> bytes:
    """A block with its checksum after it."""
    return block + struct.pack("<I", checksum(block))


def checksum(data: bytes) -> int:
    """lookup3, `hashlittle` with an initial value of 0."""
    a: int
    b: int
    c: int
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    whole = max(0, (len(data) - 1) // 12) * 12
    for x, y, z in struct.iter_unpack("<III", data[:whole]):
        a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
        a = (a - c) & _MASK ^ (c << 4 & _MASK | c >> 28)
        c = (c + b) & _MASK
        b = (b - a) & _MASK ^ (a << 6 & _MASK | a >> 26)
        a = (a + c) & _MASK
        c = (c - b) & _MASK ^ (b << 8 & _MASK | b >> 24)
        b = (b + a) & _MASK
        a = (a - c) & _MASK ^ (c << 16 & _MASK | c >> 16)
        c = (c + b) & _MASK
        b = (b - a) & _MASK ^ (a << 19 & _MASK | a >> 13)
        a = (a + c) & _MASK
        c = (c - b) & _MASK ^ (b << 4 & _MASK | b >> 28)
        b = (b + a) & _MASK
    if not data:
        return c
    x, y, z = struct.unpack("<III", data[whole:].ljust(12, b"\0"))
    a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
    c = ((c ^ b) - (b << 14 & _MASK | b >> 18)) & _MASK
    a = ((a ^ c) - (c << 11 & _MASK | c >> 21)) & _MASK
    b = ((b ^ a) - (a << 25 & _MASK | a >> 7)) & _MASK
    c = ((c ^ b) - (b << 16 & _MASK | b >> 16)) & _MASK
    a = ((a ^ c) - (c << 4 & _MASK | c >> 28)) & _MASK
    b = ((b ^ a) - (a << 14 & _MASK | a >> 18)) & _MASK
    return ((c ^ b) - (b << 24 & _MASK | b >> 8)) & _MASK
