"""Checks a study before anything is trained: what would stop a run after hours is refused here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence

from dgkd_cache.datasets.split import split_images
from dgkd_cache.device.device import resolve_device
from dgkd_cache.dump.sizes import check_store_bytes
from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Progress
from dgkd_cache.study.plan import FIXED, StudyPlan, StudyRun, StudyStore
from dgkd_cache.study.variants import Variant
from dgkd_cache.workspace.tasks.model_setup import check_mixing, new_model, require_dropout, schedule_kind
from dgkd_cache.workspace.tasks.row_settings import require_rows_for, require_rows_for_importance, row_settings
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["check_plan", "refuse_fixed", "require_different_runs", "require_names", "require_paired", "same_runs"]


def require_paired(variants: Sequence[Variant]) -> None:
    """Raises InvalidInput for a variant with a seed of its own: runs are paired by the seed that they share."""
    for variant in variants:
        if "seed" in variant.changes:
            raise InvalidInput(
                f"the variant {variant.name} cannot be paired with the others",
                expected="the seeds of [compare], which all variants have",
                found=f"seed = {variant.changes['seed']}",
                do="take seed out of it, and name the seeds in [compare]",
            )


def refuse_fixed(variants: Sequence[Variant]) -> None:
    """Raises InvalidInput for a variant that sets what a study fixes, so that all workers give the same bits."""
    for variant in variants:
        for key in (one for one in FIXED if one in variant.changes):
            raise InvalidInput(
                f"the variant {variant.name} cannot set {key}",
                expected=f"what all runs of a comparison have, {key} = {json.dumps(FIXED[key])}",
                found=f"{key} = {json.dumps(variant.changes[key], default=str)}",
                do="take it out of the variant",
            )


def require_names(names: Iterable[str]) -> None:
    """Raises InvalidInput for a name of a variant that a line of a table cannot show."""
    for name in names:
        if not name or not name.isprintable() or name.strip() != name:
            raise InvalidInput(
                "a name of a variant cannot be shown",
                expected="printable characters, without spaces around them",
                found=repr(name),
                do="give it another name",
            )


def same_runs(plan: StudyPlan, variants: Iterable[str], seeds: Sequence[int]) -> dict[str, str]:
    """Returns each variant whose students are the runs of one before it, and that one."""
    first: dict[StudyRun, str] = {}
    names = {name: first.setdefault(plan.students[name, seeds[0]], name) for name in variants}
    return {name: other for name, other in names.items() if name != other}


def require_different_runs(plan: StudyPlan, variants: Iterable[str], seeds: Sequence[int]) -> None:
    """Raises InvalidInput for two variants with the same runs: their difference would be zero, and would be counted."""
    for name, other in same_runs(plan, variants, seeds).items():
        guides = [store.run.model for store in plan.students[name, seeds[0]].guides]
        raise InvalidInput(
            f"the variants {other} and {name} are the same",
            expected="something in which they differ",
            found=f"the same runs, guided by {', '.join(guides)}" if guides else "the same runs, without guides",
            do="leave one of them out",
        )


def check_plan(ws: Workspace, plan: StudyPlan, *, device: str, progress: Progress) -> None:
    """Raises what the device, the data set, a model, a schedule or a store of the study would raise once it is made.

    Warns if the missing stores of `ws`, the folder of the study, do not fit on its disk.
    """
    resolve_device(device)
    built = set()
    for one in plan.work:
        if isinstance(one, StudyRun):
            split_images(one.workspace.dataset().train, one.workspace.config.dataset.validation)
            schedule_kind(one.workspace, one.model, one.training, guided=bool(one.guides))
            check_mixing(one.workspace, one.distillation, guided=bool(one.guides))
            for store in one.guides if not one.live else ():
                cache = store.workspace.config.cache
                require_rows_for(one.distillation, cache, model=one.model, guides=[store.run.model])
                if one.pruning is not None:
                    guides = [store.run.model]
                    require_rows_for_importance(one.distillation, one.pruning, cache, guides=guides)
            network = (one.architecture, one.training.input_size)
            if network not in built:
                new_model(one.workspace, one.architecture, input_size=one.training.input_size, seed=0)
                built.add(network)
        elif one.draw is not None:
            require_dropout(one.workspace, one.run.model, one.run.architecture, one.run.training)
    needed = sum(_bytes(one) for one in plan.work if isinstance(one, StudyStore) and not one.path.exists())
    above = next(folder for folder in (ws.folder, *ws.folder.parents) if folder.exists())
    free = shutil.disk_usage(above).free
    if needed > free and ws.config.cache.codec == "none":
        progress.warn(f"the missing stores take {needed / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free in {above}")


def _bytes(store: StudyStore) -> int:
    ws = store.workspace
    dataset, cache = ws.dataset(), ws.config.cache
    return check_store_bytes(
        views=ws.config.views.count,
        samples=len(dataset.train),
        classes=len(dataset.classes),
        encoding=cache.encoding,
        settings=row_settings(ws, store.run.model, store.run.architecture, store.run.training),
    )
