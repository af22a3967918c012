"""Guide gather: random 128-row batches from three stores, beside raw numpy.memmap and beside zarr.

All three read the same files. The memmap side maps each view's file once, before the clock starts, and takes its rows
by fancy indexing, view by view; it checks no digest and no bound. The zarr side is `oindex`, view by view, for the
first few of the batches. The other reader, `pread`, is beside the mapped one twice: with all of its blocks held, and at
its first read of each block, when it copies and checks 64 KiB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from numpy.typing import NDArray

from benchmarks.harness import Timed, arguments, at_least, finish, ratio, rounds, scratch, seconds
from benchmarks.result import Row
from benchmarks.synthetic import cifar_like, random_stores, views_of
from benchmarks.training import cached
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.plan import Scheme
from dgkd_cache.views.schedule import Schedule
from dgkd_stores import GuideStore, RowIndex

GUIDES, BATCH = 3, 128

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
Gather = Callable[[NDArray[np.int64], NDArray[np.int64]], object]


def main(given: Sequence[str] | None = None) -> None:
    defaults = {
        "rounds": 15,
        "batches": 80,
        "zarr_rounds": 6,
        "zarr_batches": 2,
        "first_rounds": 6,
        "samples": 50_000,
        "views": 162,
    }
    quick = {"rounds": 2, "batches": 3, "zarr_rounds": 2, "first_rounds": 2, "samples": 2_000}
    options = arguments(__doc__, defaults, quick, given)
    rows: list[Row] = []
    for classes in (10, 100):
        with scratch(options) as folder:
            rows += _of_classes(classes, folder, options)
    finish("gather", "Rows of 128 random samples from three stores (float16)", rows, options)


def _of_classes(classes: int, folder: Path, options: Any) -> list[Row]:
    scheme: Scheme = "enumerated" if options.views == 162 else "sampled"
    views = views_of(cifar_like(options.samples, classes), scheme=scheme)
    paths = random_stores(folder, views, GUIDES, count=options.views)
    rows = []
    with ExitStack() as opened:
        stores = [opened.enter_context(GuideStore.open(path, reader="mmap")) for path in paths]
        read = [opened.enter_context(GuideStore.open(path, reader="pread")) for path in paths]
        bank = opened.enter_context(cached(paths, views, count=options.views, device=options.device))
        mapped = [_mapped(path, store) for path, store in zip(paths, stores, strict=True)]
        arrays = [zarr.open_array(path / "logits", mode="r") for path in paths]
        gathers: dict[str, Gather] = {
            "stores": lambda v, s: _from_stores(stores, v, s),
            "pread": lambda v, s: _from_stores(read, v, s),
            "memmap": lambda v, s: [_by_view(maps, v, s) for maps in mapped],
            # A bank gives one tensor of all guides: so does the other side.
            "bank": lambda v, s: bank.gather(v, s),
            "memmap, stacked": lambda v, s: torch.from_numpy(np.stack([_by_view(maps, v, s) for maps in mapped])),
            "zarr": lambda v, s: [_oindex(array, v, s) for array in arrays],
        }
        for kind in ("cycle", "draw"):
            pairs = _pairs(kind, options)
            _same(gathers, pairs[0])
            fast = {name: gather for name, gather in gathers.items() if name != "zarr"}
            times = rounds({name: _side(gather, pairs) for name, gather in fast.items()}, options.rounds)
            label = f"{classes} classes, {kind}"
            for over, under, what in (
                ("memmap", "stores", "memmap / GuideStore.gather_rows"),
                ("memmap, stacked", "bank", "memmap, stacked / GuideBank.gather"),
            ):
                floor_is = "the same rows, unchecked"
                rows.append(
                    ratio(f"{label}: {what}", times, over=over, under=under, floor_is=floor_is, bar=at_least(0.8))
                )
            what = f"{label}: GuideStore.gather_rows by mmap / by pread, all blocks held"
            rows.append(ratio(what, times, over="stores", under="pread", floor_is="a copy for nothing"))
            sides = {reader: _first_read(paths, reader, pairs) for reader in ("mmap", "pread")}
            first = rounds(sides, options.first_rounds)
            what = f"{label}: GuideStore.gather_rows by mmap / by pread, each block's first read"
            rows.append(ratio(what, first, over="mmap", under="pread", floor_is="a copy for nothing"))
            few = pairs[: options.zarr_batches]
            both = {"stores": _side(gathers["stores"], pairs), "zarr": _side(gathers["zarr"], few)}
            slow = rounds(both, options.zarr_rounds)
            what = f"{label}: zarr oindex / GuideStore.gather_rows"
            rows.append(ratio(what, slow, over="zarr", under="stores", floor=None, bar=at_least(100)))
    return rows


def _side(gather: Gather, pairs: Sequence[Pairs]) -> Timed:
    """The seconds of one batch from all stores; every round has the same batches, so that pages are in memory."""
    return lambda i: seconds(lambda: [gather(v, s) for v, s in pairs], len(pairs))


def _first_read(paths: Sequence[Path], reader: str, pairs: Sequence[Pairs]) -> Timed:
    """The seconds of one batch from stores that were just opened; their files are in memory."""

    def side(i: int) -> float:
        with ExitStack() as opened:
            fresh = [opened.enter_context(GuideStore.open(path, reader=reader)) for path in paths]
            return seconds(lambda: [_from_stores(fresh, v, s) for v, s in pairs]) / len(pairs)

    return side


def _pairs(kind: str, options: Any) -> list[Pairs]:
    """The batches of a run, as the schedule asks for them: with `cycle` one view in all of them."""
    random = RunRandom(0)
    schedule = Schedule(kind, options.views, random=random, samples=options.samples)
    order_N = random.order(0, np.arange(options.samples))
    starts = [i * BATCH % (options.samples - BATCH) for i in range(options.batches)]
    return [(schedule.views(0, order_N[s : s + BATCH]), order_N[s : s + BATCH]) for s in starts]


def _from_stores(stores: Sequence[GuideStore], views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> list[Any]:
    index = RowIndex(views_B, samples_B)
    return [store.gather_rows(index)["logits"] for store in stores]


def _mapped(path: Path, store: GuideStore) -> list[NDArray[np.float16]]:
    """One map a view. The store must have one chunk a view, as it has here up to 64 MB."""
    shape = (store.header.dataset.samples, store.header.classes)
    return [np.memmap(path / "logits" / f"c.{view}.0.0", dtype="<f2", mode="r", shape=shape) for view in store.views]


def _by_view(
    maps: Sequence[NDArray[np.float16]], views_B: NDArray[np.int64], samples_B: NDArray[np.int64]
) -> NDArray[np.float16]:
    """The natural loop: fancy indexing in the map of each view that occurs."""
    first = views_B[0]
    if (views_B == first).all():
        return np.asarray(maps[first][samples_B])
    rows_BC = np.empty((len(views_B), maps[0].shape[1]), np.float16)
    for view in np.unique(views_B):
        place = np.flatnonzero(views_B == view)
        rows_BC[place] = maps[view][samples_B[place]]
    return rows_BC


def _oindex(array: Any, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> NDArray[np.float16]:
    rows_BC = np.empty((len(views_B), array.shape[2]), np.float16)
    for view in np.unique(views_B):
        place = np.flatnonzero(views_B == view)
        rows_BC[place] = array.oindex[[int(view)], samples_B[place], slice(None)][0]
    return rows_BC


def _same(gathers: dict[str, Gather], pairs: Pairs) -> None:
    """All sides give the same numbers: a benchmark of something else would be worth nothing."""

    def rows_of(gather: Gather) -> NDArray[Any]:
        found: Any = gather(*pairs)
        return found.cpu().numpy() if isinstance(found, torch.Tensor) else np.stack(found)

    expected = rows_of(gathers["memmap"])
    for name, gather in gathers.items():
        np.testing.assert_array_equal(rows_of(gather), expected, err_msg=name)


if __name__ == "__main__":
    main()
