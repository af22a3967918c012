"""FileIndex: what is known of the image files of a folder without reading them again.

An entry is a fact: the file of this path, size, modification time, change time and inode had this digest, size in
pixels and traits. It is used while all five agree, and only for the folder of this real path. A file that changed less
than two seconds before it was read is not entered, because a change right after could leave its times as they were
(git calls such entries racily clean).

The index is a folder of segments, files that are written once and at once. Facts do not contradict each other, so any
processes may add segments or join them at the same time: none is lost, and one that is damaged is left out. A lock
saves work alone: of the processes that find new files, one reads them while the others wait.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.remarks import warn
from dgkd_cache.errors import DgkdError, Interrupted
from dgkd_stores import JsonValue, canonical_json, parse_strictly
from dgkd_stores.disk import Stop, folder_lock, make_folder, never, plain_file, write_durably

__all__ = ["FileFacts", "FileIndex", "index_folder"]

RACY_NS = 2 * 10**9
"""The coarsest times of files: those of FAT, in nanoseconds."""

_MAGIC = b"dgkd file index 1\n"
_SUFFIX = ".files"
_LENGTH = struct.Struct("<Q")
_MOST_BYTES = 2**33
_COLUMNS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("status_N4", "<i8", (4,)),
    ("digest_N16", "u1", (16,)),
    ("shape_N2", "<i4", (2,)),
    ("traits_N", "u1", ()),
)
"""The arrays of a segment, in their order: name, type and shape of a row."""


@dataclass(kw_only=True, eq=False)
class FileFacts:
    """The known facts about N files; rows that are not known are zero."""

    status_N4: NDArray[np.int64]
    """Size, modification and change time in nanoseconds, and inode of each file; -1 for one that is not there."""
    digest_N16: NDArray[np.uint8]
    """The first 16 bytes of SHA-256 of its bytes."""
    shape_N2: NDArray[np.int32]
    """Height and width in pixels."""
    traits_N: NDArray[np.uint8]
    """Its traits, as its header tells them: the bits of `decoding.Trait`."""
    read_N: NDArray[np.bool_]
    """True where its digest is known."""
    measured_N: NDArray[np.bool_]
    """True where its size in pixels and its traits are known, as this version of the decoder finds them."""

    @classmethod
    def unknown(cls, status_N4: NDArray[np.int64]) -> FileFacts:
        """Returns the facts of files of which nothing is known but their status."""
        samples = len(status_N4)
        return cls(
            status_N4=status_N4,
            digest_N16=np.zeros((samples, 16), np.uint8),
            shape_N2=np.zeros((samples, 2), np.int32),
            traits_N=np.zeros(samples, np.uint8),
            read_N=np.zeros(samples, np.bool_),
            measured_N=np.zeros(samples, np.bool_),
        )

    def followed_by(self, others: FileFacts) -> FileFacts:
        """Returns these facts and those of further files."""
        names = [field.name for field in fields(self)]
        return FileFacts(**{name: np.concatenate([getattr(self, name), getattr(others, name)]) for name in names})


class FileIndex:
    """The index of one folder, in a folder of its own below `cache`; `decoder` names the version that measures images.

    `clock` gives the time in nanoseconds. Where the index cannot be written, one line says so, once.
    """

    def __init__(self, folder: Path, *, cache: Path, decoder: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._folder, self._decoder = folder, decoder
        self._place = index_folder(folder, cache)
        self._identity = _identity(folder)
        self._begun_ns = clock()
        self._segments = list[Path]()
        self._others = set[str]()
        self._writes = True

    def forget(self) -> None:
        """Removes the index of this folder."""
        for path in _segments_in(self._place):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def reading(self, stop: Stop = never) -> Iterator[bool]:
        """Lets one process at a time read files of this folder; gives whether another one has kept some since `find`.

        Where the folder of the index cannot be made or locked, it waits for nobody. Raises Interrupted if `stop` says
        so while it waits.
        """
        with contextlib.ExitStack() as held:
            try:
                make_folder(self._place)
                held.enter_context(folder_lock(self._place, stop=stop, doing=f"reads the files in {self._folder}"))
            except Interrupted:
                raise
            except (OSError, DgkdError):
                pass  # `keep` tells why
            yield {*_segments_in(self._place)} != {*self._segments}

    def find(self, paths: Sequence[str]) -> FileFacts:
        """Returns what is known of the files at these paths below the folder, whose status it reads."""
        self._segments.clear()
        self._others.clear()
        facts = FileFacts.unknown(_status(self._folder, paths))
        place_of = {path: place for place, path in enumerate(paths)}
        for segment in self._load():
            places = np.fromiter((place_of.get(path, -1) for path in segment.paths), np.int64, len(segment.paths))
            self._others.update(segment.paths[row] for row in np.flatnonzero(places < 0))
            rows = np.flatnonzero(places >= 0)
            rows = rows[(segment.arrays["status_N4"][rows] == facts.status_N4[places[rows]]).all(axis=1)]
            known = places[rows]
            facts.digest_N16[known] = segment.arrays["digest_N16"][rows]
            facts.read_N[known] = True
            if segment.decoder == self._decoder:
                facts.shape_N2[known] = segment.arrays["shape_N2"][rows]
                facts.traits_N[known] = segment.arrays["traits_N"][rows]
                facts.measured_N[known] = True
        return facts

    def keep(self, paths: Sequence[str], facts: FileFacts, rows: NDArray[np.int64]) -> None:
        """Writes a segment of these rows, so that a process that stops later has them."""
        newest = facts.status_N4[rows, 1:3].max(axis=1, initial=-1)
        known = facts.read_N[rows] & facts.measured_N[rows] & (newest + RACY_NS < self._begun_ns) & (newest >= 0)
        rows = rows[known]
        if not self._writes or not len(rows):
            return
        names = b"\0".join(os.fsencode(paths[row]) for row in rows)
        arrays = [np.ascontiguousarray(getattr(facts, name)[rows], dtype) for name, dtype, _ in _COLUMNS]
        header: dict[str, JsonValue] = {
            "decoder": self._decoder,
            "files": len(rows),
            "folder": self._identity,
            "names": len(names),
        }
        described = canonical_json(header)
        content = b"".join([_LENGTH.pack(len(described)), described, *(one.tobytes() for one in arrays), names])
        path = self._place / f"{uuid.uuid4().hex}{_SUFFIX}"
        try:
            make_folder(self._place)
            write_durably(path, _MAGIC, hashlib.sha256(content).digest(), content)
        except (OSError, DgkdError) as error:
            self._writes = False
            warn(f"what is known of the files in {self._folder} cannot be kept in {self._place}: {error}")
            return
        self._segments.append(path)

    def finish(self, paths: Sequence[str], facts: FileFacts) -> None:
        """Joins the segments: one with all that is known replaces those that were read and written.

        It also keeps what is still true of other files in the folder: another list of files may have them, such as
        that of another split.
        """
        if len(before := self._segments.copy()) < 2:
            return
        if others := sorted(self._others):
            known = self.find(others)
            paths, facts = [*paths, *others], facts.followed_by(known)
        self._segments.clear()
        self.keep(paths, facts, np.arange(len(paths)))
        if self._segments:
            for path in before:
                path.unlink(missing_ok=True)

    def _load(self) -> Iterator[_Segment]:
        """Yields the whole segments; removes one that is damaged, with one line."""
        for path in _segments_in(self._place):
            try:
                segment = _read_segment(path)
            except FileNotFoundError:
                continue  # another process joined it with others; what it had is read again, or found in theirs
            except (OSError, DgkdError, ValueError, struct.error) as error:
                warn(f"the index {path} is damaged ({error}): it is made again")
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            if segment.folder == self._identity:
                self._segments.append(path)
                yield segment


@dataclass(frozen=True, kw_only=True)
class _Segment:
    folder: str
    decoder: str
    paths: list[str]
    arrays: Mapping[str, NDArray[np.generic]]


def index_folder(folder: Path, cache: Path) -> Path:
    """Returns the place below `cache` of the index of a folder."""
    return cache / "index" / _identity(folder)[:32]


def _segments_in(place: Path) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if path.suffix == _SUFFIX)
    except OSError:
        return []  # no index yet, or none that may be read


def _identity(folder: Path) -> str:
    """Returns the digest of the real path of a folder."""
    return hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()


def _status(folder: Path, paths: Sequence[str]) -> NDArray[np.int64]:
    """Returns size, modification and change time, and inode of each file; -1 for one that cannot be looked at."""
    above = f"{folder}{os.sep}"

    def numbers() -> Iterator[int]:
        for path in paths:
            try:
                found = os.stat(above + path)
            except OSError:
                yield from (-1, -1, -1, -1)
                continue
            yield found.st_size
            yield found.st_mtime_ns
            yield found.st_ctime_ns
            yield found.st_ino & (2**63 - 1)  # some file systems use all 64 bits

    return np.fromiter(numbers(), np.int64, 4 * len(paths)).reshape(-1, 4)


def _read_segment(path: Path) -> _Segment:
    """Returns a segment. Raises ValueError for content that its own digest does not cover, or of another form."""
    with plain_file(path) as (handle, size):
        if size > _MOST_BYTES:
            raise ValueError(f"{size} bytes")
        with open(handle, "rb", closefd=False) as file:
            magic, digest, content = file.read(len(_MAGIC)), file.read(32), file.read()
    if magic != _MAGIC or hashlib.sha256(content).digest() != digest:
        raise ValueError("another digest")
    (described,) = _LENGTH.unpack_from(content)
    offset = _LENGTH.size + described
    header = parse_strictly(content[_LENGTH.size : offset])
    if not isinstance(header, dict):
        raise ValueError("no header")
    files, names = header.get("files"), header.get("names")
    folder, decoder = header.get("folder"), header.get("decoder")
    if not (isinstance(files, int) and isinstance(names, int) and isinstance(folder, str) and isinstance(decoder, str)):
        raise ValueError("another header")
    arrays = dict[str, NDArray[np.generic]]()
    for name, dtype, row in _COLUMNS:
        count = files * int(np.prod(row, dtype=np.int64))
        arrays[name] = np.frombuffer(content, dtype, count, offset).reshape(files, *row)
        offset += arrays[name].nbytes
    paths = content[offset:].split(b"\0")
    if len(content) - offset != names or len(paths) != files:
        raise ValueError("another length")
    return _Segment(folder=folder, decoder=decoder, paths=list(map(os.fsdecode, paths)), arrays=arrays)
