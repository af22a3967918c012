"""Compressed chunks whose bytes lie: bombs, headers that the C libraries would believe, and bodies of garbage.

Sources: RFC 8878, 3.1.1 (frames and blocks of Zstandard); c-blosc's README_CHUNK_FORMAT (16 bytes of header).
"""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path

import numpy as np

from dgkd_stores import Damaged

from .corpus import enter, hostile

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
    """Replaces what follows the header by noise."""
    data = (store / "logits" / "c.0.0.0").read_bytes()
    put(store, data[:start] + np.random.default_rng(1).bytes(len(data) - start))


@hostile(Damaged, base="zstd", rows=True, says="192 bytes|SHA-256")
def zstd_of_garbage(store: Path) -> None:
    """A right header, and noise."""
    garbage(store, 10)


@hostile(Damaged, base="zstd", rows=True, says="192 bytes")
def zstd_that_is_cut(store: Path) -> None:
    """Half of a frame."""
    data = (store / "logits" / "c.0.0.0").read_bytes()
    put(store, data[: len(data) // 2])


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


ZSTD = [
    (
        "zstd_bomb_that_says_so",
        frame(*[BLOCK] * BOMB, stated=BLOCK * BOMB),
        "192 bytes",
        "125 MiB from 4 KiB, stated in the frame.",
    ),
    ("zstd_bomb_of_unknown_size", frame(*[BLOCK] * BOMB, stated=None), "192 bytes", "125 MiB, stated nowhere."),
    (
        "zstd_bomb_behind_the_right_size",
        frame(*[BLOCK] * BOMB, stated=CHUNK),
        "192 bytes",
        "125 MiB in a frame that states what is expected.",
    ),
    ("zstd_claim_without_content", frame(0, stated=2**60), "192 bytes", "An exbibyte stated, nothing there."),
    (
        "zstd_window_of_terabytes",
        frame(CHUNK + 1, stated=None, window=0xFF),
        "192 bytes",
        "What a decoder of streams would allocate before the first byte.",
    ),
    (
        "zstd_of_one_byte_less",
        frame(CHUNK - 1, stated=None),
        "less than 192 bytes",
        "The rest would be what was in memory before.",
    ),
    ("zstd_of_one_byte_more", frame(CHUNK + 1, stated=None), "192 bytes", "One byte beyond the array."),
    ("zstd_of_nothing", frame(0, stated=0), "192 bytes", "A frame of no bytes."),
    ("zstd_of_several_frames", frame(CHUNK, stated=CHUNK) * 200, "192 bytes", "Each within bounds, together a bomb."),
    (
        "zstd_behind_a_frame_to_skip",
        struct.pack("<II", 0x184D2A50, 2**32 - 1) + frame(CHUNK, stated=CHUNK),
        "192 bytes",
        "A skippable frame that says it is 4 GiB long.",
    ),
    ("zstd_of_other_rows", frame(CHUNK, stated=CHUNK), "SHA-256", "A sound frame of zeros where rows were."),
    (
        "zstd_that_is_blosc",
        struct.pack("<BBBBIII", 2, 1, 2, 4, CHUNK, CHUNK, CHUNK + 16) + bytes(CHUNK),
        "192 bytes",
        "A chunk of another codec.",
    ),
]
"""Name, the bytes of a chunk, words of the refusal, what they try."""

for name, stored, says, tries in ZSTD:
    enter(name, tries, partial(put, stored=stored), Damaged, base="zstd", rows=True, says=says)


BLOSC = [
    ("blosc_bomb_that_says_so", {"nbytes": 2**31 - 17}, "a header of", "2 GiB, stated."),
    ("blosc_of_fewer_bytes", {"nbytes": CHUNK - 4}, "a header of", "Less than the chunk."),
    ("blosc_longer_than_its_file", {"cbytes": 4000}, "a header of", "The library reads as much as the header says."),
    ("blosc_shorter_than_its_file", {"cbytes": 20}, "a header of", "Something behind the end."),
    ("blosc_header_that_is_cut", {"cut": 15}, "found 15 bytes", "15 of 16 bytes of header."),
    ("blosc_header_alone", {"cut": 16, "cbytes": 16}, "", "16 bytes that say so, and offsets that are not there."),
    (
        "blosc_block_larger_than_all",
        {"blocksize": 2**31 - 1},
        "a header of",
        "A block to be allocated before it is decoded.",
    ),
    ("blosc_block_of_nothing", {"blocksize": 0}, "", "A division by zero in C."),
    ("blosc_blocks_of_one_byte", {"blocksize": 1}, "", "As many offsets as bytes, more than the file has."),
    ("blosc_elements_of_nothing", {"typesize": 0, "flags": 0x81}, "", "Shuffled elements of no bytes."),
    (
        "blosc_elements_larger_than_blocks",
        {"typesize": 255, "flags": 0x81},
        "",
        "Split into more streams than there are bytes.",
    ),
    ("blosc_of_an_unknown_compressor", {"flags": 7 << 5}, "", "Format 7, which is none."),
    ("blosc_of_a_later_version", {"version": 255, "inner": 255}, "", "A format that this library cannot know."),
    (
        "blosc_copied_and_cut",
        {"flags": 0x82, "cut": 100, "cbytes": 100},
        "",
        "Flagged as a plain copy of bytes that are not there.",
    ),
]
"""Name, changes to the header of a chunk, words of the refusal, what they try."""

for name, changes, says, tries in BLOSC:
    enter(name, tries, partial(blosc, **changes), Damaged, base="blosc", rows=True, says=says)
