"""`dgkd-cache prune`: removes weights of a finished run, and trains on with what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dgkd_cache.config.pruning import PruningConfig
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
from dgkd_cli.columns import Step, fit, terminal_width
from dgkd_cli.completion import complete_guides
from dgkd_cli.console import print_json
from dgkd_cli.guidance_options import check_method, check_method_is_not_set
from dgkd_cli.humanize import count_text, percent_text, with_numbers
from dgkd_cli.named_model import model_name
from dgkd_cli.settings_option import set_option
from dgkd_cli.user_code import check_architectures
from dgkd_stores import clean

if TYPE_CHECKING:
    from dgkd_cache.run_files.model_card import ModelCard

__all__ = ["prune"]


@click.command()
@model_name(help="A finished run, of the chain or not.")
@list_option("--sparsity", required=True, help="Shares of the weights to remove, each from 0 to below 1.")
@list_option("--guides", complete=complete_guides, help="Guides by name, or paths of stores (default: none).")
@click.option("--name", help="What the runs are called before -s50 and the like (default: the model's name).")
@click.option(
    "--criterion",
    type=choice_of(PruningConfig, "criterion"),
    help="What tells weights apart: their gradient under the guides, without them, or their size.",
)
@click.option("--fresh", is_flag=True, help="Start over; what has such a name is moved to aside/.")
@set_option({"criterion": "pruning.criterion"})
@architecture_option
@test_every_option
@log_option
@take_over_option
@device_option
@json_option
@pass_app
def prune(
    app: App,
    model: str,
    sparsity: str,
    guides: str | None,
    name: str | None,
    criterion: str | None,
    fresh: bool,
    architectures: tuple[str, ...],
    test_every: int,
    log: str | None,
    take_over: bool,
    device: str,
    as_json: bool,
) -> None:
    """Remove weights of a finished run, and train on with the rest.

    Each sparsity is a run of its own, NAME-s50 for 0.5: the weights of least importance are removed in one shot, from
    all layers together, and stay zero. Guides have a part in the importance, and in the training after that, whose
    recipe is that of the model. Stopped at any moment, the same command goes on from there.

    \b
    Examples:
      dgkd-cache prune student --guides teacher,ta1 --sparsity 0.5,0.8,0.9,0.95
      dgkd-cache prune student --sparsity 0.9 --criterion gradient --name alone
      dgkd-cache prune ta1 --guides teacher --sparsity 0.9 --set training.lr=0.01
    """
    from dgkd_cache.config.pruning import parse_sparsity, sparsity_name
    from dgkd_cache.config.workspace_config import check_model_name, override
    from dgkd_cache.run_files.model_card import load_card
    from dgkd_cache.workspace.pruning import Pruning, require_criterion
    from dgkd_cache.workspace.resolve import resolve_guides, resolve_run
    from dgkd_cache.workspace.tasks import TrainRequest, prune_model

    shares = [parse_sparsity(text) for text in _split(sparsity)]
    if not shares:
        raise click.UsageError("--sparsity names none: give A,B,... each from 0 to below 1, as 0.5,0.8")
    if twice := [share for share in dict.fromkeys(shares) if shares.count(share) > 1]:
        raise click.UsageError(f"--sparsity names {', '.join(map(str, twice))} more than once: name each once")
    chosen = () if guides is None else _split(guides)
    check_method("dgkd" if guides is not None else "scratch", None if guides is None else chosen)
    check_method_is_not_set(app.assignments, do="leave it out")
    # A source or a guide that hints make has its own recipe: --set of these tables is for what is trained here.
    workspace = app.workspace(architectures).hinting_without("training", "distillation", "pruning")
    folder = resolve_run(workspace, model)
    names = [check_model_name(f"{name or model}-{sparsity_name(share)}") for share in shares]
    check_architectures(architectures, [folder])
    config = workspace.config
    settings = override(config.pruning, {"criterion": criterion}, name="pruning")
    distillation = override(config.distillation, {"method": "dgkd" if chosen else "scratch"}, name="distillation")
    sources = [Pruning(source=folder.name, sparsity=share, settings=settings) for share in shares]
    do = "raise distillation.lambda, or choose --criterion gradient"
    if not chosen:
        do = "name some with --guides, or choose --criterion gradient or magnitude"
    require_criterion(sources[0], name=names[0], guided=bool(chosen), lambda_=distillation.lambda_, do=do)
    requests = [
        TrainRequest(
            name=run,
            architecture=load_card(folder).architecture,
            guides=[path for guide in chosen for path in resolve_guides(workspace, guide)],
            training=config.training_for(model),
            distillation=distillation,
            pruning=pruning,
            fresh=fresh,
            test_every=test_every,
            log=loggers(log),
        )
        for run, pruning in zip(names, sources, strict=True)
    ]
    with app.working() as (progress, stop):
        cards = prune_model(
            workspace, requests, take_over=take_over, device=device, progress=progress, stop=stop, ranks=app.ranks
        )
    if not app.ranks.first:
        return
    if as_json:
        print_json([with_numbers(card.model_dump(mode="json")) for card in cards])
        return
    click.echo(_results(cards, terminal_width()))
    app.say(f"runs: {workspace.folder / 'runs'}")


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _results(cards: Sequence[ModelCard], width: int) -> str:
    about: list[dict[str, Any]] = [card.model_dump(mode="json")["training"]["pruning"] for card in cards]
    columns = {
        "run": [clean(card.name) for card in cards],
        "sparsity": [str(one["sparsity"]).removesuffix(".0") for one in about],
        "weights kept": [count_text(one["weights_kept"]) for one in about],
        "of": [count_text(one["weights_of"]) for one in about],
        "criterion": [clean(str(one["criterion"])) for one in about],
        "guides": [", ".join(map(clean, card.guides)) or "none" for card in cards],
        "accuracy": [percent_text(card.accuracy.get("test")) for card in cards],
    }
    steps = [Step("guides", width=24), *map(Step, ("of", "guides", "criterion", "weights kept"))]
    return fit(columns, right=("sparsity", "weights kept", "of", "accuracy"), steps=steps, width=width)
