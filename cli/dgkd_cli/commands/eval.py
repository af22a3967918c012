"""`dgkd-cache eval`: evaluates a trained model on one split."""

from __future__ import annotations

import dataclasses

import click

from dgkd_cli.app import App, architecture_option, device_option, json_option, pass_app
from dgkd_cli.console import facts, print_json
from dgkd_cli.humanize import count_text, percent_text
from dgkd_cli.user_code import check_architectures

__all__ = ["evaluate"]


@click.command("eval")
@click.option("--model", required=True, metavar="NAME", help="A finished run, of the chain or not.")
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="The samples, un-augmented.",
)
@architecture_option
@device_option
@json_option
@pass_app
def evaluate(app: App, model: str, split: str, architectures: tuple[str, ...], device: str, as_json: bool) -> None:
    """Measure a trained model's accuracy.

    \b
    Examples:
      dgkd-cache eval --model student
      dgkd-cache eval --model teacher --split train --json
    """
    from dgkd_cache.workspace.tasks import evaluate_model

    workspace = app.workspace(architectures)
    check_architectures(architectures, [workspace.run_folder(model)])
    with app.reporting() as progress:
        result = evaluate_model(workspace, model=model, split=split, device=device, progress=progress)
    if as_json:
        print_json(dataclasses.asdict(result))
        return
    click.echo(
        facts(
            [
                ("model", result.model),
                ("split", result.split),
                ("samples", count_text(result.samples)),
                ("accuracy", percent_text(result.accuracy)),
                ("loss", f"{float(result.loss):.4f}"),
            ]
        )
    )
