"""A study of a workspace: its variants and seeds, the folder `compare/` with their runs, and its results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.device.threads import one_thread
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_cache.progress import Progress
from dgkd_cache.study.check import (
    check_plan,
    refuse_fixed,
    require_different_runs,
    require_names,
    require_paired,
    same_runs,
)
from dgkd_cache.study.files import RESULTS_FILE, write_json
from dgkd_cache.study.outline import Outline, results_so_far, write_outline
from dgkd_cache.study.plan import Guides, StudyPlan, StudyRun, StudyStore, make_plan
from dgkd_cache.study.results import Protocol, Results
from dgkd_cache.study.timings import TIMINGS_FILE, Timings, read_timings, timings_of
from dgkd_cache.study.variants import METHODS, make_variants, variants_of_methods
from dgkd_cache.study.worker import work_on
from dgkd_cache.workspace.absolute_paths import absolute_paths
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["Study", "check_study", "outline_of", "run_study", "set_up_study", "study_timings"]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study that is set up: nothing of it need be there yet."""

    workspace: Workspace
    """The workspace in whose folder its runs, stores, records and results lie."""
    variants: Mapping[str, Mapping[str, object]]
    """The changes of each variant, by name."""
    left_out: Mapping[str, str]
    """Methods that are the same as another one in this chain, and that one; only if no variants are named."""
    seeds: tuple[int, ...]
    """The seeds of the student."""
    reference: str
    """The variant that the others are compared with."""
    pairs: tuple[tuple[str, str], ...]
    """All comparisons that are made, each a variant and what it is compared with."""
    guides: Guides
    """`shared` if all seeds have the same guides."""
    protocol: Protocol
    """`paper` if the best epoch on the test set is told beside the last one."""
    published: Mapping[str, Mapping[str, object]]
    """Published results of variants: an accuracy in per cent, and its source."""
    plan: StudyPlan
    """The runs and stores that it takes."""

    @property
    def folder(self) -> Path:
        """The folder of its runs, stores, records and results."""
        return self.workspace.folder


def set_up_study(
    ws: Workspace,
    *,
    methods: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    reference: str | None = None,
    guides: Guides | None = None,
    protocol: Protocol | None = None,
) -> Study:
    """Returns the study that [compare] of dgkd.toml describes; what is given here goes before what is written there.

    Without variants these are the five methods, but for those that are the same in a short chain. Raises InvalidInput
    for variants that are the same or cannot be paired, for an unknown key, a value that a key does not allow, and a
    method, a seed or a comparison that is given twice, and UnknownName for an unknown method or variant.
    """
    _require_trained_here(ws)
    settings = ws.config.compare
    _once("method", methods)
    changes = variants_of_methods(methods) if methods else (settings.variants or METHODS)
    require_names(changes)
    pairs = () if reference else _chosen_pairs(settings.comparisons, changes, also=settings.variants)
    reference = _chosen_reference(reference, settings.reference, changes, also=settings.variants)
    chosen = settings.seed_list if seeds is None else tuple(seeds)
    _once("seed", chosen)
    config = with_overrides(ws.config, {**absolute_paths(ws), "cache.precision": "float32"})
    inside = Workspace(ws.folder / "compare", config, named=ws.named)
    kind = guides or settings.guides
    variants = make_variants(config, changes)
    require_paired(variants)
    refuse_fixed(variants)
    plan = make_plan(inside, variants, chosen, guides=kind)
    left_out: dict[str, str] = {}
    if changes is METHODS:  # asked for by nobody: in a chain of two models, some are the same
        left_out = same_runs(plan, changes, chosen)
        changes = {name: of_variant for name, of_variant in changes.items() if name not in left_out}
    require_different_runs(plan, changes, chosen)
    return Study(
        workspace=inside,
        variants=changes,
        left_out=left_out,
        seeds=chosen,
        reference=reference,
        pairs=pairs or tuple((name, reference) for name in changes if name != reference),
        guides=kind,
        protocol=protocol or settings.protocol,
        published={name: one.model_dump() for name, one in settings.published.items() if name in changes},
        plan=plan,
    )


def check_study(study: Study, *, device: str, progress: Progress) -> None:
    """Raises what would stop the study once its turn comes: its device, data set, models, schedules and stores.

    Reports which methods are left out.
    """
    for name, other in study.left_out.items():
        progress.say(f"{name} is left out: in this chain it is {other}")
    check_plan(study.workspace, study.plan, device=device, progress=progress)


def run_study(
    study: Study,
    *,
    device: str,
    take_over: bool = False,
    command: str = "",
    progress: Progress,
    stop: Callable[[], bool],
) -> Results:
    """Makes what the study lacks, beside other workers, and writes and returns its results.

    Each model is trained in one thread, so that the number of workers changes no bit. `take_over` is that of `work_on`.
    A run that cannot be made is in the results' `failed`, and the rest is made all the same. `command` is told by the
    report. Raises Interrupted once `stop` says so; the same call goes on from there.
    """
    outline = outline_of(study, command)
    write_outline(study.folder, outline)
    with one_thread():
        failed = work_on(study.plan, device=device, take_over=take_over, progress=progress, stop=stop)
    results = results_so_far(study.folder, outline, [_failed(one) for one in study.plan.work if one in failed])
    write_json(study.folder / RESULTS_FILE, results)
    write_json(study.folder / TIMINGS_FILE, study_timings(study))
    return results


def study_timings(study: Study) -> Timings:
    """Returns the times of the runs that are here, and those that timings.json has of runs that are elsewhere now."""
    return {**read_timings(study.folder), **timings_of(study.plan)}


def outline_of(study: Study, command: str = "") -> Outline:
    """Returns all that decides the results of a study but its records; `command` is what makes it."""
    students = {name: {seed: study.plan.students[name, seed].name for seed in study.seeds} for name in study.variants}
    of_students = {run for by_seed in students.values() for run in by_seed.values()}
    runs = [one.name for one in study.plan.work if isinstance(one, StudyRun)]
    return Outline(
        command=command,
        reference=study.reference,
        pairs=study.pairs,
        guides=study.guides,
        protocol=study.protocol,
        seeds=study.seeds,
        variants={name: {**changes} for name, changes in study.variants.items()},
        published={name: {**one} for name, one in study.published.items()},
        students=students,
        guide_runs=tuple(run for run in runs if run not in of_students),
    )


def _chosen_reference(given: str | None, of_file: str, changes: Mapping[str, object], *, also: Collection[str]) -> str:
    """Returns the reference: the one that is given, that of the file if it is there, or the first variant.

    That of the file may be absent if it is a method or in `also`, for others are compared now; any other is a mistake.
    """
    known = [*changes] if given else [*dict.fromkeys([*changes, *also, *METHODS])]
    if (given or of_file) not in known:
        raise unknown_name("variant to compare with", given or of_file, known)
    return given or (of_file if of_file in changes else [*changes][0])


def _chosen_pairs(
    pairs: Sequence[tuple[str, str]], changes: Mapping[str, object], *, also: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Returns the pairs of [compare] whose two variants are there; a method or a name in `also` may be absent."""
    known = dict.fromkeys([*changes, *also, *METHODS])
    for variant, reference in pairs:
        for name in (variant, reference):
            if name not in known:
                raise unknown_name("variant in comparisons", name, known)
        if variant == reference:
            raise InvalidInput(f"{variant} is compared with itself", expected="two variants", found=variant)
    _once("comparison", [" and ".join(sorted(pair)) for pair in pairs])
    return tuple(pair for pair in pairs if {*pair} <= changes.keys())


def _require_trained_here(ws: Workspace) -> None:
    """Raises InvalidInput for a guide from elsewhere or a pruned model: a study trains all models of a chain anew."""
    for name in ws.chain:
        if (kind := ws.member(name).kind) != "trained":
            pruned = kind == "pruned"
            raise InvalidInput(
                f"a chain with {name}, which is pruned, cannot be compared"
                if pruned
                else f"a chain with {name} from elsewhere cannot be compared",
                expected="a chain whose models are all trained here",
                found=f"{name} = {ws.config.chain[name]!r}",
                do="prune students by variants, with prunes and sparsity, or compare with `prune` and `ls`"
                if pruned
                else "compare students under it with `train`, a run for each setting and seed, and `ls`",
            )


def _once(what: str, values: Sequence[object]) -> None:
    twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
    if twice:
        raise InvalidInput(f"a {what} is given twice", expected=f"each {what} once", found=f"{twice[0]} again")


def _failed(one: StudyRun | StudyStore) -> Mapping[str, Any]:
    """Returns what could not be made, without the error, whose text may differ from worker to worker."""
    run = one if isinstance(one, StudyRun) else one.run
    kind = "run" if run is one else "store"
    variants = [*run.wanted_by]
    return {"run": run.name, "what": kind, "model": run.model, "seed": run.training.seed, "variants": variants}
