"""Dump one guide of a workspace: its finished run to its guide store."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from dgkd_cache.config.tables import OF_TOPK, CacheConfig
from dgkd_cache.device.device import resolve_device, resolve_precision, unit_of
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer import Dumped, GuideWriter
from dgkd_cache.errors import DgkdError, Interrupted, InvalidInput, RankLost, UnsafeStore
from dgkd_cache.paths import DUMP_SECONDS_FILE, dump_seconds_file
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.model_card import ModelCard
from dgkd_cache.run_files.reading import LIMITS, read_file
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace.dumped_here import record_dumped
from dgkd_cache.workspace.resolve import resolve_run
from dgkd_cache.workspace.run_lock import refuse_no_folder
from dgkd_cache.workspace.tasks.model_setup import load_run, prepare_inference, require_same_data, say_input
from dgkd_cache.workspace.tasks.published_pixels import unaugmented
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, draw_name
from dgkd_stores.arguments import require_integer
from dgkd_stores.disk import refuse_in_the_way, write_durably

__all__ = [
    "DumpResult",
    "FoundStore",
    "add_dump_seconds",
    "dump_draws",
    "dump_guide",
    "dump_seconds",
    "dump_settings",
    "found_at",
    "load_guide",
    "writer_of",
]


MAX_DRAWS = 10_000
"""The largest number of draws of a model that one call dumps."""


@dataclass(frozen=True, kw_only=True)
class DumpResult(Dumped):
    """The result of a dump, and the seconds that this call took."""

    seconds: float


def dump_guide(
    ws: Workspace,
    *,
    model: str,
    draw: int | None = None,
    views: range | None = None,
    shard: tuple[int, int] | None = None,
    path: Path | None = None,
    take_over: bool = False,
    device: str,
    progress: Progress,
    stop: Callable[[], bool],
    ranks: Ranks = ALONE,
) -> DumpResult:
    """Writes `guides/MODEL.zarr`, or `path`, from the finished run `runs/MODEL`: every view, or one share of them.

    With `draw`, the store is `guides/MODEL.dNUMBER.zarr`, of that draw (see `GuideWriter`).
    `views` are the views that the store holds (default: those of the workspace; others are another store of the same
    guide, `guides/MODEL-FIRST-STOP.zarr`) and `shard` (i, n) the i-th of n shares of them, from 0. `take_over` takes a
    process of another host that holds these views for dead. Raises UnknownName or Incomplete when there is no finished
    run, Mismatch when it was trained on other data, Locked when another process writes these views. All of `ranks`
    call this: each writes its part of the views on its own, and is given what all of them left.
    """
    ws = ws.stopping(stop) if ranks.alone else ws  # as for training
    held = views if views is not None else range(ws.config.views.count)
    folder, path = resolve_run(ws, model), path or ws.store_path(model, held, draw=draw)
    called = model if draw is None else draw_name(model, draw)
    refuse_no_folder(folder)
    refuse_in_the_way(folder / DUMP_SECONDS_FILE)
    mine = _share(held, shard)
    if held and not mine:  # an array of more jobs than there are views
        progress.say(f"of {len(held)} views, this share has none: nothing to do")
    if len(mine) and not ranks.alone:
        mine = _cut(mine, ranks.rank, ranks.world)  # of few views, some ranks have none
    before = found_at(path)
    # They exchange nothing but "done", which takes no GPU.
    with ranks.join(torch.device("cpu")):
        ranks.in_turn(ws.dataset)
        where = resolve_device(ranks.device(device))
        precision = resolve_precision(
            ws.config.cache.precision, where, begun=before.precision, broadcast=ranks.broadcast
        )
        if ws.config.cache.precision == "auto":
            why = "as the store was begun" if before.precision == precision else f"auto on {unit_of(where)}"
            progress.say(f"{called}: dumped in {precision}: {why}")
        started, done = time.perf_counter(), Dumped(path=path, seal=None, views=held, nbytes=0)
        try:
            if mine or not held:  # no views at all are refused there
                settings = dump_settings(ws.config.cache, precision)
                guide = load_guide(ws, model, progress)
                writer = writer_of(ws, *guide, path=path, views=held, settings=settings, device=where, draw=draw)
                _tell_of_rates(writer, called, progress)
                started = time.perf_counter()  # where the progress of the dump begins to count: one clock for both
                done = writer.run(mine=mine, take_over=take_over, progress=progress, stop=stop)
                if done.seal and not before.seal:
                    record_dumped(ws.folder, done.seal)
            _until_all_are_done(ranks, called, stop)
        finally:
            seconds = time.perf_counter() - started
            of_run = path == ws.store_path(
                model, draw=draw
            )  # `run` shows the time of the store that it uses, and of no other
            if ranks.first and of_run and before.missing != (0 if done.seal else found_at(path).missing):
                add_dump_seconds(folder, seconds)
    if not done.seal and path.exists():  # the last of those that write it seals it
        with GuideStore.open(path, allow_incomplete=True) as store:
            done = Dumped(path=path, seal=store.seal, views=store.views, nbytes=store.nbytes)
    return DumpResult(**vars(done), seconds=seconds)


def dump_draws(
    ws: Workspace,
    *,
    model: str,
    draws: int,
    views: range | None = None,
    shard: tuple[int, int] | None = None,
    take_over: bool = False,
    device: str,
    progress: Progress,
    stop: Callable[[], bool],
    ranks: Ranks = ALONE,
) -> list[DumpResult]:
    """Writes the stores of the first `draws` draws of the finished run `runs/MODEL`, one after the other.

    Those that are finished are kept: more draws never change the ones before. The arguments are those of `dump_guide`,
    and so is what it raises; InvalidInput for a model without dropout layers.
    """
    require_integer("dump_draws", "draws", draws, low=1, high=MAX_DRAWS)
    with ranks.join(torch.device("cpu")):
        return [
            dump_guide(
                ws,
                model=model,
                draw=draw,
                views=views,
                shard=shard,
                take_over=take_over,
                device=device,
                progress=progress,
                stop=stop,
                ranks=ranks,
            )
            for draw in range(draws)
        ]


def load_guide(ws: Workspace, model: str, progress: Progress) -> tuple[nn.Module, ModelCard]:
    """Loads the finished run `runs/MODEL`. Raises Mismatch if it was trained on other data."""
    network, card = load_run(ws, model)
    require_same_data(ws, card, ws.run_folder(model), test=True)
    why = "as it was adopted" if card.adopted else "as it was trained"
    say_input(ws, model, card.preprocess.input_size, progress, why=why)
    return network, card


def writer_of(
    ws: Workspace,
    network: nn.Module,
    card: ModelCard,
    *,
    path: Path,
    views: range,
    settings: DumpSettings,
    device: torch.device,
    draw: int | None = None,
) -> GuideWriter:
    """The writer of the store at `path` for a model in evaluation mode, or for a draw of it, whatever its weights are.

    Raises InvalidInput for a draw of a model without dropout layers.
    """
    dataset, plan = ws.dataset(), ws.plan()
    # Refuses what an enumerated plan does not have, before anything is forwarded; no views at all are told below.
    plan.parameters(max(views.stop, 1) - 1, 0, 1)
    network, transform = prepare_inference(network, card, device)
    return GuideWriter(
        path,
        network,
        lambda pixels_BIHW: network(transform(pixels_BIHW)),
        guide=Provenance(
            name=card.name,
            architecture=card.architecture,
            training={key: _text(value) for key, value in card.training.items()} | {"views": _text(card.views)},
            guides=card.guides,
        ),
        train=ViewRenderer(plan, dataset.train.to(device)),
        test=unaugmented(plan, dataset.test.to(device), card.preprocess),
        views=views,
        settings=replace(settings, workers=ws.config.training_for(card.name).workers),
        device=device,
        draw=draw,
    )


def dump_settings(cache: CacheConfig, precision: str) -> DumpSettings:
    """Returns the settings of a dump as `dgkd.toml` has them, with a precision other than `auto`."""
    unused = {"reader", "draws"} | (set() if cache.encoding == "topk" else {*OF_TOPK})
    return DumpSettings(**cache.model_dump(exclude=unused) | {"precision": precision})


class FoundStore(NamedTuple):
    """The state of the store at a dump's path; None for what is not there or cannot be read."""

    precision: str | None = None
    missing: int | None = None
    """Number of missing blocks."""
    seal: str | None = None


def found_at(path: Path) -> FoundStore:
    """Returns what is known of the store at `path`."""
    with suppress(DgkdError), GuideStore.open(path, allow_incomplete=True) as store:
        missing = store.completeness().blocks_missing
        return FoundStore(str(store.header.compute.get("precision")), missing, store.seal)
    return FoundStore()


def dump_seconds(folder: Path, *, draw: int | None = None) -> float | None:
    """Returns the seconds in which the store of the run in `folder` was dumped, over all resumptions; None if unknown.

    That is the store of the workspace's views, or that of a draw where these are counted one by one. The time lies
    beside the run because a store holds no clock: its bytes must not depend on when it was written.
    """
    try:
        seconds = float(read_file(folder / dump_seconds_file(draw), limit=LIMITS[DUMP_SECONDS_FILE]))
    except (OSError, ValueError, DgkdError):
        return None  # a figure that nothing depends on
    return seconds if math.isfinite(seconds) else None


def add_dump_seconds(folder: Path, seconds: float, *, draw: int | None = None) -> None:
    """Adds the seconds of a dump to the sum beside the run; a sum that cannot be written keeps its old value."""
    with suppress(OSError, UnsafeStore):
        text = f"{(dump_seconds(folder, draw=draw) or 0.0) + seconds:.3f}\n"
        write_durably(folder / dump_seconds_file(draw), text.encode())


def _until_all_are_done(ranks: Ranks, model: str, stop: Callable[[], bool]) -> None:
    try:
        ranks.barrier()
    except RankLost as error:
        if not stop():
            raise
        raise Interrupted(
            f"the dump of {model} was stopped", do="run the same command again to go on: finished chunks are kept"
        ) from error


def _tell_of_rates(writer: GuideWriter, called: str, progress: Progress) -> None:
    record = writer.draft.header.guide.training.get("draw")
    rates = record["rates"] if writer.draft.header.guide.draw is not None and isinstance(record, Mapping) else None
    if isinstance(rates, Mapping) and not any(rate != "0" for rate in rates.values()):
        progress.warn(
            f"{called}: all its dropout layers have the rate 0: its rows are those of the model without draws"
        )


def _share(held: range, shard: tuple[int, int] | None) -> range:
    """The i-th of n shares of consecutive views; all of them for None."""
    if shard is None:
        return held
    index, count = shard
    if not 0 <= index < count:
        raise InvalidInput("there is no such share", expected="i/n with 0 <= i < n", found=f"{index}/{count}")
    return _cut(held, index, count)


def _cut(views: range, index: int, count: int) -> range:
    return views[len(views) * index // count : len(views) * (index + 1) // count]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
