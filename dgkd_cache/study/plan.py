"""The runs and stores that a study needs, each once: what two variants share is found by content, not by name.

A run's name is that of its architecture with the digest of everything that its weights depend on, a store's that of its
run with the digest of what its rows depend on. So a study that is changed keeps what is still right.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.distillation.methods import guides_of
from dgkd_cache.study.variants import Variant
from dgkd_cache.workspace.expected_inputs import expected_settings
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["Guides", "StudyPlan", "StudyRun", "StudyStore", "make_plan"]

Guides = Literal["shared", "per-seed"]
"""Whether all seeds of a student have the guides of the workspace's seed, or each seed a chain of its own."""

_DIGITS = 12
"""Hex digits of a digest in a name: a million runs of one architecture share one with a chance of 1 in 500."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyStore:
    """A guide's store that the study needs."""

    run: StudyRun
    """The run whose store it is."""
    workspace: Workspace
    """The study's folder, with the settings of this store: its views and how rows are kept."""
    path: Path
    """Where it lies."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyRun:
    """A model that the study needs: a member of a chain, with its recipe and the stores of its guides."""

    name: str
    """The name of the run: its architecture, and a digest of all that its weights depend on."""
    model: str
    """Its name in the chain, in the variant that was planned first."""
    architecture: str
    """The architecture."""
    workspace: Workspace
    """The study's folder, with the settings of a variant that wants it."""
    training: TrainingConfig
    """The recipe."""
    distillation: DistillationConfig
    """The settings of its guides."""
    guides: tuple[StudyStore, ...]
    """The stores of its guides, largest first."""
    wanted_by: dict[str, None] = field(default_factory=dict)
    """The variants that have it, in the order of the study."""


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """What a study takes."""

    work: tuple[StudyRun | StudyStore, ...]
    """All runs and stores, each after what it needs."""
    students: Mapping[tuple[str, int], StudyRun]
    """The student's run of each variant and seed."""


def make_plan(ws: Workspace, variants: Sequence[Variant], seeds: Sequence[int], *, guides: Guides) -> StudyPlan:
    """Returns the plan of a study of `variants` over `seeds` in the folder of `ws`, whose settings the variants change.

    Every run is in float32, with channels last, and without torch.compile, so that the same kind of processor gives the
    same bits whoever works.
    """
    building = _Building(ws, guides)
    students = {
        (variant.name, seed): building.run(variant, [*variant.config.chain][-1], seed)
        for seed in seeds
        for variant in variants
    }
    return StudyPlan(work=tuple(building.work.values()), students=students)


@dataclass
class _Building:
    """A plan that is being made; `work` has what was found so far, by path."""

    ws: Workspace
    guides: Guides
    work: dict[Path, StudyRun | StudyStore] = field(default_factory=dict)

    def run(self, variant: Variant, model: str, seed: int) -> StudyRun:
        """Returns the run of a member of a variant's chain, after what guides it, for a seed of the student."""
        config = variant.config
        ws, before = self.ws.with_config(config), [*config.chain][: [*config.chain].index(model)]
        names = guides_of(config.distillation.method, before)
        stores = {name: self.store(variant, name, seed) for name in names}
        own_seed = model != [*config.chain][-1] and self.guides == "shared"
        training = config.training_for(model)
        fixed = {"precision": "float32", "channels_last": True, "compile": False}
        training = training.model_copy(update=fixed if own_seed else {**fixed, "seed": seed})
        distillation = _in_use(
            config.distillation,
            method=next((one for one in ("dgkd", "takd", "kd") if guides_of(one, before) == names), "scratch"),
            always={name: store.run.name for name, store in stores.items()},
        )
        record = expected_settings(
            ws,
            architecture=config.chain[model],
            guides={store.path.stem: "" for store in stores.values()},
            live="",
            training=training,
            distillation=distillation,
        )
        name = _named(config.chain[model], {**record, "dataset": ws.dataset_name})
        planned = StudyRun(
            name=name,
            model=model,
            architecture=config.chain[model],
            workspace=ws,
            training=training,
            distillation=distillation,
            guides=tuple(stores.values()),
        )
        found = self.work.setdefault(ws.run_folder(name), planned)
        assert isinstance(found, StudyRun)
        found.wanted_by[variant.name] = None
        return found

    def store(self, variant: Variant, model: str, seed: int) -> StudyStore:
        """Returns the store of a guide, after its run."""
        config = variant.config
        ws, run = self.ws.with_config(config), self.run(variant, model, seed)
        cache = config.cache.model_dump(mode="json", exclude={"reader"})
        name = _named(run.name, {"cache": cache, "views": config.views.model_dump(mode="json")})
        path = ws.store_path(name)
        found = self.work.setdefault(path, StudyStore(run=run, workspace=ws, path=path))
        assert isinstance(found, StudyStore)
        return found


def _in_use(settings: DistillationConfig, *, method: str, always: Mapping[str, str]) -> DistillationConfig:
    """Returns the settings with what has no effect as it is by default, so that equal runs have equal settings.

    `method` is the first name for the guides that a model has, and `always` the runs' names of its guides.
    """
    used = {
        "bernoulli": ("keep", "always", "at_least_one"),
        "fixed": ("drop", "at_least_one"),
        "none": (),
        "kl": (),
        "dkd": ("dkd_alpha", "dkd_beta"),
        "dist": ("dist_beta", "dist_gamma"),
    }
    optional = {key for keys in used.values() for key in keys}
    unused = optional.difference(used[settings.dropping], used[settings.guide_loss])
    defaults = {key: DistillationConfig.model_fields[key].default for key in unused}
    kept = tuple(always[name] for name in settings.always if name in always)
    return settings.model_copy(update={"always": kept, **defaults, "method": method})


def _named(what: str, content: Mapping[str, Any]) -> str:
    """Returns a name of a run or store: what it is, as far as a name allows, and a digest of its content."""
    digest = hashlib.sha256(json.dumps([what, content], sort_keys=True).encode()).hexdigest()
    return f"{re.sub('[^a-z0-9_-]+', '-', what.lower())[: 64 - _DIGITS - 1]}-{digest[:_DIGITS]}"
