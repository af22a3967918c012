"""`dgkd-cache compare`: variants side by side over seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from dgkd_cli.app import App, device_option, json_option, pass_app, take_over_option
from dgkd_cli.choices import list_option
from dgkd_cli.columns import Step, fit, terminal_width
from dgkd_cli.console import print_json
from dgkd_cli.lines import show
from dgkd_cli.settings_option import set_option

if TYPE_CHECKING:
    from dgkd_cache.study.results import Results

__all__ = ["compare"]


@click.command()
@list_option("--methods", help="Of scratch, kd, takd, dgkd, dgkd+drop (default: the variants of dgkd.toml, or all).")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Seeds of the student, from 0 (default: dgkd.toml).")
@click.option("--reference", metavar="NAME", help="What the others are compared with (default: dgkd.toml).")
@click.option(
    "--jobs", type=click.IntRange(1, 1000), default=1, show_default=True, help="Processes that share the work."
)
@set_option()
@take_over_option
@device_option
@json_option
@pass_app
def compare(
    app: App,
    methods: str | None,
    seeds: int | None,
    reference: str | None,
    jobs: int,
    take_over: bool,
    device: str,
    as_json: bool,
) -> None:
    """Compare methods, or other variants, over several seeds.

    The table [compare] of dgkd.toml names variants and what differs in each: method, dropping, lambda, views, encoding,
    any key of [training] or [distillation]. Runs of one seed have the same initial weights, order and views. What
    variants share is made once, under compare/. Each model is trained in float32 and in one thread.

    Stopped at any moment, the same command goes on from there; started again beside itself, also on another machine
    with the same disk, it shares the work.

    \b
    Examples:
      dgkd-cache compare --methods scratch,kd,dgkd --seeds 5
      dgkd-cache compare --jobs 2
      dgkd-cache compare --set training.epochs=30 --json
    """
    from dgkd_cache.study.study import run_study, set_up_study

    workspace = app.workspace()
    names = [name.strip() for name in methods.split(",")] if methods is not None else []
    study = set_up_study(workspace, methods=names, seeds=None if seeds is None else range(seeds), reference=reference)
    with app.working() as (progress, stop), _helpers(jobs - 1):
        results = run_study(study, device=device, take_over=take_over, progress=progress, stop=stop)
    if as_json:
        print_json(results)
        return
    click.echo(_table(results, terminal_width()))
    for line in _verdicts(results):
        show(line)
    app.say(f"results: {study.folder / 'results.json'}")


@contextmanager
def _helpers(count: int) -> Iterator[None]:
    """Runs this command in `count` more processes, quietly, and waits for them; after an error they are stopped.

    They are in sessions of their own: Ctrl-C reaches this process alone, which stops them with one signal each.
    """
    command = [sys.executable, "-m", "dgkd_cli", *sys.argv[1:], "--jobs", "1", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    nothing = subprocess.DEVNULL
    helpers = [
        subprocess.Popen(command, env=environment, stdin=nothing, stdout=nothing, start_new_session=True)
        for _ in range(count)
    ]
    try:
        yield
    except BaseException:
        for helper in helpers:
            helper.terminate()
        raise
    finally:
        for helper in helpers:
            helper.wait()


def _table(results: Results, width: int) -> str:
    variants, reference = results["variants"], results["reference"]
    compared = {one["variant"]: one for one in results["comparisons"]}
    columns = {
        "variant": [name + (" (reference)" if name == reference else "") for name in variants],
        "runs": [str(one["test"]["top1"]["n"]) for one in variants.values()],
        "accuracy": [_spread(one["test"]["top1"]) for one in variants.values()],
        "difference": [_difference(compared.get(name)) for name in variants],
        "95 % interval": [_interval(compared.get(name)) for name in variants],
        "p (Holm)": [_p(compared.get(name)) for name in variants],
        "verdict": [compared[name]["verdict"] if name in compared else "-" for name in variants],
        "NLL": [f"{one['test']['nll']['mean']:.3f}" for one in variants.values()],
        "ECE": [f"{100 * one['test']['ece']['mean']:.1f} %" for one in variants.values()],
    }
    right = [name for name in columns if name not in ("variant", "verdict")]
    return fit(columns, right=right, steps=[*map(Step, ("ECE", "NLL", "runs", "p (Holm)"))], width=width)


def _verdicts(results: Results) -> Iterator[str]:
    """The words that go with the table: what the differences are, and what they hold for."""
    yield "Differences are in percentage points of accuracy, paired by seed; intervals are unadjusted."
    if any(one["exploratory"] for one in results["comparisons"]):
        yield "Fewer than 5 seeds: exploratory."
    if results["guides"] == "shared":
        yield "All seeds have the same guides: the verdict holds for these guides."
    for one in results["comparisons"]:
        if one["verdict"] == "inconclusive" and one["detectable"] is not None:
            least = f"{100 * one['detectable']:.2f}"
            yield f"{one['variant']}: a difference of {least} points would have been found with 80 % power."


def _spread(summary: dict[str, Any]) -> str:
    mean = f"{100 * summary['mean']:.2f} %"
    return mean if summary["deviation"] is None else f"{mean} ± {100 * summary['deviation']:.2f}"


def _difference(one: dict[str, Any] | None) -> str:
    return "-" if one is None else f"{100 * one['mean']:+.2f}"


def _interval(one: dict[str, Any] | None) -> str:
    return "-" if one is None or one["low"] is None else f"{100 * one['low']:+.2f} to {100 * one['high']:+.2f}"


def _p(one: dict[str, Any] | None) -> str:
    return "-" if one is None or one["adjusted_p"] is None else f"{one['adjusted_p']:.3f}"
