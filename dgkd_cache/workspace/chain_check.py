"""Checks a chain before anything is trained: errors if it cannot be made, lines for unusual settings.

A chain that cannot be finished is refused here, not after hours of training the teacher.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence

from dgkd_cache.datasets.split import split_images
from dgkd_cache.dump.sizes import check_store_bytes
from dgkd_cache.dump.writer_arguments import require_all_samples
from dgkd_cache.errors import Damaged, DgkdError, Mismatch, UnsafeStore
from dgkd_cache.models.registry import count_parameters
from dgkd_cache.models.summary import larger_than_before
from dgkd_cache.paths import CARD_FILE
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace.pruning import pruning_of, require_criterion
from dgkd_cache.workspace.run_check import require_sound
from dgkd_cache.workspace.tasks.model_setup import new_model, require_dropout
from dgkd_cache.workspace.tasks.pruned_source import source_card
from dgkd_cache.workspace.tasks.row_settings import row_settings
from dgkd_cache.workspace.tasks.training_check import check_given_stores, check_training
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["check_chain", "damaged_runs"]


def check_chain(ws: Workspace, *, trained: Mapping[str, int], to_dump: Sequence[str], progress: Progress) -> None:
    """Raises InvalidInput or UnknownName for a model, schedule or store that these settings cannot make.

    `trained` has the parameters of each finished model; the others are built once. `to_dump` are the missing stores.
    """
    split_images(ws.dataset().train, ws.config.dataset.validation)
    if ws.plan().outcomes == 1 and ws.config.views.count > 1 and to_dump:
        progress.warn(
            f"all {ws.config.views.count} views are the same, since transforms = none: views.count = 1 caches as much"
        )
    epochs = [ws.config.training_for(name).epochs for name in ws.trained_here if ws.guides_for(name)]
    if to_dump and ws.config.views.schedule == "cycle" and epochs and max(epochs) < ws.config.views.count:
        progress.warn(
            f"a cycle over {ws.config.views.count} views takes one an epoch, and no model under guides has more than "
            f"{max(epochs)} epochs: the others are not read"
        )
    for name in ws.trained_here:
        check_training(ws, name)
        if (pruning := pruning_of(ws, name)) is not None:
            guided = bool(ws.guides_for(name))
            require_criterion(pruning, name=name, guided=guided, lambda_=ws.config.distillation.lambda_)
            if ws.model_of(pruning.source) is None:
                source_card(ws, pruning, input_size=ws.config.training_for(name).input_size)
    if to_dump:
        require_all_samples(ws.dataset().train)
        _check_draws(ws, to_dump)
        _check_stores(ws, to_dump, progress)
    check_given_stores(ws, [name for name in ws.trained_here if not trained.get(name)])
    networks = {name: (ws.architecture(name), ws.config.training_for(name).input_size) for name in ws.trained_here}
    to_build = dict.fromkeys(network for name, network in networks.items() if not trained.get(name))
    built = {
        (architecture, size): count_parameters(new_model(ws, architecture, input_size=size, seed=0)[0])
        for architecture, size in to_build
    }
    if built:  # a finished chain got these lines before
        counts = {**trained, **{name: trained.get(name) or built[one] for name, one in networks.items()}}
        for line in larger_than_before([(name, counts[name]) for name in ws.chain if counts.get(name)]):
            progress.warn(line)


def damaged_runs(ws: Workspace) -> dict[str, DgkdError]:
    """Returns the chain's runs whose files are not what was written, each with the first error; reads all of them.

    A card of another version is among them: `run --remake` sets it aside. Raises what a copy would not mend, such as a
    file that may not be read.
    """
    found: dict[str, DgkdError] = {}
    for name in ws.chain:
        if ws.member(name).kind == "store":
            continue
        folder = ws.run_folder(name)
        try:
            require_sound(folder)
            if os.path.lexists(folder / CARD_FILE):
                load_card(folder)
        except DgkdError as error:
            if not isinstance(error, Damaged | UnsafeStore | Mismatch):
                raise
            if name in ws.trained_here:
                do = f"restore it from a copy, or {ws.remedy(name)} (`{ws.command('run --remake')}` does both)"
            else:
                do = f"restore it from a copy, or {ws.remedy(name)}"
            found[name] = error.with_hint(do=do)
    return found


def _check_draws(ws: Workspace, to_dump: Sequence[str]) -> None:
    """Raises InvalidInput for a model that is to be drawn and has no dropout layer."""
    for name in to_dump if ws.config.cache.draws else ():
        if name in ws.trained_here:  # an adopted model is dumped before anything is trained under it
            require_dropout(ws, name, ws.architecture(name), ws.config.training_for(name))


def _check_stores(ws: Workspace, to_dump: Sequence[str], progress: Progress) -> None:
    cache, dataset = ws.config.cache, ws.dataset()
    classes = len(dataset.classes)
    needed = sum(
        check_store_bytes(
            views=ws.config.views.count,
            samples=len(dataset.train),
            classes=classes,
            encoding=cache.encoding,
            settings=row_settings(ws, name, ws.architecture(name), ws.config.training_for(name)),
        )
        for name in to_dump
    ) * max(1, cache.draws)
    free = shutil.disk_usage(ws.folder).free
    if needed > free and cache.codec == "none":
        progress.warn(
            f"the missing stores take {needed / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free in {ws.folder}: "
            f"`{ws.command('plan')}` shows what lower views.count or another encoding takes"
        )
