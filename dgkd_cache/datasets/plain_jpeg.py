"""Decides by its bytes whether a file is a plain JPEG: the files that a decoder other than Pillow gets.

The rule is part of every view plan that names such a decoder, so it never changes: another rule would be another
decoder. Markers are those of ITU-T T.81, Annex B; where EXIF lies, CIPA DC-008.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["is_plain_jpeg", "plain_jpeg"]

_START = b"\xff\xd8"
_HUFFMAN_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended sequential, progressive
_EXIF = 0xE1
_TABLES = (0xC4, 0xCC, 0xDB, 0xDD)
_NO_SEGMENTS = (0x00, 0x01, *range(0xD0, 0xDB))  # markers without a length, and that of the scan, where this ends


def is_plain_jpeg(file: BinaryIO) -> bool:
    """Returns True for a JPEG of 8 bits with one or three components whose first frame is coded by Huffman.

    The frame is found by the lengths of the segments before it, which are tables, application data and comments;
    anything else before it makes the file another kind. `file` is read from its beginning.
    """
    for segment in _segments(file):
        if (plain := _tells(segment, file)) is not None:
            return plain
    return False


def plain_jpeg(content: bytes) -> bytes | None:
    """Returns the bytes of a plain JPEG without the segments where EXIF lies, on which no pixel depends.

    Of any other file it is None.
    """
    parts, kept, plain, file = list[bytes](), 0, None, io.BytesIO(content)
    for segment in _segments(file):
        if plain is None and (plain := _tells(segment, file)) is False:
            return None
        marker, start, stop = segment
        if marker == _EXIF:
            parts.append(content[kept:start])
            kept = stop
    if not plain:
        return None
    return b"".join([*parts, content[kept:]]) if parts else content


def _tells(segment: tuple[int, int, int], file: BinaryIO) -> bool | None:
    """Returns whether the file is a plain JPEG, where a segment tells it; None for those before the first frame."""
    marker, start, stop = segment
    if marker in _HUFFMAN_FRAMES:
        frame = file.read(6)
        return len(frame) == 6 and frame[0] == 8 and frame[5] in (1, 3) and stop - start == 10 + 3 * frame[5]
    return None if marker in _TABLES or 0xE0 <= marker <= 0xEF or marker == 0xFE else False


def _segments(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Yields marker, first byte and end of each segment before the first scan; the file stands behind the length."""
    file.seek(0)
    if file.read(2) != _START:
        return
    start = 2
    while len(head := file.read(4)) == 4 and head[0] == 0xFF:
        if head[1] == 0xFF:  # a fill byte before the marker
            start = file.seek(-3, os.SEEK_CUR)
            continue
        length = int.from_bytes(head[2:], "big")
        if head[1] in _NO_SEGMENTS or length < 2:
            return
        yield head[1], start, start + 2 + length
        start = file.seek(start + 2 + length)
