"""`dgkd-cache train`: trains one model, of the chain or any other, with its guides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.errors import unknown_name
from dgkd_cli.app import (
    App,
    architecture_option,
    device_option,
    json_option,
    pass_app,
    take_over_option,
    test_every_option,
)
from dgkd_cli.choices import choice_of, list_option, log_option, loggers
from dgkd_cli.completion import complete_architectures, complete_guides, complete_models
from dgkd_cli.console import print_result
from dgkd_cli.guidance_options import (
    check_dropping,
    check_guidance_options,
    check_has_guides,
    check_method,
    check_method_is_not_set,
)
from dgkd_cli.humanize import count_text, duration_text, percent_text, with_numbers
from dgkd_cli.named_model import model_name
from dgkd_cli.resume_option import check_resume, resume_option
from dgkd_cli.settings_option import set_option
from dgkd_cli.user_code import check_architectures
from dgkd_stores import clean, read_header, split_draw_name

if TYPE_CHECKING:
    from dgkd_cache.run_files.model_card import ModelCard

__all__ = ["train"]

_GUIDES = "choose guides (--method for a model of the chain, --guides for --student)"

_RECIPE = ("epochs", "seed", "precision", "compile", "input_size")

_GUIDANCE = ("method", "objective", "lambda_", "temperature", "dropping", "keep", "drop", "always", "at_least_one")

_KEYS = {name: f"training.{name}" for name in _RECIPE} | {
    name: f"distillation.{name.rstrip('_')}" for name in _GUIDANCE
}


@click.command()
@model_name(help="A model of the chain, under the guides of the method.", required=False)
@click.option(
    "--student",
    metavar="ARCHITECTURE",
    shell_complete=complete_architectures,
    help="Any architecture, under the stores of --guides.",
)
@list_option("--guides", complete=complete_guides, help="With --student: guides by name (ta1.d* for draws), or paths.")
@click.option("--name", help="The run's name (default: the model's, or student-ARCHITECTURE).")
@click.option("--live", is_flag=True, help="Forward the guides at each step instead of reading their stores.")
@click.option("--fresh", is_flag=True, help="Start over; what has that name is moved to aside/.")
@resume_option
@click.option("--epochs", type=int, help="Passes over the training set.")
@click.option("--seed", type=int, help="Seed of order, schedule, dropping and initial weights.")
@click.option("--precision", type=choice_of(TrainingConfig, "precision"), help="Precision of the forward pass.")
@click.option("--input-size", type=int, metavar="PIXELS", help="Side that views are resized to for this model.")
@click.option("--compile/--no-compile", default=None, help="torch.compile the model; it takes a C++ compiler.")
@click.option("--method", type=choice_of(DistillationConfig, "method"), help="Which models before guide it.")
@click.option("--objective", type=choice_of(DistillationConfig, "objective"), help="How the terms add up.")
@click.option("--lambda", "lambda_", type=float, help="Share of the guides in the loss, 0 to 1.")
@click.option("--temperature", type=float, help="Temperature of the loss.")
@click.option("--dropping", type=choice_of(DistillationConfig, "dropping"), help="How guides are dropped.")
@click.option("--keep", type=float, help="bernoulli: each guide's chance to take part in a batch.")
@click.option("--drop", type=int, help="fixed: guides left out of every batch.")
@list_option("--always", complete=complete_models, help="bernoulli: guides that are never dropped.")
@click.option("--at-least-one", is_flag=True, default=None, help="bernoulli, fixed: keep one guide in every batch.")
@set_option(_KEYS)
@architecture_option
@test_every_option
@log_option
@take_over_option
@device_option
@json_option
@pass_app
def train(
    app: App,
    /,
    model: str | None,
    student: str | None,
    guides: str | None,
    name: str | None,
    live: bool,
    fresh: bool,
    resume: bool,
    architectures: tuple[str, ...],
    test_every: int,
    log: str | None,
    take_over: bool,
    device: str,
    as_json: bool,
    method: str | None,
    lambda_: float | None,
    always: str | None,
    **settings: object,
) -> None:
    """Train one model under cached guides.

    What is not given comes from dgkd.toml. Stopped at any moment, the same command goes on from there.

    \b
    Examples:
      dgkd-cache train ta1
      dgkd-cache train --student resnet8 --guides teacher,ta1,ta2
      dgkd-cache train --student plain2 --guides teacher --dropping none --name kd
      dgkd-cache train student --live --name student-live
      dgkd-cache train ta1 --set training.lr=0.05 --name ta1-slow
    """
    from dgkd_cache.config.workspace_config import override
    from dgkd_cache.distillation.methods import require_guides_of
    from dgkd_cache.guides.patterns import pattern_guide
    from dgkd_cache.workspace.guide_stores import guides_with_stores
    from dgkd_cache.workspace.pruning import pruning_of
    from dgkd_cache.workspace.resolve import resolve_guides, resolve_run
    from dgkd_cache.workspace.run_check import is_run
    from dgkd_cache.workspace.tasks import TrainRequest, train_model

    if (model is None) == (student is None):
        raise click.UsageError("give exactly one of NAME (of the chain, or --model) and --student (any architecture)")
    if model is not None and guides is not None:
        raise click.UsageError("--guides goes with --student; --method chooses the guides of --model")
    if live and (paths := [one for one in _split(guides) or () if "/" in one or one.endswith((".zarr", ".h5"))]):
        raise click.UsageError(f"--live forwards finished runs by their names, and {', '.join(paths)} is a path")
    drawn = [one for one in _split(guides) or () if pattern_guide(one) or split_draw_name(one)[1] is not None]
    if live and drawn:
        raise click.UsageError(
            f"--live forwards finished runs by their names, and {', '.join(drawn)} names stores of draws: leave --live "
            "out, or name the model itself"
        )
    if architectures and not live:
        raise click.UsageError("--architecture goes with --live: nothing else of `train` reads a guide's card")
    if student:
        check_method(method, _split(guides))
        check_method_is_not_set(app.assignments, do="leave it out, or give --method in its place")
    workspace = app.workspace((*architectures, student) if student else architectures)
    if model and model in workspace.chain and model not in workspace.trained_here:
        raise click.UsageError(f"{model} is {workspace.architecture(model)}: it is not trained here")
    if model:
        architecture, chosen = workspace.architecture(model), workspace.guides_for(model, method)
        check_has_guides(model, method, chosen)
        if live and chosen and (draws := workspace.config.cache.draws):
            raise click.UsageError(
                f"--live forwards each guide once a step, without dropout, and [cache] has draws = {draws}, which are "
                "guides of their own: leave --live out, or add --set cache.draws=0"
            )
    else:
        architecture, chosen, method = student or "", _split(guides) or (), method or "dgkd"
    run_name = name or model or f"student-{re.sub('[^a-z0-9_-]+', '-', architecture.lower())}"[:64]
    begun = is_run(workspace.run_folder(run_name))
    check_resume(resume, begun=begun, what=f"the run {run_name}", against="--fresh" if fresh else None)
    recipe = {key: settings.pop(key) for key in _RECIPE}
    settings |= {"method": method, "lambda": lambda_, "always": _split(always)}
    distillation = workspace.config.distillation
    if settings["dropping"] not in (None, distillation.dropping):
        # Another kind of dropping replaces the file's, with all settings of that kind.
        distillation = distillation.model_copy(update={"always": (), "at_least_one": False})
    distillation = override(distillation, settings, name="distillation")
    given, first = {**settings, "live": live}, model is not None and model == next(iter(workspace.chain))
    check_guidance_options(given, distillation, guided=bool(chosen), do="" if first else _GUIDES)
    training = override(workspace.config.training_for(model or run_name), recipe, name="training")
    if model and not live:  # each draw is a guide, where [cache] asks for draws
        chosen = tuple(guides_with_stores(workspace, model, method))
    stores = [] if live else [path for guide in chosen for path in resolve_guides(workspace, guide)]
    runs = [resolve_run(workspace, guide) for guide in chosen] if live else []
    check_architectures(architectures, runs)
    # Names come from the stores: several may be of one guide.
    taught_by = chosen
    if not model:
        names = [path.name for path in runs] if live else [read_header(path).header.guide.called for path in stores]
        taught_by = tuple(dict.fromkeys(names))
    require_guides_of(distillation.method, taught_by, workspace.chain)
    # The file's value is for all models, and earlier ones lack some guides.
    for guide in distillation.always if always is not None else ():
        if guide not in {*taught_by, *(split_draw_name(one)[0] for one in taught_by)}:
            raise unknown_name("guide to keep always", guide, taught_by)
    check_dropping(given, distillation, taught_by)
    request = TrainRequest(
        name=run_name,
        architecture=architecture,
        guides=stores,
        live=runs,
        names=chosen if model else (),
        training=training,
        distillation=distillation,
        pruning=pruning_of(workspace, model) if model else None,
        fresh=fresh,
        test_every=test_every,
        log=loggers(log),
    )
    with app.working() as (progress, stop):
        card = train_model(
            workspace, request, take_over=take_over, device=device, progress=progress, stop=stop, ranks=app.ranks
        )
    if app.ranks.first:
        _show(card, workspace.run_folder(run_name), as_json=as_json)


def _split(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _show(card: ModelCard, folder: Path, *, as_json: bool) -> None:
    accuracy = [(f"accuracy ({split})", percent_text(value)) for split, value in card.accuracy.items()]
    print_result(
        with_numbers(card.model_dump(mode="json")),
        [
            ("model", clean(card.name)),
            ("architecture", clean(card.architecture)),
            ("parameters", count_text(card.parameters)),
            ("guides", ", ".join(clean(guide) for guide in card.guides) or "none"),
            *accuracy,
            ("time", duration_text(card.seconds)),
            ("folder", str(folder)),
        ],
        as_json=as_json,
    )
