"""A study of a workspace: its variants and seeds, the folder `compare/` with their runs, and its results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.device.threads import one_thread
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.reading import parse_object, read_file
from dgkd_cache.study.costs import timings_of
from dgkd_cache.study.plan import Guides, StudyPlan, StudyRun, make_plan
from dgkd_cache.study.records import Record, read_record
from dgkd_cache.study.results import Results, make_results
from dgkd_cache.study.variants import METHODS, make_variants, variants_of_methods
from dgkd_cache.study.worker import work_on
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores.disk import full_disk, write_durably

__all__ = ["Study", "run_study", "set_up_study"]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study that is set up: nothing of it need be there yet."""

    folder: Path
    """Where its runs, stores, records and results lie."""
    variants: Mapping[str, Mapping[str, object]]
    """What each variant changes, by name."""
    seeds: tuple[int, ...]
    """The seeds of the student."""
    reference: str
    """The variant that the others are compared with."""
    guides: Guides
    """Whether all seeds have the same guides."""
    plan: StudyPlan
    """The runs and stores that it takes."""


def set_up_study(
    ws: Workspace,
    *,
    methods: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    reference: str | None = None,
    guides: Guides | None = None,
) -> Study:
    """Returns the study that [compare] of dgkd.toml describes; what is given here goes before what is written there.

    Without variants these are the five methods. Raises InvalidInput for variants that are the same, for an unknown key,
    a value that a key does not allow or a seed given twice, and UnknownName for an unknown method or reference.
    """
    settings = ws.config.compare
    changes = variants_of_methods(methods) if methods else (settings.variants or METHODS)
    reference = reference or (settings.reference if settings.reference in changes else [*changes][0])
    if reference not in changes:
        raise unknown_name("variant to compare with", reference, changes)
    chosen = settings.seed_list if seeds is None else tuple(seeds)
    if len(set(chosen)) < len(chosen):
        raise InvalidInput(
            "a seed is given twice", expected="each seed once", found=", ".join(map(str, chosen)), do="leave it out"
        )
    fixed: dict[str, object] = {"dataset.name": ws.dataset_name, "cache.precision": "float32"}
    if ws.data_root is not None:
        fixed["dataset.root"] = str(ws.data_root.resolve())
    config = with_overrides(ws.config, fixed)
    inside = Workspace(ws.folder / "compare", config, named=ws.named)
    kind = guides or settings.guides
    plan = make_plan(inside, make_variants(config, changes), chosen, guides=kind)
    return Study(folder=inside.folder, variants=changes, seeds=chosen, reference=reference, guides=kind, plan=plan)


def run_study(
    study: Study, *, device: str, take_over: bool = False, progress: Progress, stop: Callable[[], bool]
) -> Results:
    """Makes what the study lacks, beside other workers, and writes and returns its results.

    Each model is trained in one thread, so that the number of workers changes no bit. `take_over` is that of `work_on`.
    Raises Interrupted once `stop` says so; the same call goes on from there.
    """
    with one_thread():
        work_on(study.plan, device=device, take_over=take_over, progress=progress, stop=stop)
    students = {key: _record(run) for key, run in study.plan.students.items()}
    others = [_record(one) for one in study.plan.work if isinstance(one, StudyRun)]
    results = make_results(study.variants, students, reference=study.reference, guides=study.guides, others=others)
    _write(study.folder / "results.json", results)
    timings = study.folder / "timings.json"
    _write(timings, {**_timings_before(timings), **timings_of(study.plan)})
    return results


def _timings_before(path: Path) -> Mapping[str, Any]:
    """Returns what the file has: the times of runs that are elsewhere now."""
    try:
        return parse_object(read_file(path, limit=2**26), path)
    except FileNotFoundError:
        return {}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with full_disk(path):
        write_durably(path, (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def _record(run: StudyRun) -> Record:
    record = read_record(run)
    assert record is not None, "a worker returns when nothing is missing"
    return record
