"""The interface of a store's containers: header, seal, present chunks, and the bytes of each chunk.

A container is inspected before anything in it is decoded; reading, verifying and converting use only this interface.
"""

from __future__ import annotations

import shlex
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.coding.codecs import RAW, Codec
from dgkd_stores.coding.digests import Seal
from dgkd_stores.disk.files import read_file
from dgkd_stores.errors import Damaged, Incomplete, StoreNotFound, UnsafeStore
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.identity import labels_within
from dgkd_stores.format.layout import ArrayLayout, StoreLayout

__all__ = ["LOST", "Container", "Place", "damaged", "how_to_mend", "no_store", "unfinished"]


LOST = "nothing in the store tells what it should be: get a whole copy, or dump the guide again"
"""The hint for damage that `repair` cannot mend."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The location of one chunk's bytes."""

    path: Path
    offset: int = 0
    nbytes: int | None = None
    """None for the whole file."""
    codec: Codec = RAW


@dataclass(frozen=True, kw_only=True)
class Container(ABC):
    """A store on disk, inspected by name and size; only its header is decoded."""

    kind: ClassVar[str]
    """The container's name for users."""

    path: Path
    header: StoreHeader
    seal: Seal | None
    layout: StoreLayout
    nbytes: int
    """The size of all files in bytes."""
    present: Mapping[str, NDArray[np.bool_]]
    """For each array, over its grid of chunks: the chunk exists with a possible size."""
    wrong_size: tuple[str, ...]
    """Names (`name_of`) of chunks of another size."""

    @abstractmethod
    def place(self, array: ArrayLayout, position: tuple[int, ...]) -> Place:
        """Returns the location of a chunk that is `present`."""

    @staticmethod
    def name_of(array: ArrayLayout, position: tuple[int, ...]) -> str:
        """Returns a chunk's name within the container, for messages and lists of damage: in a folder, its file's."""
        return f"{array.name}/{array.key(*position)}"

    def metadata_files(self) -> Iterator[tuple[str, bytes]]:
        """Yields each metadata file by name, with its required bytes; none if their form is not unique."""
        return iter(())

    def chunk(
        self, array: ArrayLayout, position: tuple[int, ...], *, read: Callable[..., NDArray[np.uint8]] = read_file
    ) -> NDArray[Any]:
        """Reads one chunk in its declared shape, padding included; by default into new memory.

        Raises Damaged for a chunk that is missing or does not decode to exactly its declared size.
        """
        try:
            place = self.place(array, position)
            stored = read(place.path, place.offset, _stored_bytes(place, array))
            raw = place.codec.decode(stored, array.chunk_bytes)
        except FileNotFoundError:
            found = "no such file"
        except ValueError as error:
            found = str(error)
        else:
            return raw.view(array.numpy_dtype).reshape(array.chunks)
        file = self.path / self.name_of(array, position)
        raise damaged(self.path, f"{file}: damaged", f"a chunk of {array.chunk_bytes} bytes", found)

    def digests(
        self, read: Callable[[ArrayLayout, tuple[int, ...]], NDArray[Any] | None] | None = None
    ) -> NDArray[np.uint8]:
        """Returns all digests [V, blocks, 32]; zeros for a view whose chunk is missing, or is None from `read`."""
        array = self.layout.digest
        digest_VB32 = np.zeros(array.shape, dtype=np.uint8)
        for view in np.flatnonzero(self.present["digest"]).tolist():
            chunk = (read or self.chunk)(array, (view, 0, 0))
            if chunk is not None:
                digest_VB32[view] = chunk[0]
        return digest_VB32

    def identity(self) -> dict[str, NDArray[Any]]:
        """Reads the identity arrays into new memory, their content unchecked; raises Damaged if one is missing."""
        arrays = {}
        for name, array in self.layout.identity.items():
            if not self.present[name].all():
                lost = self.name_of(array, array.only_chunk)
                found = "another size" if lost in self.wrong_size else "no such file"
                expected = f"{lost} of {array.chunk_bytes} bytes"
                raise damaged(self.path, f"{self.path} has lost its array {name}", expected, found)
            empty = np.empty(array.shape, dtype=array.numpy_dtype)
            arrays[name] = self.chunk(array, array.only_chunk) if array.nbytes else empty
        return arrays

    def check_labels(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Raises UnsafeStore for labels that are not classes; damage against the seal must be reported first."""
        for name in ("label", "test_label"):
            if not labels_within(arrays[name], self.header.classes):
                raise UnsafeStore(
                    f"{self.path}: labels in {name} that are no class",
                    expected=f"0 to {self.header.classes - 1}",
                    found=f"{arrays[name].min()} to {arrays[name].max()}",
                )

    def check_shared(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Raises Damaged for an array that all rows share with an element that the format does not allow."""
        if name := self.header.row_encoding.out_of_bounds(arrays):
            problem, found = f"{self.path / name}: damaged", f"{np.abs(arrays[name]).max()}"
            raise damaged(self.path, problem, "numbers within the bounds of the encoding", found, do=LOST)

    def blocks_done(self, digest_VB32: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Returns which blocks [V, blocks] have a digest, and a `present` chunk of each array."""
        done_VB = digest_VB32.any(axis=2)
        blocks_of_chunk = -(-self.layout.chunk_rows // self.header.digest_rows)
        for name in self.layout.rows:
            done_VB &= np.repeat(self.present[name][:, :, 0], blocks_of_chunk, axis=1)[:, : done_VB.shape[1]]
        return np.asarray(done_VB)


def _stored_bytes(place: Place, array: ArrayLayout) -> int | None:
    """Returns the current size of a chunk's file; raises ValueError if it has grown beyond the chunk's maximum."""
    if place.nbytes is not None:
        return place.nbytes
    status = place.path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return None  # opening it raises the error
    if not place.codec.plausible(status.st_size, array.chunk_bytes):
        raise ValueError(f"{status.st_size} bytes")
    return status.st_size


def damaged(path: Path, problem: str, expected: str, found: str, *, do: str = "") -> Damaged:
    """Returns the error for damage of the store at `path`, with the advice of `how_to_mend` or with `do`."""
    return Damaged(problem, expected=expected, found=found, do=do or how_to_mend(path))


def how_to_mend(path: Path) -> str:
    """Returns the advice on the damaged store at `path`, as a sentence."""
    place = shlex.quote(str(path))
    if not path.is_dir():
        return f"`dgkd-cache verify --full {place}` tells what is damaged; get it again, or export it again"
    return f"`dgkd-cache verify --full {place}` tells what is damaged, `dgkd-cache repair {place}` mends it"


def unfinished(held: Container, found: str) -> Incomplete:
    """The error for a store that has no seal, or lacks rows that are asked for."""
    return Incomplete(
        f"{held.path} is not finished",
        expected=f"a sealed store of {held.header.views} views",
        found=found,
        do=f"finish it, in its workspace, with `dgkd-cache dump --model {held.header.guide.dump_words}`",
    )


def no_store(path: Path, *, expected: str, found: str) -> StoreNotFound:
    """Returns the error for a path without a store."""
    return StoreNotFound(
        f"no guide store at {path}",
        expected=expected,
        found=found,
        do="check the path; in a workspace `dgkd-cache ls` lists the stores, `dgkd-cache dump --model NAME` makes one",
    )
