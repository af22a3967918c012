"""Dump one guide of a workspace: its finished run to its guide store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from dgkd_cache.compute import resolve_device, resolve_precision
from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.writer import Dumped, GuideWriter
from dgkd_cache.models.card import load_model
from dgkd_cache.progress import Progress
from dgkd_cache.views.views import Views
from dgkd_cache.workspace.jobs.fit import require_same_data
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["DumpResult", "dump_guide", "dump_seconds"]

_DUMP_SECONDS = "dump_seconds.txt"


@dataclass(frozen=True, kw_only=True)
class DumpResult(Dumped):
    """What a dump left, and the seconds that this call took."""

    seconds: float


def dump_guide(
    ws: Workspace,
    *,
    model: str,
    views: range | None = None,
    shard: tuple[int, int] | None = None,
    device: str,
    progress: Progress,
    stop: Callable[[], bool],
) -> DumpResult:
    """Writes `guides/MODEL.zarr` from the finished run `runs/MODEL`: every view, or one share of them.

    `views` are the views that the store holds (default: those of the workspace) and `shard` (i, n) the i-th of n shares
    of them, from 0. Raises Incomplete when the run is not finished, Mismatch when it was trained on other data.
    """
    started = time.perf_counter()
    where = resolve_device(device)
    cache = ws.config.cache
    network, card = load_model(ws.run_folder(model))
    dataset, plan = ws.dataset(), ws.plan()
    require_same_data(ws, card, model)
    held = views if views is not None else range(ws.config.views.count)
    if plan.outcomes is not None and plan.scheme == "enumerated" and held.stop > plan.outcomes:
        raise InvalidInput(
            "there are not that many views",
            expected=f"views 0 to {plan.outcomes - 1}",
            found=f"view {held.stop - 1}",
        )
    precision = resolve_precision(cache.precision, where)
    network = network.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]  # as in Trainer
    transform = card.preprocess.module(channels_last=True).to(where)
    with GuideWriter(
        ws.store_path(model),
        network,
        lambda pixels_BIHW: network(transform(pixels_BIHW)),
        name=model,
        train=Views(plan, dataset.train.to(where)),
        test=Views(plan, dataset.test.to(where)),
        views=held,
        mine=_share(held, shard),
        temperature=cache.temperature,
        encoding=cache.encoding,
        batch_size=cache.batch_size,
        device=where,
        precision=precision,
        workers=ws.config.training_for(model).workers,
        architecture=card.architecture,
        training={key: _text(value) for key, value in card.training.items()} | {"views": _text(card.views)},
        guides=card.guides,
        licence=cache.licence,
    ) as writer:
        try:
            result = writer.run(progress=progress, stop=stop)
        finally:
            _add_dump_seconds(ws.run_folder(model), time.perf_counter() - started)
    seconds = time.perf_counter() - started
    return DumpResult(path=result.path, seal=result.seal, views=result.views, nbytes=result.nbytes, seconds=seconds)


def dump_seconds(folder: Path) -> float | None:
    """The seconds that dumps of the run in `folder` took so far, over all resumptions; None before the first.

    They lie beside the run because a store holds no clock: its bytes must not depend on when it was written.
    """
    path = folder / _DUMP_SECONDS
    return float(path.read_text(encoding="utf-8")) if path.exists() else None


def _add_dump_seconds(folder: Path, seconds: float) -> None:
    total = (dump_seconds(folder) or 0.0) + seconds
    (folder / _DUMP_SECONDS).write_text(f"{total:.3f}\n", encoding="utf-8")


def _share(held: range, shard: tuple[int, int] | None) -> range | None:
    """The i-th of n shares of consecutive views."""
    if shard is None:
        return None
    index, count = shard
    if not 0 <= index < count or count > len(held):
        raise InvalidInput(
            "there is no such share",
            expected=f"i/n with 0 <= i < n <= {len(held)} views",
            found=f"{index}/{count}",
        )
    return range(held.start + len(held) * index // count, held.start + len(held) * (index + 1) // count)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
