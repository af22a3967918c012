"""`dgkd-cache eval`: evaluates a trained model on one split."""

from __future__ import annotations

import dataclasses

import click

from dgkd_cli.app import App, architecture_option, device_option, json_option, pass_app
from dgkd_cli.console import print_result
from dgkd_cli.humanize import count_text, percent_text
from dgkd_cli.named_model import model_name
from dgkd_cli.settings_option import set_option
from dgkd_cli.user_code import check_architectures

__all__ = ["evaluate"]


@click.command("eval")
@model_name(help="A finished run, of the chain or not.")
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="The samples, un-augmented.",
)
@set_option()
@architecture_option
@device_option
@json_option
@pass_app
def evaluate(app: App, model: str, split: str, architectures: tuple[str, ...], device: str, as_json: bool) -> None:
    """Measure a trained model's accuracy.

    \b
    Examples:
      dgkd-cache eval student
      dgkd-cache eval teacher --split train --json
    """
    from dgkd_cache.workspace.tasks import evaluate_model

    workspace = app.workspace(architectures)
    check_architectures(architectures, [workspace.run_folder(model)])
    with app.reporting() as progress:
        score = evaluate_model(workspace, model=model, split=split, device=device, progress=progress)
    print_result(
        {"model": model, "split": split, **dataclasses.asdict(score)},
        [
            ("model", model),
            ("split", split),
            ("samples", count_text(score.samples)),
            ("accuracy", percent_text(score.accuracy)),
            ("loss", f"{score.loss:.4f}"),
        ],
        as_json=as_json,
    )
