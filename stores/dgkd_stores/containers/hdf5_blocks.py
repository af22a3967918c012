"""Reads metadata blocks of an HDF5 file, with bounds and checksums, and the names in its root group.

Source: the HDF5 File Format Specification, version 3.0.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from dgkd_stores.errors import Damaged
from dgkd_stores.format.limits import MAX_DATASETS, MAX_OBJECT_HEADER_BYTES
from dgkd_stores.format.metadata import unsafe

__all__ = ["SIGNATURE", "UNDEFINED", "Blocks", "checksum"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = 2**64 - 1
"""The address that means "none"."""

_SUPERBLOCK_BYTES = 48
_LINK_INFO, _LINK, _GROUP_INFO = 2, 6, 10
"""Types of messages in the object header of a group."""

# What a file says of the width and of all records is not used here, but HDF5's own library crashes on other values.
# A fractal heap: version, bytes of an id, of filters, flags; huge, tiny objects; width, block, bits; place, row.
_HEAP = struct.Struct("<4xBHHB76xQ8xQHQ8xH2xQH")
# A version 2 B-tree: version, type, bytes of a record, depth; address and records of its root, records in all.
_TREE = struct.Struct("<4xBB4xHH2xQHQ")
# In the leaf: the hash of a name, and its id in the heap: a zero, offset, length.
_RECORD_BYTES = 11


class Blocks:
    """An open file of `size` bytes.

    Raises UnsafeStore for forms that a store cannot have, Damaged for a wrong checksum.
    """

    def __init__(self, path: Path, handle: int, size: int) -> None:
        self.path, self.size = path, size
        self._handle = handle
        self._root = self._superblock()

    def read(self, at: int, count: int) -> bytes:
        """Reads bytes of the file."""
        self._check_within(at, count)
        return os.pread(self._handle, count, at)

    def block(self, at: int, count: int, signature: bytes = b"") -> bytes:
        """Returns a block that begins with its signature, without its checksum at the end."""
        block = self.read(at, count)
        if not block.startswith(signature):
            raise unsafe(self.path, "other metadata", f"{signature!r} at {at}", repr(block[:4]))
        self.check(at, block[:-4], block[-4:])
        return block[:-4]

    def check(self, at: int, data: bytes, stored: bytes) -> None:
        """Raises Damaged if `stored` is not the checksum of `data`."""
        expected, found = int.from_bytes(stored, "little"), checksum(data)
        if found != expected:
            raise Damaged(
                f"{self.path}: damaged at byte {at}",
                expected=f"checksum {expected:08x}",
                found=f"{found:08x}",
                do="copy or download it again",
            )

    def messages(self, at: int) -> list[tuple[int, bytes]]:
        """Returns type and content of each message of an object header."""
        prefix = self.read(at, min(34, self.size - at))
        flags = prefix[5] if prefix[:5] == b"OHDR\2" and len(prefix) > 5 else 0xFF
        if flags >= 64:
            raise unsafe(self.path, "other metadata", f"an object header of version 2 at {at}", repr(prefix[:6]))
        # Dates, and limits for the storage of attributes: not used here.
        start = 6 + 16 * (flags >> 5 & 1) + 4 * (flags >> 4 & 1)
        width = 1 << (flags & 3)
        count = int.from_bytes(prefix[start : start + width], "little")
        start += width
        if count > MAX_OBJECT_HEADER_BYTES:
            raise unsafe(self.path, "a large object header", f"at most {MAX_OBJECT_HEADER_BYTES} bytes", f"{count}")
        block = self.block(at, start + count + 4, b"OHDR")
        return list(self._split(block[start:], head=6 if flags & 4 else 4))

    def names(self) -> dict[str, int]:
        """Returns the address of every object in the root group."""
        links: list[bytes] = []
        for kind, body in self.messages(self._root):
            if kind == _LINK:
                links.append(body)
            elif kind == _LINK_INFO:
                links += self._dense_links(body)
            elif kind != _GROUP_INFO:
                raise unsafe(self.path, "more than names in its root group", "links", f"message {kind}")
        if len(links) > MAX_DATASETS:
            raise unsafe(self.path, "too many names", f"at most {MAX_DATASETS}", f"{len(links)}")
        found = dict(self._hard_link(link) for link in links)
        if len(found) != len(links):
            raise unsafe(self.path, "a name given twice", f"{len(links)} names", f"{len(found)}")
        return found

    def _check_within(self, at: int, count: int) -> None:
        if not 0 <= at <= at + count <= self.size:
            raise unsafe(self.path, "metadata beyond its end", f"at most {self.size} bytes", f"{count} at {at}")

    def _superblock(self) -> int:
        """Returns the root group's address; refuses a user block, an extension (other files), and trailing data."""
        block = self.read(0, min(_SUPERBLOCK_BYTES, self.size))
        if not block.startswith(SIGNATURE) and not SIGNATURE.startswith(block):
            raise unsafe(self.path, "no HDF5 file", "the signature of HDF5 at its beginning", repr(block[:8]))
        end = int.from_bytes(block[28:36], "little")
        plain = bytes([8, 8, 0]) + struct.pack("<QQ", 0, UNDEFINED)
        if self.size >= _SUPERBLOCK_BYTES and (block[8] not in (2, 3) or block[9:28] != plain or end < self.size):
            expected = f"a superblock of version 2 or 3 alone, for {self.size} bytes"
            raise unsafe(self.path, "an HDF5 file of another make", expected, block[8:36].hex())
        if self.size < _SUPERBLOCK_BYTES or end > self.size:
            raise Damaged(
                f"{self.path} is cut short: damaged",
                expected=f"{max(end, _SUPERBLOCK_BYTES)} bytes",
                found=f"{self.size}",
                do="copy or download it again",
            )
        self.check(0, block[:44], block[44:])
        return int.from_bytes(block[36:44], "little")

    def _split(self, body: bytes, *, head: int) -> Iterator[tuple[int, bytes]]:
        at = 0
        while at + head <= len(body):
            kind, size, flags = struct.unpack_from("<BHB", body, at)
            at += head
            if at + size > len(body) or (kind and flags & 2):
                raise unsafe(self.path, "an odd message", "one within its header, not shared", f"type {kind}")
            if kind:
                yield kind, body[at : at + size]
            at += size

    def _hard_link(self, link: bytes) -> tuple[str, int]:
        # Version, flags (16: the character set is stated), and the length of the name in one byte.
        charset = 1 if link[:2] == b"\1\x10" else 0
        length = link[2 + charset] if len(link) > 2 + charset else -1
        if link[:2] not in (b"\1\0", b"\1\x10") or len(link) != 3 + charset + length + 8:
            raise unsafe(self.path, "a link", "names of datasets alone", link[:32].hex())
        return link[3 + charset : -8].decode("utf-8", "replace"), int.from_bytes(link[-8:], "little")

    def _dense_links(self, info: bytes) -> Sequence[bytes]:
        """Returns links that HDF5 stores in a heap, which it does for more than eight."""
        if len(info) != 18 or info[:2] != b"\0\0":
            raise unsafe(self.path, "names in another form", "no order of creation", info.hex())
        heap_at, tree_at = struct.unpack("<QQ", info[2:])
        if heap_at == UNDEFINED:
            return ()
        heap = _HEAP.unpack(self.block(heap_at, _HEAP.size + 4, b"FRHP"))
        tree = _TREE.unpack(self.block(tree_at, _TREE.size + 4, b"BTHD"))
        block_bytes, bits, block_at, rows = heap[7:]
        leaf_at, count = tree[4:6]
        one_block = (*heap[:7], bits, rows) == (0, 7, 0, 2, 0, 0, 4, 32, 0)
        one_leaf = (*tree[:4], tree[6]) == (0, 5, _RECORD_BYTES, 0, count)
        if not (one_block and one_leaf):
            raise unsafe(self.path, "names in another form", "a heap of one block, a tree of one leaf", "others")
        if count > MAX_DATASETS or block_bytes > MAX_OBJECT_HEADER_BYTES:
            raise unsafe(self.path, "too many names", f"at most {MAX_DATASETS}", f"{count} in {block_bytes} bytes")
        leaf = self.block(leaf_at, 6 + count * _RECORD_BYTES + 4, b"BTLF")
        block = self.read(block_at, block_bytes)
        if block[:5] != b"FHDB\0":
            raise unsafe(self.path, "other metadata", f"b'FHDB' at {block_at}", repr(block[:4]))
        # Its checksum is in its head, and counts as zeros.
        self.check(block_at, block[:17] + bytes(4) + block[21:], block[17:21])
        links = []
        for record in range(6, len(leaf), _RECORD_BYTES):
            heap_id, offset, length = struct.unpack_from("<BIH", leaf, record + 4)
            if heap_id or not 21 <= offset <= offset + length <= block_bytes:
                raise unsafe(self.path, "a name that lies elsewhere", "one in the heap's block", f"at {offset}")
            links.append(block[offset : offset + length])
        return links


def checksum(data: bytes) -> int:
    """lookup3 (Bob Jenkins, 2006), `hashlittle` with an initial value of 0."""
    # Loaded here, because numcodecs takes 0.2 s and only HDF5 files need it.
    from numcodecs.jenkins import jenkins_lookup3

    return int(jenkins_lookup3(data))
