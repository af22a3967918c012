"""Reads root and metadata of a published Zarr folder, and refuses an unsafe store before any of its bulk is fetched.

They are put into a folder of their own, which is inspected like any store on disk; what the header does not imply byte
for byte is refused, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dgkd_stores.checking.damage import Verification
from dgkd_stores.coding.canonical import sha256_hex
from dgkd_stores.coding.digests import seal_of
from dgkd_stores.containers import ZarrFolder
from dgkd_stores.errors import Damaged, Incomplete, Mismatch, StoreNotFound, UnsafeStore
from dgkd_stores.format.layout import StoreLayout
from dgkd_stores.format.limits import MAX_ARRAY_METADATA_BYTES, MAX_METADATA_BYTES
from dgkd_stores.sharing.fetch import Fetcher
from dgkd_stores.sharing.inventory import ROOT
from dgkd_stores.sharing.parallel import Tally, in_parallel

__all__ = ["Guarded", "Published", "check_seal", "fetch_guarded", "naming", "not_whole", "replaced"]

_TELL = "tell whoever published it, and pull again once it is mended"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published store, before anything of it is known."""

    fetcher: Fetcher
    address: str
    """The address of the store."""
    seal: str | None
    """The seal that it must have; None for any."""
    listed: int | None
    """Number of its files in the place's list; None if the place cannot list."""


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A published store whose root and metadata are those of a finished store."""

    held: ZarrFolder
    """The store as inspected, without any chunk."""
    metadata: dict[str, bytes]
    """Each zarr.json, by its name within the store; the root is the last."""

    @property
    def seal(self) -> str:
        """The seal, which the header and the digests of the root fit."""
        assert self.held.seal is not None
        return self.held.seal.digest

    @property
    def key(self) -> str:
        """A name for this store in this form: equal ones have equal files."""
        return sha256_hex("".join(map(sha256_hex, self.metadata.values())).encode())[:16]


def fetch_guarded(published: Published, folder: Path, *, jobs: int, tally: Tally) -> Guarded:
    """Fetches root and metadata of a published store into the new `folder`, and inspects them.

    Raises StoreNotFound without a root; Incomplete if other files are there, or for a root without a seal; Mismatch for
    another seal than the wanted one; Damaged for a seal or metadata that do not fit the header; and as
    `ZarrFolder.inspect`.
    """
    address = published.address
    folder.mkdir()
    metadata = {ROOT: _root(published)}
    (folder / ROOT).write_bytes(metadata[ROOT])
    with naming(address, folder):
        header, found = ZarrFolder.read_head(folder)
    if found is None:
        raise Incomplete(
            f"{address} is not finished", expected="a sealed store", found="a store without a seal", do=_TELL
        )
    check_seal(address, found=found.digest, computed=seal_of(header.canonical, found.arrays), wanted=published.seal)

    def fetch(name: str) -> None:
        try:
            data = published.fetcher.small(f"{name}/{ROOT}", limit=MAX_ARRAY_METADATA_BYTES)
        except FileNotFoundError as error:
            raise Damaged(
                f"{address} has lost an array", expected=f"{name}/{ROOT}", found="no such object", do=_TELL
            ) from error
        (folder / name).mkdir()
        (folder / name / ROOT).write_bytes(data)
        metadata[f"{name}/{ROOT}"] = data

    in_parallel(fetch, StoreLayout(header, chunk_rows=header.dataset.samples).arrays, jobs=jobs, tally=tally)
    with naming(address, folder):
        held = ZarrFolder.inspect(folder)
        expected = dict(held.metadata_files())
    for name, data in expected.items():
        if metadata[name] != data:
            raise Damaged(
                f"{address}/{name} is not what its header implies",
                expected=f"{len(data)} bytes with SHA-256 {sha256_hex(data)}",
                found=f"{len(metadata[name])} bytes with SHA-256 {sha256_hex(metadata[name])}",
                do=_TELL,
            )
    return Guarded(held=held, metadata=expected)


def check_seal(address: str, *, found: str, computed: str, wanted: str | None) -> None:
    """Raises Damaged if the seal is not that of the header and the digests, Mismatch if it is not the wanted one."""
    if computed != found:
        raise Damaged(
            f"{address}: its header is not what was sealed", expected=f"seal {found}", found=computed, do=_TELL
        )
    if wanted is not None and found != wanted:
        raise Mismatch(
            f"{address} is another store than the one asked for",
            expected=f"seal {wanted}",
            found=found,
            do="ask its maker which seal is the right one; a store that never changes keeps its seal",
        )


def not_whole(problem: str, found: Verification, *, do: str = _TELL) -> Damaged | UnsafeStore:
    """Returns the error for a store that was fetched and in which damage was `found`, with its exit code."""
    one = found.damage[0]
    kind = UnsafeStore if found.exit_code == UnsafeStore.exit_code else Damaged
    return kind(problem, expected=one.expected, found=f"{one.kind} of {one.file}", do=do)


def replaced(address: str, expected: str) -> Mismatch:
    """Returns the error of a store that is no longer the `expected` one, as which it was announced."""
    return Mismatch(
        f"{address} was replaced while it was pulled",
        expected=expected,
        found="another one, or none",
        do="pull again; a store that was published should never change: ask its maker",
    )


@contextlib.contextmanager
def naming(address: str, folder: Path) -> Iterator[None]:
    """Puts the address of the store into errors about the `folder` that its files are in, and whom to tell of them.

    A connection that is lost, a full disk or a stop is nothing that its maker can mend: such an error is left as it is.
    """
    try:
        yield
    except (Damaged, Mismatch, StoreNotFound, UnsafeStore) as error:
        texts = {name: getattr(error, name).replace(str(folder), address) for name in ("problem", "expected", "found")}
        problem = texts.pop("problem")
        raise type(error)(problem, **texts, do=_TELL) from error


def _root(published: Published) -> bytes:
    try:
        return published.fetcher.small(ROOT, limit=MAX_METADATA_BYTES)
    except FileNotFoundError as error:
        if published.listed:
            raise Incomplete(
                f"{published.address} is not published yet",
                expected=f"its {ROOT}, which comes last",
                found=f"{published.listed} other files",
                do="pull again later; if nobody is publishing it any more, its maker runs the same push again",
            ) from error
        raise StoreNotFound(
            f"no guide store at {published.address}",
            expected=f"a {ROOT}",
            found="none",
            do="check the address: it is that of the store, which ends in .zarr or .h5, or of the place that holds it",
        ) from error
