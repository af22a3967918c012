"""What a chain cannot be, found before the teacher's hours and not after; and what is odd in it, said then.

Nothing is trained, read or written here.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence

from dgkd_cache.guides.sizes import row_bytes
from dgkd_cache.models.registry import build_model, count_parameters, find_model, wanted_input_size
from dgkd_cache.progress import Progress
from dgkd_cache.workspace.jobs.fit import schedule_kind
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["check_chain", "growth"]


def check_chain(ws: Workspace, *, trained: Mapping[str, int], to_dump: Sequence[str], progress: Progress) -> None:
    """Raises InvalidInput or UnknownName for a model, schedule or store that cannot be made of these settings.

    `trained` has the parameters of each finished model; the others are built once. `to_dump` are the missing stores.
    """
    for name in ws.chain:
        find_model(ws.architecture(name))
        schedule_kind(ws, name, ws.config.training_for(name), guided=bool(ws.guides_for(name)))
    if to_dump:
        _check_stores(ws, to_dump, progress)
    networks = {name: (ws.architecture(name), ws.config.training_for(name).input_size) for name in ws.chain}
    to_build = dict.fromkeys(network for name, network in networks.items() if not trained.get(name))
    built = {network: _parameters(ws, *network) for network in to_build}
    if built:  # a finished chain was told of it
        for line in growth([(name, trained.get(name) or built[network]) for name, network in networks.items()]):
            progress.say(line)


def growth(parameters: Sequence[tuple[str, int]]) -> list[str]:
    """A line for each model of a chain that is larger than the one before it: guidance runs from large to small."""
    return [
        f"the chain grows: {name} has {count:,} parameters and {before}, before it, {fewer:,}; "
        "a chain lists the largest model first"
        for (before, fewer), (name, count) in itertools.pairwise(parameters)
        if count > fewer
    ]


def _check_stores(ws: Workspace, to_dump: Sequence[str], progress: Progress) -> None:
    cache, dataset = ws.config.cache, ws.dataset()
    needed = len(to_dump) * row_bytes(
        views=ws.config.views.count,
        samples=len(dataset.train),
        classes=len(dataset.classes),
        encoding=cache.encoding,
    )
    free = shutil.disk_usage(ws.folder).free
    if needed > free and cache.codec == "none":
        progress.say(
            f"the missing stores take {needed / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free in {ws.folder}: "
            f"`{ws.command('plan')}` shows what lower views.count or another encoding takes"
        )


def _parameters(ws: Workspace, architecture: str, input_size: int | None) -> int:
    """The parameters of one network for the views of the workspace; raises what building it raises."""
    channels, height, width = ws.plan().view_shape
    side = wanted_input_size(architecture, height, width, input_size)
    model = build_model(
        architecture,
        channels=channels,
        classes=len(ws.dataset().classes),
        height=side or height,
        width=side or width,
        seed=0,
    )
    return count_parameters(model)
