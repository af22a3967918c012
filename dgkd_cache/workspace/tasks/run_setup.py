"""Sets up a run before anything is built: the recipe without `auto`, open guides, the record of its inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.distillation.methods import ONE_GUIDE, require_guides_of
from dgkd_cache.distributed.ranks import Ranks
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_cache.guides.live import LiveGuides
from dgkd_cache.guides.protocol import Guidance
from dgkd_cache.guides.topk_rows import require_all_classes
from dgkd_cache.models.registry import find_model
from dgkd_cache.progress import Progress
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.run_files.model_card import ModelCard
from dgkd_cache.training.loggers.registry import require_loggers
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule, check_schedule
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.expected_inputs import expected_inputs
from dgkd_cache.workspace.pruning import Pruning, require_criterion
from dgkd_cache.workspace.recipe import describe_choice, resolve_recipe
from dgkd_cache.workspace.tasks.model_setup import check_mixing, guide_loss_of, schedule_kind
from dgkd_cache.workspace.tasks.pruned_source import importance_loss, source_card
from dgkd_cache.workspace.tasks.published_pixels import unaugmented
from dgkd_cache.workspace.tasks.row_settings import OTHER_IMPORTANCE, OTHER_LOSS
from dgkd_cache.workspace.tasks.run_guides import open_guides
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import split_draw_name
from dgkd_stores.arguments import require_integer

__all__ = ["RunSetup", "TrainRequest", "refuse_own_guide", "set_up_run"]


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """A request to train `architecture` into `runs/NAME`, with cached guides, live ones, or none."""

    name: str
    architecture: str
    guides: Sequence[Path] = ()
    """Stores of the guides."""
    live: Sequence[Path] = ()
    """Folders of the guides' runs, which are forwarded at each step; not together with `guides`."""
    names: Sequence[str] = ()
    """Names of the guides, each as it is in the chain; none: the names in their stores, or of their runs."""
    training: TrainingConfig
    distillation: DistillationConfig
    pruning: Pruning | None = None
    """The run that the model is pruned from, and how; it is trained on from there, and `architecture` is that run's."""

    fresh: bool = False
    """Start over: an existing run of that name is moved to `aside/` first, after all checks of the new run."""

    log: Sequence[str] = ()
    """The loggers that mirror the lines of metrics.jsonl (`LOGGERS`); they change nothing else."""

    test_every: int = 0
    """Score the weights of every N-th epoch on the test set, for metrics.jsonl alone; 0: only the final ones."""

    def __post_init__(self) -> None:
        """Raises InvalidInput for guides of both kinds, or for one named twice: its share in the loss would grow.

        Raises it also for a logger whose package is not installed, and UnknownName for an unknown one.
        """
        require_integer("TrainRequest", "test_every", self.test_every, low=0)
        require_loggers(self.log)
        if self.guides and self.live:
            raise InvalidInput(
                f"{self.name} has cached and live guides",
                expected="either guides (their stores) or live (their runs)",
                found=", ".join(map(str, (*self.guides, *self.live))),
                do="leave one of the two out",
            )
        for paths in (self.guides, self.live):
            found = [path.resolve() for path in paths]
            if twice := [str(path) for path in dict.fromkeys(found) if found.count(path) > 1]:
                raise InvalidInput(
                    f"{self.name} has a guide more than once",
                    expected="each guide once",
                    found=", ".join(twice),
                    do="name it once",
                )


@dataclass(frozen=True, kw_only=True)
class RunSetup:
    """A run that is ready to start: `auto` is resolved, the guides are open, and its inputs are recorded."""

    device: torch.device
    views: ViewRenderer
    test: ViewRenderer
    guidance: Guidance | None
    identities: Mapping[str, str]
    training: TrainingConfig
    random: RunRandom
    schedule: Schedule
    inputs: dict[str, str]
    source: ModelCard | None
    """The card of the run that the model is pruned from."""
    choice: str
    """A line on precision and memory format."""


def set_up_run(
    ws: Workspace, request: TrainRequest, opened: ExitStack, device: torch.device, progress: Progress, ranks: Ranks
) -> RunSetup:
    """Sets up the run of `request`; its guides are open as long as `opened`.

    Raises InvalidInput if the method does not suit the guides, and the errors of refused guides (see `GuideBank`).
    """
    begun = {} if request.fresh else record.read_inputs(ws.run_folder(request.name)) or {}
    temperature = request.distillation.temperature or ws.config.cache.temperature
    if request.pruning is None:  # else it is that of a card, which does not choose what is imported: see `_source`
        find_model(request.architecture)  # a wrong name is told before the data set is loaded
    ranks.in_turn(ws.dataset)
    views = ViewRenderer(ws.plan(), ws.dataset().train.to(device))
    source = _source(ws, request)
    tests = ws.dataset().test.to(device)  # refuses unsuitable input before the training
    test = unaugmented(ws.plan(), tests, source.preprocess) if source else ViewRenderer(ws.plan(), tests)
    guides, live = request.guides, request.live
    check_mixing(ws, request.distillation, guided=bool(guides or live))
    guidance = opened.enter_context(
        open_guides(
            *(ws, views, guides, live, temperature),
            names=request.names,
            device=device,
            begun=begun,
            progress=progress,
            ranks=ranks,
        )
    )
    _require_fitting(ws, request, guidance.names if guidance else ())
    if guidance is not None:
        require_all_classes(guide_loss_of(request.distillation), guidance.topk_names, do=OTHER_LOSS)
        if request.pruning is not None and request.pruning.settings.criterion == "guided":
            loss = importance_loss(request.distillation, request.pruning)
            require_all_classes(loss, guidance.topk_names, do=OTHER_IMPORTANCE)
    training = resolve_recipe(request.training, device, begun=begun, ranks=ranks)
    random, count = RunRandom(training.seed), ws.config.views.count
    kind = schedule_kind(ws, request.name, training, guided=bool(guides))
    check_schedule(ws.plan(), kind, count)
    identities = dict(guidance.identities) if guidance else {}
    return RunSetup(
        device=device,
        views=views,
        test=test,
        guidance=guidance,
        identities=identities,
        training=training,
        random=random,
        schedule=Schedule(kind, count, random=random, samples=len(views.images)),
        inputs=expected_inputs(
            ws,
            architecture=request.architecture,
            guides=identities,
            live=guidance.precision if isinstance(guidance, LiveGuides) else "",
            training=training,
            distillation=request.distillation,
            pruning=request.pruning.to_inputs(source.weights_digest) if request.pruning and source else None,
        ),
        source=source,
        choice=describe_choice(training, request.training, device, begun=begun),
    )


def _source(ws: Workspace, request: TrainRequest) -> ModelCard | None:
    """Returns the card of what the model is pruned from, None for one that is not. Raises what `source_card` raises."""
    if (pruning := request.pruning) is None:
        return None
    guided = bool(request.guides or request.live)
    require_criterion(pruning, name=request.name, guided=guided, lambda_=request.distillation.lambda_)
    return source_card(ws, pruning, input_size=request.training.input_size)


def _require_fitting(ws: Workspace, request: TrainRequest, guides: Sequence[str]) -> None:
    """Raises InvalidInput if the method does not suit the `guides`, UnknownName if one to keep always is nowhere.

    `always` is a setting of the whole chain, whose earlier models lack some guides.
    """
    settings = request.distillation
    if guides:
        require_guides_of(settings.method, guides, ws.chain)
    elif settings.method in ONE_GUIDE and request.architecture != ws.architecture(ws.chain[0]):
        raise InvalidInput(
            f"{request.name} has no guides",
            expected=f"one guide ({ONE_GUIDE[settings.method]}), for method {settings.method}",
            found="none",
            do="give it that guide, or choose method scratch; only the first model of a chain has none",
        )
    # The name of a model stands for all its draws.
    known = tuple(dict.fromkeys((*ws.chain, *guides, *(split_draw_name(guide)[0] for guide in guides))))
    for name in settings.always:
        if name not in known:
            raise unknown_name("guide to keep always", name, known)


def refuse_own_guide(ws: Workspace, request: TrainRequest) -> None:
    """Raises InvalidInput if a run that starts over is its own guide, or pruned from itself: it would be moved away."""
    name, guides = request.name, (*request.guides, *request.live)
    if request.pruning is not None and ws.run_folder(request.pruning.source) == ws.run_folder(name):
        raise InvalidInput(
            f"{name} cannot start over from itself",
            expected="a run of another name",
            found=f"{name}, which is pruned",
            do="choose another --name",
        )
    folders = [(ws.folder / part).resolve() for part in ("guides", "runs")]
    store_or_run = re.compile(re.escape(name) + r"(\.d\d+)?(-\d+-\d+)?")  # as `Workspace.store_path` names stores
    if own := [path for path in guides if store_or_run.fullmatch(path.stem) and path.resolve().parent in folders]:
        raise InvalidInput(
            f"{name} cannot start over as its own guide",
            expected="a run of another name",
            found=", ".join(map(str, own)),
            do="choose another --name",
        )
