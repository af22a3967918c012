"""A store in the hands of the library that somebody analyses with: Zarr, xarray or h5py, read-only.

These libraries check no digest: Zarr reads a chunk that is not there as fill values, and HDF5's own library crashes on
files that are made for it. So the whole store is verified before one of them sees it. Only these calls load them.
"""

from __future__ import annotations

import shlex
import warnings
from typing import TYPE_CHECKING

from dgkd_stores.arguments import require_flags
from dgkd_stores.checking.verify import verify as verify_store
from dgkd_stores.containers import Container, open_container, unfinished
from dgkd_stores.containers.container import how_to_mend
from dgkd_stores.errors import Damaged, InvalidInput, Mismatch, UnsafeStore
from dgkd_stores.sanitize import clean

if TYPE_CHECKING:
    import h5py
    import xarray
    import zarr

__all__ = ["to_h5py", "to_xarray", "to_zarr"]

_NAMES = {"zarr": "a Zarr folder", "hdf5": "an HDF5 file"}
_SUFFIXES = {"zarr": ".zarr", "hdf5": ".h5"}


def to_zarr(held: Container, *, verify: bool) -> zarr.Group:
    """Opens a Zarr folder as a `zarr.Group`, as `GuideStore.to_zarr` has it."""
    _require(held, "to_zarr", "zarr")
    _check(held, "to_zarr", verify=verify)
    import zarr

    return zarr.open_group(held.path, mode="r", zarr_format=3, use_consolidated=False)


def to_xarray(held: Container, *, verify: bool) -> xarray.Dataset:
    """Opens a Zarr folder as an `xarray.Dataset`, as `GuideStore.to_xarray` has it."""
    _require(held, "to_xarray", "zarr")
    try:
        import xarray
    except ImportError as error:
        raise InvalidInput(
            "to_xarray: xarray is not installed",
            expected="xarray",
            found=str(error),
            do='run: pip install "dgkd-cache[xarray]"',
        ) from error
    _check(held, "to_xarray", verify=verify)
    dataset: xarray.Dataset = xarray.open_zarr(held.path, consolidated=False, chunks=None)
    return dataset


def to_h5py(held: Container, *, verify: bool) -> h5py.File:
    """Opens an HDF5 file as an `h5py.File`, as `GuideStore.to_h5py` has it."""
    _require(held, "to_h5py", "hdf5")
    _check(held, "to_h5py", verify=verify)
    import h5py

    return h5py.File(held.path, "r")


def _require(held: Container, call: str, kind: str) -> None:
    if held.kind == kind:
        return
    path, target = (shlex.quote(str(one)) for one in (held.path, held.path.with_suffix(_SUFFIXES[kind])))
    raise InvalidInput(
        f"{call}: {held.path} is of another kind",
        expected=_NAMES[kind],
        found=_NAMES[held.kind],
        do=f"`dgkd-cache import {path} --to {target}` makes one of it"
        if kind == "zarr"
        else f"`dgkd-cache export {path} {target}` makes one of it",
    )


def _check(held: Container, call: str, *, verify: bool) -> None:
    """Raises what is wrong with the store that is at the path now; without `verify`, with its metadata alone."""
    require_flags(call, verify=verify)
    if verify:
        found = verify_store(held.path, full=True)
        if found.damage:
            first, more = found.damage[0], len(found.damage) - 1
            raise (UnsafeStore if found.exit_code == UnsafeStore.exit_code else Damaged)(
                f"{held.path}: damaged",
                expected="a store without damage",
                found=f"{first.kind}: {clean(first.file)}" + (f", and {more} more" if more else ""),
                do=how_to_mend(held.path),
            )
        if found.seal is None:
            raise unfinished(held, "no seal: rows that are not written would be read as fill values")
        kind, seal = found.container, found.seal
    else:
        warnings.warn(
            f"{call}(verify=False): the rows of {held.path} are not checked against their digests, nor its arrays "
            "against its seal once more: damaged rows are read as they are, missing ones as fill values",
            stacklevel=4,
        )
        now = open_container(held.path)
        kind, seal = now.kind, now.seal.digest if now.seal else "none"
    opened = held.seal.digest if held.seal else "none"
    if (kind, seal) != (held.kind, opened):
        raise Mismatch(
            f"{held.path} is not the store that was opened",
            expected=f"seal {opened}" if kind == held.kind else _NAMES[held.kind],
            found=f"seal {seal}" if kind == held.kind else _NAMES[kind],
            do="open it again with `GuideStore.open`",
        )
