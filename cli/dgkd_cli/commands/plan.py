"""`dgkd-cache plan`: estimates the cost of a chain on this machine, before anything is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from dgkd_cli.app import App, device_option, json_option, pass_app
from dgkd_cli.columns import Step, fit, terminal_width
from dgkd_cli.console import facts, print_json, table
from dgkd_cli.humanize import count_text, duration_text, percent_text, size_text
from dgkd_cli.settings_option import set_option

if TYPE_CHECKING:
    from dgkd_cache.estimate.costs import ChainCost

__all__ = ["plan"]


@click.command()
@click.option("--seconds", type=float, default=10.0, show_default=True, help="Seconds to measure, in all.")
@set_option()
@device_option
@json_option
@pass_app
def plan(app: App, seconds: float, device: str, as_json: bool) -> None:
    """Estimate the time and bytes of a chain, and when caching pays.

    Every architecture is measured for a moment, untrained: its training step, its dump, and its forward pass as a
    live guide. Nothing is written, and what is done already is planned all the same.

    \b
    Examples:
      dgkd-cache plan
      dgkd-cache -w demo plan --seconds 30
      dgkd-cache plan --json
    """
    from dgkd_cache.workspace.tasks import plan_chain

    workspace = app.workspace()
    with app.reporting() as progress:
        cost = plan_chain(workspace, device=device, seconds=seconds, progress=progress)
    if as_json:
        print_json(_as_json(cost))
        return
    width = terminal_width()
    parts = [_fitted(_runs(cost), width)]
    if cost.guides:
        parts = [_fitted(_guides(cost), width), *parts, _encodings(cost)]
    click.echo("\n\n".join([*parts, facts(_in_all(cost))]))


def _guides(cost: ChainCost) -> Mapping[str, Sequence[str]]:
    return {
        "guide": [guide.guide for guide in cost.guides],
        "architecture": [guide.architecture for guide in cost.guides],
        "forwards": [count_text(guide.forwards) for guide in cost.guides],
        "samples/s": [count_text(round(guide.samples_per_second)) for guide in cost.guides],
        "dump": [duration_text(guide.dump_seconds) for guide in cost.guides],
        "cache": [size_text(guide.nbytes) for guide in cost.guides],
    }


def _runs(cost: ChainCost) -> Mapping[str, Sequence[str]]:
    return {
        "model": [run.model for run in cost.runs],
        "architecture": [run.architecture for run in cost.runs],
        "samples/s": [count_text(round(run.samples_per_second)) for run in cost.runs],
        "train": [duration_text(run.train_seconds) for run in cost.runs],
        "+ live, dropped": [duration_text(run.live_seconds) if run.guides else "-" for run in cost.runs],
        "+ live, all": [duration_text(run.live_all_seconds) if run.guides else "-" for run in cost.runs],
    }


def _fitted(columns: Mapping[str, Sequence[str]], width: int) -> str:
    """Returns the table of `columns`, two of text and then numbers; in a narrow terminal without some of them."""
    least_needed = ("architecture", "samples/s", "forwards", "cache", "+ live, dropped", "+ live, all")
    return fit(columns, right=list(columns)[2:], steps=[*map(Step, least_needed)], width=width)


def _encodings(cost: ChainCost) -> str:
    headers = ("encoding", "all guides", "of float32", "saves")
    float32 = cost.encodings["float32"]
    lines = [
        (
            name + (" (this one)" if name == cost.encoding else ""),
            size_text(nbytes),
            percent_text(nbytes / float32),
            size_text(float32 - nbytes) if nbytes < float32 else "-",
        )
        for name, nbytes in cost.encodings.items()
    ]
    return table(headers, lines, right=headers[1:])


def _in_all(cost: ChainCost) -> Iterable[tuple[str, str]]:
    yield "training", f"{duration_text(cost.train_seconds)} for the chain, without what guides cost"
    if not cost.guides:
        yield "guides", "none to dump: no model learns from one that is dumped"
        return
    yield (
        "guides",
        f"{count_text(cost.forwards)} forwards, {duration_text(cost.dump_seconds)}, {size_text(cost.nbytes)}",
    )
    free = size_text(cost.free_bytes)
    yield "disk", f"{free} free: they fit" if cost.fits else f"{free} free: they do not fit"
    student = cost.runs[-1].model
    yield "against live guides", _in_words(cost.cheaper_from, student)
    yield "all of them live", _in_words(cost.cheaper_from_all_live, student)


def _in_words(first: int | None, student: str) -> str:
    if first is None:
        return f"caching never pays: {student} has no guide that takes part"
    if first == 1:
        return f"caching is cheaper from the first run of {student} on"
    return f"caching is cheaper from run {count_text(first)} of {student} on"


def _as_json(cost: ChainCost) -> dict[str, Any]:
    return {
        "guides": [dataclasses.asdict(guide) | {"dump_seconds": guide.dump_seconds} for guide in cost.guides],
        "runs": [dataclasses.asdict(run) | {"train_seconds": run.train_seconds} for run in cost.runs],
        "forwards": cost.forwards,
        "dump_seconds": cost.dump_seconds,
        "train_seconds": cost.train_seconds,
        "bytes": cost.nbytes,
        "encoding": cost.encoding,
        "encodings": cost.encodings,
        "free_bytes": cost.free_bytes,
        "fits": cost.fits,
        "cheaper_from": cost.cheaper_from,
        "cheaper_from_all_live": cost.cheaper_from_all_live,
    }
