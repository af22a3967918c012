"""Reads image files in parallel: pixels (see `decoders`), sizes and digests.

Every file that cannot be read is counted and the first ones are named, with the reason.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dgkd_cache.datasets.decoders import PILLOW, JpegRefused, jpeg_pixels
from dgkd_cache.datasets.decoding import Trait, UndefinedRange, is_opaque, pillow_warnings_ignored, rgb, traits
from dgkd_cache.datasets.plain_jpeg import is_plain_jpeg
from dgkd_cache.errors import DataUnreadable

__all__ = [
    "ReadImage",
    "decoding_threads",
    "file_digest",
    "header_traits",
    "open_file",
    "read_all",
    "read_bytes",
    "read_each",
    "read_image",
    "read_then",
]

Result = TypeVar("Result")
Made = TypeVar("Made")

_NAMED = 5
_CHUNK = 256  # maximum number of files in a thread's task
_CHUNKS_PER_THREAD = 4
_DISK_THREADS = 4
_SAMPLED_FILES = 100
_BYTES_PER_THREAD = 4096


class NotAFile(OSError):
    """A folder, a pipe or another non-regular file with an image's name."""


@dataclass(frozen=True)
class ReadImage:
    """A decoded file: its traits, its pixels [I, H, W] and the digest of its bytes."""

    traits: Trait
    pixels_IHW: NDArray[np.uint8]
    digest: bytes


def decoding_threads(folder: Path, paths: Sequence[str]) -> int:
    """Returns the number of threads that decode these files fastest, estimated from the size of the first ones."""
    # Python's own share of an image, under the interpreter lock, is what Pillow needs for a file of 3 KB.
    # Measured on 2 cores with 1 / 2 / 6 threads: 50,000 JPEGs of 32x32 take 7.0 / 7.4 / 12 s (they fight for
    # the lock); with 1 / 2: 2,000 of 128x128 take 0.35 / 0.26 s, 1,000 of 256x256 take 0.53 / 0.21 s.
    sampled = [path.stat().st_size for path in map(folder.joinpath, paths[:_SAMPLED_FILES]) if path.is_file()]
    threads = sum(sampled) // max(1, len(sampled)) // _BYTES_PER_THREAD
    return max(1, min(threads, os.cpu_count() or 1))


def read_image(path: Path, decoder: str = PILLOW) -> ReadImage:
    """Returns the pixels of an image file, with the traits of the decoded picture.

    Raises JpegRefused, and what Pillow raises.
    """
    content = read_bytes(path)
    file = io.BytesIO(content)
    with Image.open(file) as picture:
        found = header_traits(file, picture)
        pixels_IHW = jpeg_pixels(content, decoder)
        if pixels_IHW is None:
            pixels_IHW = rgb(picture)
        if Trait.TRANSPARENT in found and is_opaque(picture):
            found &= ~Trait.TRANSPARENT
        return ReadImage(traits=found, pixels_IHW=pixels_IHW, digest=file_digest(content))


def header_traits(file: BinaryIO, picture: Image.Image) -> Trait:
    """Returns the traits of the picture that is opened from a file, before its pixels are decoded."""
    place = file.tell()
    plain = is_plain_jpeg(file)
    file.seek(place)
    return traits(picture) | (Trait.PLAIN_JPEG if plain else Trait(0))


def open_file(path: Path) -> BinaryIO:
    """Opens a regular file for reading. Raises OSError for a pipe, which might never end, a device or a folder."""
    return os.fdopen(_open_regular(path), "rb")


def read_bytes(path: Path) -> bytes:
    """Returns the bytes of a regular file. Raises what `open_file` raises."""
    with os.fdopen(_open_regular(path), "rb", buffering=0) as file:
        return file.readall()


def _open_regular(path: Path) -> int:
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe must not wait
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise NotAFile("a pipe, a device or a folder, and no regular file")
    return number


def file_digest(content: bytes) -> bytes:
    """Returns the first 16 bytes of SHA-256 of a file's bytes."""
    return hashlib.sha256(content).digest()[:16]


def read_all(
    folder: Path, paths: Sequence[str], read: Callable[[Path], Result], *, threads: int = _DISK_THREADS
) -> list[Result]:
    """Returns `read(folder / path)` for each path, in order, computed in parallel. Raises as `read_each`."""
    return [result for _, result in read_each(folder, paths, read, threads)]


def read_each(
    folder: Path, paths: Sequence[str], read: Callable[[Path], Result], threads: int, *, most: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Yields the place of each path, in order, with `read(folder / path)`, as `read_then`."""
    return read_then(folder, paths, read, lambda _, result: result, threads, most=most)


def read_then(
    folder: Path,
    paths: Sequence[str],
    read: Callable[[Path], Result],
    then: Callable[[int, Result], Made],
    threads: int,
    *,
    most: int | None = None,
) -> Iterator[tuple[int, Made]]:
    """Yields the place of each path, in order, with `then(place, read(folder / path))`, computed in parallel.

    The threads read ahead of the caller; at most `most` results, or four a thread if that is more, are in memory
    (default: 1,024 a thread). They end with the iteration, so none exists when a process forks. With `threads=1` the
    caller's thread reads.
    Raises DataUnreadable at the end, with the number of files that `read` failed on and the first five of them, and
    at once what `then` raises.
    """
    ahead = threads * _CHUNKS_PER_THREAD
    size = max(1, min(_CHUNK, len(paths) // ahead, len(paths) if most is None else most // ahead))

    def read_chunk(start: int) -> list[Made | _Failure]:
        attempts = (_attempt(read, folder, path) for path in paths[start : start + size])
        return [one if isinstance(one, _Failure) else then(place, one) for place, one in enumerate(attempts, start)]

    failures, place = list[_Failure](), 0
    # Threads and not processes: Pillow decodes outside the interpreter lock, and processes would need a fork
    # beside torch's threads, or spawn and an import guard in every user's script, to win 1-2 s on CIFAR.
    with pillow_warnings_ignored, ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        starts = range(0, len(paths), size)
        for chunk in map(read_chunk, starts) if pool is None else _ahead(pool, read_chunk, starts, ahead):
            for made in chunk:
                if isinstance(made, _Failure):
                    failures.append(made)
                else:
                    yield place, made
                place += 1
    if failures:
        raise _reading_error(folder, len(paths), failures) from failures[0].error


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[int], list[Result]], starts: Iterable[int], ahead: int
) -> Iterator[list[Result]]:
    """Yields `work` of each start, in order; up to `ahead` of them are begun or done before they are asked for."""
    running = deque[Future[list[Result]]]()
    try:
        for start in starts:
            running.append(pool.submit(work, start))
            if len(running) == ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for one in running:  # of an iteration that is left
            one.cancel()


@dataclass(frozen=True)
class _Failure:
    path: str
    error: Exception


def _attempt(read: Callable[[Path], Result], folder: Path, path: str) -> Result | _Failure:
    try:
        return read(folder / path)
    except MemoryError:
        raise
    except Exception as error:  # for malformed files Pillow raises nearly any kind of exception
        return _Failure(path, error)


def _reading_error(folder: Path, total: int, failures: Sequence[_Failure]) -> DataUnreadable:
    listed = "; ".join(f"{failure.path} ({_reason(failure.error)})" for failure in failures[:_NAMED])
    more = f"; and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
    of = f" of {total}" if total > 1 else ""
    undefined = any(isinstance(failure.error, UndefinedRange) for failure in failures)
    refused = any(isinstance(failure.error, JpegRefused) for failure in failures)
    return DataUnreadable(
        f"{len(failures)}{of} image {'files' if total > 1 else 'file'} in {folder} cannot be read",
        expected="whole images in a format that Pillow knows"
        + (", of 8 bits or 16-bit greyscale" if undefined else ""),
        found=listed + more,
        do="replace or remove what is listed"
        + ("; scale such pixels to 8 bits, 255 for white" if undefined else "")
        + ("; or have Pillow decode all files, by the decoder of [views]" if refused else ""),
    )


def _reason(error: Exception) -> str:
    # Pillow quotes the file object with its memory address, which helps nobody.
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, UndefinedRange | NotAFile | JpegRefused):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
