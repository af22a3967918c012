"""The words that make a report honest: what its figures are, what they hold for, and what is not finished."""

from __future__ import annotations

from dataclasses import dataclass

from dgkd_cache.report import numbers
from dgkd_cache.report.results_file import Results

__all__ = ["Unfinished", "notes_of", "unfinished_of"]


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """The state of a study that lacks runs of students."""

    finished: int
    planned: int
    missing: tuple[str, ...]
    """The variants that lack runs, with the seeds that they lack."""
    failed: tuple[str, ...]
    """The runs and stores that could not be made."""


def unfinished_of(results: Results) -> Unfinished | None:
    """Returns what is finished and what is missing; None if everything is there."""
    missing = []
    for name in results.order:
        lacking = [str(seed) for seed in results.planned if seed not in results.variants[name].runs]
        if lacking:
            missing.append(f"{name}: seed{'s' * (len(lacking) > 1)} {', '.join(lacking)}")
    failed = tuple(
        f"{one.model} of {', '.join(one.variants)}, seed {one.seed}" + f" (its {one.what})" * (one.what != "run")
        for one in results.failed
    )
    if not missing and not failed:
        return None
    return Unfinished(
        finished=sum(len(one.runs) for one in results.variants.values()),
        planned=len(results.variants) * len(results.planned),
        missing=tuple(missing),
        failed=failed,
    )


def notes_of(results: Results) -> list[str]:
    """Returns what belongs beside the table of variants."""
    seeds = len(results.planned)
    found = [
        "The result of a run is its accuracy on the test set after its last epoch; nothing was chosen by the test set."
    ]
    if any(one.best_on_test for one in results.variants.values()):
        found.append(
            "The accuracy at the best epoch on test is chosen by what it is measured on: it is optimistic, as in "
            "papers that report it, and no comparison uses it."
        )
    if results.comparisons:
        count = len(results.comparisons)
        found += [
            "Runs of one seed have the same initial weights, order and views, so differences are paired by seed. Each "
            "interval is a 95 % t interval for its comparison alone, unadjusted.",
            f"p is that of the paired t test, adjusted by Holm over {count} comparison{'s' * (count > 1)}. A verdict "
            "is higher or lower where it is below 0.05, else inconclusive, which is no proof of no difference.",
        ]
        detectable = [
            f"{one.variant} against {one.reference} {numbers.detectable(one)}"
            for one in results.comparisons
            if one.detectable is not None and one.verdict == "inconclusive"
        ]
        if detectable:
            found.append(
                "The smallest difference that would have been found with 80 % power, at the spread that was seen, in "
                f"points: {'; '.join(detectable)}."
            )
    sources = dict.fromkeys(one.published.source for one in results.variants.values() if one.published)
    if sources:
        found.append(
            f"Published accuracies choose nothing and are compared with nothing. Sources: {'; '.join(sources)}."
        )
    if seeds < 5:
        found.append(f"Exploratory: {seeds} seed{'s' * (seeds > 1)}; five are the fewest for a claim.")
    if results.guides == "shared" and any(run.guide_runs for run in results.runs.values()):
        found.append("All seeds have the same guides: the verdict holds for these guides.")
    elif results.guides == "per-seed":
        found.append("Each seed has a chain of its own: the verdict holds for guides made in this way.")
    return found
