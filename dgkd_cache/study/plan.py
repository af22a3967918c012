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

from dgkd_cache.config.tables import OF_TOPK, DistillationConfig, TrainingConfig, ViewsConfig
from dgkd_cache.config.workspace_config import WorkspaceConfig
from dgkd_cache.distillation.methods import guides_of
from dgkd_cache.errors import InvalidInput
from dgkd_cache.study.controls import OF_ONE_LABEL, UNAUGMENTED
from dgkd_cache.study.variants import Variant
from dgkd_cache.workspace.expected_inputs import expected_settings
from dgkd_cache.workspace.pruning import Pruning
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import draw_name

__all__ = ["FIXED", "Guides", "StudyPlan", "StudyRun", "StudyStore", "make_plan"]

Guides = Literal["shared", "per-seed"]
"""`shared`: all seeds of a student have the guides of the workspace's seed. `per-seed`: each has a chain of its own."""

FIXED: Mapping[str, object] = {"precision": "float32", "channels_last": True, "compile": False}
"""Keys of [training] that all runs have alike."""

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
    """Its path."""
    draw: int | None = None
    """The number of the draw whose store it is; None for the model itself."""
    control: str | None = None
    """The change of the guide's rows, one of CONTROLS; None for a dump."""
    sources: tuple[StudyStore, ...] = ()
    """The stores that a control is made of: the guide's, and for some its store without augmentation."""

    @property
    def guide(self) -> str:
        """The name of its guide, as students have it."""
        return self.run.name if self.draw is None else draw_name(self.run.name, self.draw)

    @property
    def needs(self) -> tuple[StudyRun | StudyStore, ...]:
        """The runs and stores that must be made before."""
        return self.sources or (self.run,)

    @property
    def has_views_of_run(self) -> bool:
        """True if its views are those that its run was trained on."""
        return self.workspace.config.views == self.run.workspace.config.views


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
    live: bool = False
    """True if it is trained with its guides themselves, and not with their stores, which are measured only."""
    source: StudyRun | None = None
    """The run that it is pruned from; None for one that is trained from its first weights."""
    pruning: Pruning | None = None
    """The way in which it is pruned from that."""
    wanted_by: dict[str, None] = field(default_factory=dict)
    """The variants that have it, in the order of the study."""

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.workspace.run_folder(self.name)

    @property
    def needs(self) -> tuple[StudyRun | StudyStore, ...]:
        """The runs and stores that must be made before."""
        return (*self.guides, *([self.source] if self.source else []))


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """The runs and stores that a study takes."""

    work: tuple[StudyRun | StudyStore, ...]
    """All runs and stores, each after what it needs."""
    students: Mapping[tuple[str, int], StudyRun]
    """The student's run of each variant and seed."""


def make_plan(ws: Workspace, variants: Sequence[Variant], seeds: Sequence[int], *, guides: Guides) -> StudyPlan:
    """Returns the plan of a study of `variants` over `seeds` in the folder of `ws`, whose settings the variants change.

    Every run is in float32, with channels last, and without torch.compile, so that the same kind of processor gives the
    same bits whoever works. Names depend on the images and not on where they lie: the data set is read.
    """
    data = ws.dataset()
    building = _Building(ws, guides, {"train": data.train.digest, "test": data.test.digest})
    students = {
        (variant.name, seed): building.run(variant, [*variant.config.chain][-1], seed)
        for seed in seeds
        for variant in variants
    }
    return StudyPlan(work=tuple(building.work.values()), students=students)


@dataclass
class _Building:
    """A plan that is being made; `dataset` has the digests of its images, `work` what was found so far, by path."""

    ws: Workspace
    guides: Guides
    dataset: Mapping[str, str]
    work: dict[Path, StudyRun | StudyStore] = field(default_factory=dict)

    def run(self, variant: Variant, model: str, seed: int) -> StudyRun:
        """Returns the run of a member of a variant's chain, after what it needs, for a seed of the student."""
        config, is_student = variant.config, model == [*variant.config.chain][-1]
        ws, before = self.ws.with_config(config), [*config.chain][: [*config.chain].index(model)]
        names = guides_of(config.distillation.method, before)
        source = self.run(variant.prunes, model, seed) if is_student and variant.prunes else None
        pruning = Pruning(source=source.name, sparsity=variant.sparsity, settings=config.pruning) if source else None
        stores = {name: self.stores(variant.of_guides, name, seed) for name in names}
        if is_student and variant.control:
            stores = {
                name: [self.control(variant, one, name, seed) for one in stores_of]
                for name, stores_of in stores.items()
            }
        live = is_student and variant.live
        own_seed = not is_student and self.guides == "shared"
        training = config.training_for(model)
        training = training.model_copy(update=FIXED if own_seed else {**FIXED, "seed": seed})
        distillation = _in_use(
            config.distillation,
            method=next((one for one in ("dgkd", "takd", "kd") if guides_of(one, before) == names), "scratch"),
            always={name: stores_of[0].run.name for name, stores_of in stores.items()},
        )
        guides = tuple(store for stores_of in stores.values() for store in stores_of)
        record = expected_settings(
            ws,
            architecture=config.chain[model],
            guides={store.path.stem: "" for store in guides},
            live=config.cache.precision if live else "",
            training=training,
            distillation=distillation,
            pruning=pruning.to_inputs("") if pruning else None,
        )
        name = _named(config.chain[model], {**record, "dataset": self.dataset})
        planned = StudyRun(
            name=name,
            model=model,
            architecture=config.chain[model],
            workspace=ws,
            training=training,
            distillation=distillation,
            guides=guides,
            live=live,
            source=source,
            pruning=pruning,
        )
        found = self.work.setdefault(ws.run_folder(name), planned)
        assert isinstance(found, StudyRun)
        found.wanted_by[variant.name] = None
        return found

    def stores(self, variant: Variant, model: str, seed: int) -> list[StudyStore]:
        """Returns the stores of a guide, after its run: one of the model itself, or one of each of its draws."""
        run, draws = self.run(variant, model, seed), variant.config.cache.draws
        return [self._dump(run, variant.config, draw) for draw in range(draws)] or [self._dump(run, variant.config)]

    def control(self, variant: Variant, of: StudyStore, model: str, seed: int) -> StudyStore:
        """Returns the store of a variant's control for the guide whose store is `of`."""
        assert variant.control is not None
        sources = [of]
        if variant.control in OF_ONE_LABEL and of.workspace.plan().mixing is not None:
            raise InvalidInput(
                f"the variant {variant.name} cannot have the control {variant.control}",
                expected="views of one sample each, whose label says what its rows are",
                found=f"views that mix two samples, {', '.join(of.workspace.config.views.transforms)}",
                do="leave the control out, or choose views.transforms without mixup and cutmix",
            )
        if variant.control == UNAUGMENTED:
            # The views of the guide's run stay: only its store has one without augmentation.
            decoder = of.workspace.config.views.decoder
            views = ViewsConfig(transforms=("none",), count=1, decoder=decoder)
            plain = of.workspace.config.model_copy(update={"views": views})
            sources.append(self._dump(of.run, plain))
            self._require_size(variant, of, sources[-1])
        name = _named(of.run.name, {"control": variant.control, "sources": [source.path.stem for source in sources]})
        return self._add(
            StudyStore(
                run=of.run,
                workspace=of.workspace,
                path=of.workspace.store_path(name),
                control=variant.control,
                sources=tuple(sources),
            )
        )

    def _dump(self, run: StudyRun, config: WorkspaceConfig, draw: int | None = None) -> StudyStore:
        # The keys of topk, draws and the decoder came later: without them, stores keep the names that they had before.
        unused = {"reader", "draws"} | (set() if config.cache.encoding == "topk" else {*OF_TOPK})
        ws, cache = self.ws.with_config(config), config.cache.model_dump(mode="json", exclude=unused)
        views = config.views.model_dump(mode="json", exclude={"decoder"} if config.views.decoder == "pillow" else None)
        name = _named(run.name, {"cache": cache, "views": views, **({} if draw is None else {"draw": draw})})
        return self._add(StudyStore(run=run, workspace=ws, path=ws.store_path(name), draw=draw))

    def _add(self, store: StudyStore) -> StudyStore:
        found = self.work.setdefault(store.path, store)
        assert isinstance(found, StudyStore)
        return found

    def _require_size(self, variant: Variant, of: StudyStore, plain: StudyStore) -> None:
        """Raises InvalidInput unless views without augmentation have the size of those with it."""
        sizes = [store.workspace.plan().view_shape for store in (plain, of)]
        if sizes[0] != sizes[1]:
            raise InvalidInput(
                f"the variant {variant.name} cannot have rows of images without augmentation",
                expected=f"views of {'x'.join(map(str, sizes[0]))}, the images' size",
                found="x".join(map(str, sizes[1])),
                do="leave it out, or choose views.transforms that keep the size, such as crop and hflip",
            )


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
