"""Repairs one store of a workspace: damaged parts are proven or computed again, nothing else is changed."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkd_cache.device.device import resolve_device, resolve_precision
from dgkd_cache.dump.repair import restore_lost
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Progress, counted
from dgkd_cache.workspace.tasks.dump import dump_settings, load_guide, writer_of
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import StoreHeader, StoreRepair

__all__ = ["RepairResult", "repair_store", "settings_of"]

SHOWN = 10
"""Maximum number of views that a message names."""


@dataclass(frozen=True, kw_only=True)
class RepairResult:
    """The result of a repair: the replaced files, in order, the forwarded samples, and the seal."""

    path: Path
    seal: str | None
    mended: tuple[str, ...]
    samples: int
    seconds: float


def repair_store(
    ws: Workspace | None,
    *,
    path: Path,
    take_over: bool = False,
    device: str,
    progress: Progress,
    stop: Callable[[], bool],
) -> RepairResult:
    """Repairs the store at `path` of a guide whose finished run is in this workspace.

    `ws` may be None if neither rows nor whole arrays are lost; otherwise the rest is repaired and InvalidInput names
    them. So it does for a guide whose logits a program gave, which has no run.

    The settings are those of the store's header, not of the current `dgkd.toml`; for an unfinished store, whose header
    no seal covers, they are those of a dump. An undamaged store is not changed, and no model is loaded. Raises Mismatch
    (13) if the run, its data or this machine give other rows than were sealed, and as `StoreRepair`.
    """
    started = time.perf_counter()
    with StoreRepair(path, take_over=take_over, report=counted(progress, f"check {path.name}"), stop=stop) as repair:
        progress.finish()
        repair.mend()
        samples = sum(slot.stop - slot.start for slot in repair.lost_chunks)
        if samples or repair.lost_arrays:
            if repair.header.guide.identity is not None:
                raise _needs_program(repair)
            if ws is None:
                raise _needs_guide(repair)
            ws = ws.stopping(stop)
            header, cache, where = repair.header, ws.config.cache, resolve_device(device)
            begun = str(header.compute.get("precision"))
            today = dump_settings(cache, resolve_precision(cache.precision, where, begun=begun))
            settings = settings_of(header) if repair.sealed else today
            guide = load_guide(ws, header.guide.name, progress)
            writer = writer_of(
                ws, *guide, path=path, views=header.view_range, settings=settings, device=where, draw=header.guide.draw
            )
            restore_lost(writer.draft, repair, progress=progress, stop=stop)
        seal = repair.finish()
        seconds = time.perf_counter() - started
        mended = tuple(dict.fromkeys(repair.mended))
        return RepairResult(path=path, seal=seal, mended=mended, samples=samples, seconds=seconds)


def _needs_guide(repair: StoreRepair) -> InvalidInput:
    guide = repair.header.guide.name
    only = f", and only the guide {guide} gives"
    what = f"has lost {_lost(repair)}{only} them again"
    return InvalidInput(
        f"{repair.path} {what if repair.sealed else f'is not finished{only} what is missing'}",
        expected=f"the workspace with the finished run {guide}",
        found="no workspace",
        do=f"`dgkd-cache -w WORKSPACE repair {shlex.quote(str(repair.path))}`; what needs no guide is mended",
    )


def _needs_program(repair: StoreRepair) -> InvalidInput:
    what = f"has lost {_lost(repair)}" if repair.sealed else "is not finished"
    return InvalidInput(
        f"{repair.path} {what}, and a program gave its logits",
        expected=f"the program that gave the logits of {repair.header.guide.name}",
        found="no model whose run could compute them",
        do="call repair() of its GuideWriter there, or get a whole copy of the store; what needs no logits is mended",
    )


def _lost(repair: StoreRepair) -> str:
    views = list(dict.fromkeys(slot.view for slot in repair.lost_chunks))
    more = f" and {len(views) - SHOWN} more" if len(views) > SHOWN else ""
    lost = [f"rows of view {', '.join(map(str, views[:SHOWN]))}{more}"] if views else []
    lost += [f"array {name}" for name in repair.lost_arrays]
    return ", ".join(lost)


def settings_of(header: StoreHeader) -> DumpSettings:
    """Returns the settings of a store from its header, with which the header is then compared."""
    batch_size: Any = header.compute["batch"]  # which the settings check
    topk: dict[str, Any] = {}
    if header.encoding == "topk":
        given: Any = header.encoding_settings
        topk = {"topk": given["k"], "topk_temperatures": tuple(map(float, given["temperatures"][1:]))}
    return DumpSettings(
        **topk,
        temperature=float(header.temperature),
        encoding=header.encoding,
        batch_size=batch_size,
        precision=str(header.compute.get("precision")),
        licence=header.licence,
        accept_probabilities=True,  # they are sealed: rows are proven by digest, not judged again
    )
