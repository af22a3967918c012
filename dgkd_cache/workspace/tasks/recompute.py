"""Forwards some rows of a store again with its guide's finished run, and compares them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dgkd_cache.device.device import resolve_device
from dgkd_cache.dump.recompute import Comparison, compare_rows, compute_again, draw_batches
from dgkd_cache.errors import DgkdError, Incomplete
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace.tasks.dump import load_guide, writer_of
from dgkd_cache.workspace.tasks.repair import settings_of
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, StoreHeader, differing_keys

__all__ = ["Recomputed", "recompute_rows"]


@dataclass(frozen=True, kw_only=True)
class Recomputed(Comparison):
    """A comparison, and the name of the run that computed the rows."""

    run: str


def recompute_rows(
    ws: Workspace,
    *,
    path: Path,
    rows: int,
    device: str,
    progress: Progress,
    stop: Callable[[], bool] = lambda: False,
) -> Recomputed:
    """Forwards the batches of `rows` drawn rows of the finished store at `path` again, and compares them.

    The run is the one in this workspace whose weights have the digest in the store's header, under any name. Raises
    Incomplete (exit 3) if there is none or if a program gave the logits, Mismatch (exit 13) if the header differs from
    the run and the data here, Damaged (exit 12) if the rows do not match their digests.
    """
    with GuideStore.open(path) as store:
        held = store.header
        run = _run_of(ws, held, path, rows)
        where, settings = resolve_device(device), settings_of(held)
        guide = load_guide(ws, run, progress)
        writer = writer_of(
            ws, *guide, path=path, views=held.view_range, settings=settings, device=where, draw=held.guide.draw
        )
        slots = draw_batches(store, rows)
        exact = not differing_keys(held.compute, writer.draft.header.compute)
        computed = compute_again(writer.draft, store, slots, progress=progress, stop=stop)
        found = compare_rows(store, computed, held_as=writer.draft.logits.form.encoding, exact=exact)
    return Recomputed(run=run, **asdict(found))


def _run_of(ws: Workspace, header: StoreHeader, path: Path, rows: int) -> str:
    if header.guide.identity is not None:
        raise Incomplete(
            f"no row of {path} can be computed again: a program gave its logits, and its digests alone tell of damage",
            expected="the store of a model, whose finished run computes its rows",
            found=f"{header.guide.name}, a guide without weights",
            do="leave --recompute out",
        )
    wanted, guide, place = header.guide.weights_digest, header.guide.name, shlex.quote(str(path))
    others = [name for name in ws.runs() if name != guide]
    for name in (guide, *others) if guide in ws.runs() else others:
        with suppress(DgkdError):  # an unreadable run is skipped
            if load_card(ws.run_folder(name)).weights_digest == wanted:
                return name
    raise Incomplete(
        f"no row of {path} can be computed again here",
        expected=f"the finished run {guide}, of weights {wanted[:16]}, in {ws.folder / 'runs'}",
        found=f"runs of other weights: {', '.join(ws.runs())}" if ws.runs() else "no runs",
        do=f"name the workspace that has it (`dgkd-cache -w WORKSPACE verify {place} --recompute {rows}`)",
    )
