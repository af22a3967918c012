"""Gets a published store and proves it: `pull`, in the order that `Pulling` has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shlex import quote

from dgkd_stores.arguments import as_path, require_callable, require_flags, require_integer, require_kind, require_views
from dgkd_stores.disk.paths import names_hdf5, names_store
from dgkd_stores.errors import InvalidInput, StoreNotFound
from dgkd_stores.format.checks import HEX64
from dgkd_stores.sharing.address import Address, parse_address, refuse_inside_a_store, require_folder
from dgkd_stores.sharing.one_guide import is_finished
from dgkd_stores.sharing.open_place import open_place
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.pulled import Pulled
from dgkd_stores.sharing.pulling import Pulling
from dgkd_stores.sharing.remote import Remote
from dgkd_stores.sharing.requests import attempt
from dgkd_stores.sharing.trust import TrustedKeys

__all__ = ["pull"]


def pull(
    source: str,
    destination: Path | str = ".",
    *,
    seal: str | None = None,
    trusted: TrustedKeys | None = None,
    views: range | None = None,
    jobs: int = 4,
    dry_run: bool = False,
    take_over: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Pulled:
    """Gets the store at `source`, the address of a store or of a place that holds one, and verifies all of it.

    `destination` is a folder, in which the store has its own name, or a path that ends in .zarr or .h5. A store
    that is there already, of the same seal, is verified; if it is damaged, only what is wrong is fetched. `seal` is
    the one that it must have; with `trusted` it must have a signature by one of these keys, which is checked before
    its rows are fetched. A signature is kept beside the store. `jobs` is the number of files on their way at a
    time; with `take_over` a process that another host or container holds a lock for counts as dead, as in `convert`;
    `report` gets the bytes done and the total; `stop` is called between pieces. Raises StoreNotFound,
    Incomplete for a store without a seal or after lost connections, Damaged for content that its seal does not fit,
    Mismatch for another seal, a signature that does not count, or something else at the destination, Locked while
    another process writes there, NoSpace, UnsafeStore as `GuideStore.open`, InvalidInput for an address or a seal
    that cannot be one, and Interrupted.
    """
    require_kind("pull", "source", source, str, expected="an address, as text")
    into = as_path("pull", "destination", destination)
    require_integer("pull", "jobs", jobs, low=1, high=256)
    require_flags("pull", dry_run=dry_run, take_over=take_over)
    require_callable("pull", report=report, stop=stop)
    require_kind("pull", "trusted", trusted, (TrustedKeys, type(None)), expected="TrustedKeys, or None")
    if seal is not None and not HEX64.fullmatch(str(seal)):
        raise InvalidInput("pull: the seal cannot be one", expected="64 lower-case hexadecimal digits", found=str(seal))
    if views is not None:
        require_views("pull", views)
    address = parse_address(source)
    remote = open_place(address)
    tally = Tally(0, report, stop)
    name = address.name or _only_store(remote, address, tally)
    one = Pulling(
        remote=remote,
        address=address.of(name),
        name=name,
        target=_target(address, name, into, views),
        seal=seal,
        trusted=trusted,
        views=views,
        jobs=jobs,
        take_over=take_over,
        tally=tally,
    )
    return one.run(dry_run=dry_run)


def _target(address: Address, name: str, into: Path, views: range | None) -> Path:
    """Returns the path of the store on this machine. Raises InvalidInput if the store cannot have it."""
    if views is not None and names_hdf5(name):
        whole = (into.parent if names_store(into) else into) / name
        part = whole.with_name(f"{whole.stem}-{views.start}-{views.stop}{whole.suffix}")
        old, new, span = quote(str(whole)), quote(str(part)), f"{views.start}:{views.stop}"
        raise InvalidInput(
            f"{address.of(name)} is one object, of which no views can be taken",
            expected="a Zarr folder",
            found="an HDF5 file",
            do=f"pull it whole, as {whole}, and then `dgkd-cache subset {old} --views {span} -o {new}` takes the views",
        )
    own = name if views is None else f"{name.removesuffix('.zarr')}-{views.start}-{views.stop}.zarr"
    target = into if names_store(into) else into / own
    refuse_inside_a_store(str(target), target.absolute().parent.parts)
    require_folder(target.parent)
    if names_hdf5(name) != names_hdf5(target):
        first = target.with_suffix(Path(name).suffix)
        raise InvalidInput(
            f"{target} is no name for this store",
            expected="an HDF5 file" if names_hdf5(name) else "a name that ends in .zarr",
            found=target.name,
            do=f"pull it as {first}, and then `dgkd-cache export {quote(str(first))} {quote(str(target))}`",
        )
    return target


def _only_store(remote: Remote, address: Address, tally: Tally) -> str:
    """Returns the name of the only store at a place; raises InvalidInput if the place cannot list, or has several."""
    first = attempt(tally, remote.tops, address.place)
    if first is None:
        raise InvalidInput(
            f"{address.place} cannot be listed",
            expected="the address of a store, which ends in its name",
            found="that of a place",
            do=f"write {address.of('NAME.zarr')} or {address.of('NAME.h5')}, as whoever published it calls it",
        )
    stores = sorted(name for name in first if names_store(name))
    if not stores:
        raise StoreNotFound(
            f"no guide store at {address.place}",
            expected="NAME.zarr or NAME.h5",
            found=f"{len(first)} other names" if first else "nothing",
            do="check the address",
        )
    if len(stores) > 1:
        # One that was begun beside a finished one is left of a push that was refused.
        stores = [name for name in stores if is_finished(remote, name, tally)] or stores
    if len(stores) > 1:
        raise InvalidInput(
            f"{address.place} holds several stores",
            expected="the address of one of them",
            found=", ".join(stores[:10]),
            do=f"write {address.of(stores[0])} for the first of them",
        )
    return stores[0]
