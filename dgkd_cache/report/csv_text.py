"""The results as CSV: a row for each run, variant and comparison. Numbers are as precise as in results.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from dgkd_cache.report.results_file import Results, Run, Summary
from dgkd_cache.report.variant_settings import draws_of, source_of, sparsity_of, value_in_runs
from dgkd_cache.study.timings import Timings

__all__ = ["comparisons_csv", "runs_csv", "variants_csv"]

_MEASURES = ("top1", "top5", "nll", "ece")


def runs_csv(results: Results, timings: Timings) -> str:
    """Returns the finished runs of students; accuracies are shares from 0 to 1, and what is not known is empty.

    Columns of pruning and of draws are there where a run has them, as in `variants_csv`.
    """
    rows = []
    for name in results.shown:
        for seed, run in results.students(name).items():
            best = max(run.test_curve, default=None) if results.protocol == "paper" else None
            rows.append(
                {
                    "variant": name,
                    "seed": seed,
                    "run": run.run,
                    "architecture": run.architecture,
                    "parameters": run.parameters,
                    **{measure: getattr(run.test, measure) for measure in _MEASURES},
                    "best_on_test_optimistic": best,
                    "epochs": len(run.epochs),
                    "seconds": timings.get(run.run, {}).get("seconds"),
                    "weights": run.weights,
                    **_pruning(run),
                    **({"draws": draws_of(results, name)} if run.draw_of else {}),
                }
            )
    return _csv(rows)


def variants_csv(results: Results) -> str:
    """Returns the variants: n, mean and sample standard deviation of each measure, the cost.

    The difference is that from the reference; `comparisons_csv` has those of other pairs.
    """
    compared = {one.variant: one for one in results.comparisons if one.reference == results.reference}
    rows = []
    for name in results.shown:
        one, against = results.variants[name], compared.get(name)
        columns: dict[str, object] = {"variant": name, "n": len(one.runs)}
        for measure in _MEASURES:
            columns |= _summary(measure, one.test.get(measure))
        columns |= _summary("best_by_validation", one.best_by_validation)
        columns |= _summary("best_on_test_optimistic", one.best_on_test)
        columns["reference"] = against.reference if against else None
        for key in ("mean", "low", "high", "p", "adjusted_p", "detectable", "verdict"):
            columns[key if key == "verdict" else f"difference_{key}"] = getattr(against, key, None)
        columns |= {f"cost_{key}": value for key, value in one.cost.items()}
        if (sparsity := sparsity_of(results, name)) is not None:
            criterion = value_in_runs(results, name, "criterion")
            columns |= {"sparsity": sparsity, "criterion": criterion, "pruned_from": source_of(results, name)}
        if draws := draws_of(results, name):
            columns["draws"] = draws
        rows.append(columns)
    return _csv(rows)


def comparisons_csv(results: Results) -> str:
    """Returns all comparisons, with the difference of each seed; differences are of shares from 0 to 1."""
    figures = ("mean", "low", "high", "p", "adjusted_p", "detectable")
    rows: list[dict[str, object]] = []
    for one in results.comparisons:
        by_seed = dict(zip(one.seeds, one.differences, strict=True))
        rows.append(
            {
                "variant": one.variant,
                "reference": one.reference,
                "n": len(one.seeds),
                **{f"difference_{key}": getattr(one, key) for key in figures},
                "verdict": one.verdict,
                "exploratory": "true" if one.exploratory else "false",
                **{f"difference_seed_{seed}": by_seed.get(seed) for seed in results.planned},
            }
        )
    columns = ["variant", "reference", "n", *(f"difference_{key}" for key in figures), "verdict", "exploratory"]
    return _csv(rows, columns)


def _pruning(run: Run) -> dict[str, object]:
    """Returns what a run has beside others if it is pruned."""
    if run.pruning is None:
        return {}
    one = run.pruning
    return {"sparsity": one.sparsity, "criterion": one.criterion, "pruned_from": run.source_run}


def _summary(name: str, one: Summary | None) -> dict[str, object]:
    return {f"{name}_mean": one.mean if one else None, f"{name}_deviation": one.deviation if one else None}


def _csv(rows: Iterable[Mapping[str, object]], first: Sequence[str] = ()) -> str:
    """Returns rows under the names of all their columns; those of `first` are there without any row, too."""
    listed = [*rows]
    columns = dict.fromkeys([*first, *(key for row in listed for key in row)])
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return text.getvalue()
