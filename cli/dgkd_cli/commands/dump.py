"""`dgkd-cache dump`: writes the guide store of a trained model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from dgkd_cache.config.tables import CacheConfig
from dgkd_cli.app import App, architecture_option, device_option, json_option, pass_app, take_over_option
from dgkd_cli.choices import choice_of
from dgkd_cli.console import print_result
from dgkd_cli.humanize import duration_text, size_text
from dgkd_cli.named_model import model_name
from dgkd_cli.resume_option import check_resume, resume_option
from dgkd_cli.settings_option import set_option
from dgkd_cli.user_code import check_architectures
from dgkd_cli.view_range import number_pair, view_range

if TYPE_CHECKING:
    from dgkd_cache.workspace.tasks import DumpResult

__all__ = ["dump"]


def _share(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Parses `i/n`: share i of n, counted from 0 as ranks and array jobs are."""
    return None if value is None else number_pair(value, "/", "i/n with 0 <= i < n, as 0/4 to 3/4")


@click.command()
@model_name(help="A finished run, of the chain or not.")
@click.option("--views", metavar="A:B", callback=view_range, help="A store of these views (default: the workspace's).")
@click.option("--shard", metavar="i/n", callback=_share, help="Only share i of n, counted from 0.")
@click.option(
    "--draws",
    type=click.IntRange(0, 10_000),
    metavar="D",
    help="D passes with dropout in place of one without, each a guide: NAME.d0, NAME.d1, ...",
)
@resume_option
@click.option(
    "--precision", type=choice_of(CacheConfig, "precision"), help="Precision of the forward pass (default: dgkd.toml)."
)
@click.option("--accept-probabilities", is_flag=True, help="Accept outputs whose rows sum to 1 as logits.")
@set_option(
    {"draws": "cache.draws", "precision": "cache.precision", "accept_probabilities": "cache.accept_probabilities"}
)
@architecture_option
@take_over_option
@device_option
@json_option
@pass_app
def dump(
    app: App,
    model: str,
    views: range | None,
    shard: tuple[int, int] | None,
    draws: int | None,
    resume: bool,
    precision: str | None,
    accept_probabilities: bool,
    architectures: tuple[str, ...],
    take_over: bool,
    device: str,
    as_json: bool,
) -> None:
    """Store the softened logits of a trained model for every view.

    Stopped at any moment, the same command computes only what is missing. The store is sealed once
    every view is there, and never changes after that. Other --views than the workspace's are another store
    of the same guide, guides/NAME-A-B.zarr; `train` takes both, as --guides ta1,ta1-40-60. With --draws, each of D
    passes with the model's dropout active is a guide with a store of its own, guides/NAME.dK.zarr; `train` takes all of
    them as --guides 'NAME.d*'. More draws never change the ones that are there.

    \b
    Examples:
      dgkd-cache dump ta1
      dgkd-cache dump ta1 --views 40:60
      dgkd-cache dump ta1 --shard 0/4
      dgkd-cache dump ta1 --draws 16
    """
    from dgkd_cache.config.workspace_config import with_overrides
    from dgkd_cache.workspace.tasks import dump_draws, dump_guide

    workspace = app.workspace(architectures)
    draws = workspace.config.cache.draws if draws is None else draws
    numbers = range(draws) if draws else (None,)
    stores = [workspace.store_path(model, views, draw=number) for number in numbers]
    check_resume(resume, begun=any(map(os.path.lexists, stores)), what=str(stores[0]))
    check_architectures(architectures, [workspace.run_folder(model)])
    settings: dict[str, object] = {"cache.precision": precision} if precision else {}
    if accept_probabilities:
        settings["cache.accept_probabilities"] = True
    if settings:
        workspace = workspace.with_config(with_overrides(workspace.config, settings))
    with app.working() as (progress, stop):
        same: dict[str, Any] = {
            **{"model": model, "views": views, "shard": shard, "take_over": take_over, "device": device},
            **{"progress": progress, "stop": stop, "ranks": app.ranks},
        }
        found = dump_draws(workspace, draws=draws, **same) if draws else [dump_guide(workspace, **same)]
    if not app.ranks.first:
        return
    rows = [row for result in found for row in _rows(result)]
    of_draws = {"draws": [_data(result) for result in found]} if draws else _data(found[0])
    print_result({"model": model, **of_draws}, rows, as_json=as_json)


def _data(result: DumpResult) -> dict[str, Any]:
    return {
        "path": str(result.path),
        "seal": result.seal,
        "bytes": result.nbytes,
        "views": [result.views.start, result.views.stop],
        "seconds": result.seconds,
    }


def _rows(result: DumpResult) -> list[tuple[str, str]]:
    return [
        ("store", str(result.path)),
        ("seal", result.seal or "none yet: views are missing, `dgkd-cache ls` counts them"),
        ("views", f"{result.views.start}:{result.views.stop}"),
        ("size", size_text(result.nbytes)),
        ("time", duration_text(result.seconds)),
    ]
