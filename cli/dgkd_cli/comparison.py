"""The results of a comparison for a person: the verdict first, then the variants, the comparisons and their cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dgkd_cli.columns import Step, fit
from dgkd_cli.humanize import count_text, duration_text, percent_text, size_text

if TYPE_CHECKING:
    from dgkd_cache.study.results import Results
    from dgkd_cache.study.timings import Timings

__all__ = ["notes", "tables"]


def tables(results: Results, timings: Timings, width: int) -> Iterator[str]:
    """Yields the table of variants, that of comparisons unless there are none, and that of costs."""
    yield _variants(results, width)
    if results["comparisons"]:
        yield _comparisons(results["comparisons"], width)
    yield _costs(results, timings, width)


def notes(results: Results) -> Iterator[str]:
    """Yields what goes with the tables: what the figures are, and what they hold for."""
    yield "Accuracy is that of the last epoch on the test set: mean ± sample standard deviation over the runs."
    if results["protocol"] == "paper":
        yield "Best on test is optimistic: the epoch is chosen by the samples that it is measured on."
    if results["comparisons"]:
        yield (
            "Differences are in percentage points of accuracy, paired by seed; intervals are unadjusted, p is adjusted "
            "over all comparisons (Holm), and a verdict is p < 0.05."
        )
    if any(one["exploratory"] for one in results["comparisons"]):
        yield "Fewer than 5 seeds: exploratory."
    if results["guides"] == "shared" and any(record["guide_runs"] for record in results["runs"].values()):
        yield "All seeds have the same guides: the verdict holds for these guides."
    detectable = [
        f"{one['variant']} - {one['reference']} {_detectable(one['detectable'])}"
        for one in results["comparisons"]
        if one["verdict"] == "inconclusive" and one["detectable"] is not None
    ]
    if detectable:
        yield f"Would have been found with 80 % power, in points: {', '.join(detectable)}."
    for name, one in results["variants"].items():
        if len(one["runs"]) < len(results["seeds"]):
            yield f"{name}: {len(one['runs'])} of {len(results['seeds'])} runs are finished."
    for one in results["failed"]:
        what = f"{one['model']} of {', '.join(one['variants'])}, seed {one['seed']}"
        yield f"Not made: the {one['what']} {one['run']} ({what})."


def _detectable(difference: float) -> str:
    return f"{100 * difference:.2f}" if difference < 1 else "none"


def _variants(results: Results, width: int) -> str:
    variants = results["variants"].values()
    columns: dict[str, Sequence[str]] = {
        "variant": [*results["variants"]],
        "runs": [str(len(one["runs"])) for one in variants],
        "accuracy": [_spread(one["test"].get("top1")) for one in variants],
    }
    if any(one["best_by_validation"] for one in variants):
        columns["best by validation"] = [_spread(one["best_by_validation"]) for one in variants]
    if results["protocol"] == "paper":
        columns["best on test (optimistic)"] = [_spread(one["best_on_test"]) for one in variants]
    columns["NLL"] = [_mean(one, "nll", "{:.3f}") for one in variants]
    columns["ECE"] = [_mean(one, "ece", "{:.1%}").replace("%", " %") for one in variants]
    return fit(columns, right=[*columns][1:], steps=[*map(Step, ("ECE", "NLL", "runs"))], width=width)


def _comparisons(comparisons: Sequence[Mapping[str, Any]], width: int) -> str:
    columns = {
        "variant": [one["variant"] for one in comparisons],
        "against": [one["reference"] for one in comparisons],
        "difference": ["-" if one["mean"] is None else f"{100 * one['mean']:+.2f}" for one in comparisons],
        "95 % interval": [
            "-" if one["low"] is None else f"{100 * one['low']:+.2f} to {100 * one['high']:+.2f}" for one in comparisons
        ],
        "p (Holm)": ["-" if one["adjusted_p"] is None else f"{one['adjusted_p']:.3f}" for one in comparisons],
        "verdict": [one["verdict"] for one in comparisons],
    }
    right = ("difference", "95 % interval", "p (Holm)")
    return fit(columns, right=right, steps=[Step("p (Holm)")], width=width)


def _costs(results: Results, timings: Timings, width: int) -> str:
    """Returns the cost of all runs of a variant; what two variants share counts for both."""
    from dgkd_cache.study.timings import variant_seconds

    costs = [one["cost"] for one in results["variants"].values()]
    times = [variant_seconds(results, timings, name) for name in results["variants"]]
    columns = {
        "cost of": [*results["variants"]],
        "epochs": [count_text(cost["epochs"]) for cost in costs],
        "time": [_time(one["seconds"]) for one in times],
        "samples/s": ["-" if (rate := one["samples_per_second"]) is None else f"{rate:,.0f}" for one in times],
        "guides' epochs": [count_text(cost["guides_epochs"]) for cost in costs],
        "guides' time": [_time(one["guides_seconds"]) for one in times],
        "forwards": [count_text(cost["guide_forwards"] + cost["live_forwards"]) for cost in costs],
        "saved": [count_text(cost["guide_forwards_saved"]) for cost in costs],
        "cache": ["-" if cost["cache_bytes"] is None else size_text(cost["cache_bytes"]) for cost in costs],
    }
    steps = [*map(Step, ("samples/s", "cache", "guides' time", "saved"))]
    return fit(columns, right=[*columns][1:], steps=steps, width=width)


def _spread(summary: Mapping[str, Any] | None) -> str:
    if summary is None or summary["mean"] is None:
        return "-"
    mean = percent_text(summary["mean"])
    return mean if summary["deviation"] is None else f"{mean} ± {100 * summary['deviation']:.2f}"


def _mean(variant: Mapping[str, Any], measure: str, form: str) -> str:
    return form.format(variant["test"][measure]["mean"]) if measure in variant["test"] else "-"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else duration_text(seconds)
