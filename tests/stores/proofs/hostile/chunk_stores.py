"""Compressed chunks whose bytes lie: bombs, headers that the C libraries would believe, and bodies of garbage.

Sources: RFC 8878, 3.1.1 (frames and blocks of Zstandard); c-blosc's README_CHUNK_FORMAT (16 bytes of header).
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from dgkd_stores import Damaged

from .corpus import hostile

CHUNK = 16 * 3 * 4
"""Bytes of a chunk, once decoded."""

BLOCK = 128 * 2**10
"""The most that one block of Zstandard gives."""

BOMB = 1000
"""Blocks of a bomb: 4 bytes each, 125 MiB together."""


def put(store: Path, stored: bytes) -> None:
    (store / "logits" / "c.0.0.0").write_bytes(stored)


def frame(*blocks: int, stated: int | None, window: int = 0x58) -> bytes:
    """A frame of blocks of the byte 0, each repeated so many times, that states a size or none."""
    descriptor = 0 if stated is None else 3 << 6
    head = b"\x28\xb5\x2f\xfd" + bytes([descriptor, window])
    head += b"" if stated is None else struct.pack("<Q", stated)
    body = b""
    for number, size in enumerate(blocks):
        last = number == len(blocks) - 1
        body += struct.pack("<I", last | 1 << 1 | size << 3)[:3] + b"\0"
    return head + body


def blosc(store: Path, *, cut: int | None = None, **changes: int) -> None:
    """The first chunk, with other numbers in its header: flags, typesize, nbytes, blocksize, cbytes."""
    data = bytearray((store / "logits" / "c.0.0.0").read_bytes())
    for name, value in changes.items():
        place, form = {
            "version": (0, "B"),
            "inner": (1, "B"),
            "flags": (2, "B"),
            "typesize": (3, "B"),
            "nbytes": (4, "<I"),
            "blocksize": (8, "<I"),
            "cbytes": (12, "<I"),
        }[name]
        struct.pack_into(form, data, place, value)
    put(store, bytes(data[:cut]))


def garbage(store: Path, start: int) -> None:
    """What follows the header is noise."""
    data = (store / "logits" / "c.0.0.0").read_bytes()
    put(store, data[:start] + np.random.default_rng(1).bytes(len(data) - start))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_bomb_that_says_so(store: Path) -> None:
    """125 MiB from 4 KiB, stated in the frame."""
    put(store, frame(*[BLOCK] * BOMB, stated=BLOCK * BOMB))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_bomb_of_unknown_size(store: Path) -> None:
    """125 MiB, stated nowhere."""
    put(store, frame(*[BLOCK] * BOMB, stated=None))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_bomb_behind_the_right_size(store: Path) -> None:
    """125 MiB in a frame that states what is expected."""
    put(store, frame(*[BLOCK] * BOMB, stated=CHUNK))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_claim_without_content(store: Path) -> None:
    """An exbibyte stated, nothing there."""
    put(store, frame(0, stated=2**60))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_window_of_terabytes(store: Path) -> None:
    """What a decoder of streams would allocate before the first byte."""
    put(store, frame(CHUNK + 1, stated=None, window=0xFF))


@hostile(Damaged, base="zstd", rows=True, says="less than 192 bytes")
def zstd_of_one_byte_less(store: Path) -> None:
    """The rest would be what was in memory before."""
    put(store, frame(CHUNK - 1, stated=None))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_of_one_byte_more(store: Path) -> None:
    """One byte beyond the array."""
    put(store, frame(CHUNK + 1, stated=None))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_of_nothing(store: Path) -> None:
    """A frame of no bytes."""
    put(store, frame(0, stated=0))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_of_several_frames(store: Path) -> None:
    """Each within bounds, together a bomb."""
    put(store, frame(CHUNK, stated=CHUNK) * 200)


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_behind_a_frame_to_skip(store: Path) -> None:
    """A skippable frame that says it is 4 GiB long."""
    put(store, struct.pack("<II", 0x184D2A50, 2**32 - 1) + frame(CHUNK, stated=CHUNK))


@hostile(Damaged, base="zstd", rows=True, says="SHA-256")
def zstd_of_other_rows(store: Path) -> None:
    """A sound frame of zeros where rows were."""
    put(store, frame(CHUNK, stated=CHUNK))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes|SHA-256")
def zstd_of_garbage(store: Path) -> None:
    """A right header, and noise."""
    garbage(store, 10)


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_that_is_cut(store: Path) -> None:
    """Half of a frame."""
    data = (store / "logits" / "c.0.0.0").read_bytes()
    put(store, data[: len(data) // 2])


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_that_is_blosc(store: Path) -> None:
    """A chunk of another codec."""
    put(store, struct.pack("<BBBBIII", 2, 1, 2, 4, CHUNK, CHUNK, CHUNK + 16) + bytes(CHUNK))


@hostile(Damaged, base="blosc", rows=True, says="a header of")
def blosc_bomb_that_says_so(store: Path) -> None:
    """2 GiB, stated."""
    blosc(store, nbytes=2**31 - 17)


@hostile(Damaged, base="blosc", rows=True, says="a header of")
def blosc_of_fewer_bytes(store: Path) -> None:
    """Less than the chunk."""
    blosc(store, nbytes=CHUNK - 4)


@hostile(Damaged, base="blosc", rows=True, says="a header of")
def blosc_longer_than_its_file(store: Path) -> None:
    """The library reads as much as the header says."""
    blosc(store, cbytes=4000)


@hostile(Damaged, base="blosc", rows=True, says="a header of")
def blosc_shorter_than_its_file(store: Path) -> None:
    """Something behind the end."""
    blosc(store, cbytes=20)


@hostile(Damaged, base="blosc", rows=True, says="found 15 bytes")
def blosc_header_that_is_cut(store: Path) -> None:
    """15 of 16 bytes of header."""
    blosc(store, cut=15)


@hostile(Damaged, base="blosc", rows=True)
def blosc_header_alone(store: Path) -> None:
    """16 bytes that say so, and offsets that are not there."""
    blosc(store, cut=16, cbytes=16)


@hostile(Damaged, base="blosc", rows=True, says="a header of")
def blosc_block_larger_than_all(store: Path) -> None:
    """A block to be allocated before it is decoded."""
    blosc(store, blocksize=2**31 - 1)


@hostile(Damaged, base="blosc", rows=True)
def blosc_block_of_nothing(store: Path) -> None:
    """A division by zero in C."""
    blosc(store, blocksize=0)


@hostile(Damaged, base="blosc", rows=True)
def blosc_blocks_of_one_byte(store: Path) -> None:
    """As many offsets as bytes, more than the file has."""
    blosc(store, blocksize=1)


@hostile(Damaged, base="blosc", rows=True)
def blosc_elements_of_nothing(store: Path) -> None:
    """Shuffled elements of no bytes."""
    blosc(store, typesize=0, flags=0x81)


@hostile(Damaged, base="blosc", rows=True)
def blosc_elements_larger_than_blocks(store: Path) -> None:
    """Split into more streams than there are bytes."""
    blosc(store, typesize=255, flags=0x81)


@hostile(Damaged, base="blosc", rows=True)
def blosc_of_an_unknown_compressor(store: Path) -> None:
    """Format 7, which is none."""
    blosc(store, flags=7 << 5)


@hostile(Damaged, base="blosc", rows=True)
def blosc_of_a_later_version(store: Path) -> None:
    """A format that this library cannot know."""
    blosc(store, version=255, inner=255)


@hostile(Damaged, base="blosc", rows=True)
def blosc_copied_and_cut(store: Path) -> None:
    """Flagged as a plain copy of bytes that are not there."""
    blosc(store, flags=0x82, cut=100, cbytes=100)


@hostile(Damaged, base="blosc", rows=True)
def blosc_offsets_out_of_the_file(store: Path) -> None:
    """Blocks that begin gigabytes behind the end."""
    data = (store / "logits" / "c.0.0.0").read_bytes()
    put(store, struct.pack("<BBBBIIIi", 2, 1, 0x80, 4, CHUNK, CHUNK, len(data), 2**31 - 1) + data[20:])


@hostile(Damaged, base="blosc", rows=True)
def blosc_offsets_before_the_file(store: Path) -> None:
    """Negative ones."""
    data = (store / "logits" / "c.0.0.0").read_bytes()
    put(store, struct.pack("<BBBBIIIi", 2, 1, 0x80, 4, CHUNK, CHUNK, len(data), -1000) + data[20:])


@hostile(Damaged, base="blosc", rows=True)
def blosc_with_a_bomb_inside(store: Path) -> None:
    """Sizes that fit, around a block of Zstandard that gives 125 MiB."""
    inner = frame(*[BLOCK] * BOMB, stated=None)
    body = struct.pack("<ii", 20, len(inner)) + inner
    put(store, struct.pack("<BBBBIII", 2, 1, 4 << 5 | 0x10, 4, CHUNK, CHUNK, 16 + len(body)) + body)


@hostile(Damaged, base="blosc", rows=True)
def blosc_of_garbage(store: Path) -> None:
    """A right header, and noise."""
    garbage(store, 16)
