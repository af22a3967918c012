"""The results of a study: a function of its records alone, the same bytes whoever makes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dgkd_cache.study.costs import total_cost
from dgkd_cache.study.records import Record
from dgkd_cache.study.statistics import compare, summarize

__all__ = ["Results", "make_results"]

Results = Mapping[str, Any]
"""The results as JSON has them."""

_SUMMARIZED = ("top1", "top5", "nll", "ece")


def make_results(
    variants: Mapping[str, Mapping[str, object]],
    runs: Mapping[tuple[str, int], Record],
    *,
    reference: str,
    guides: str,
    others: Sequence[Record] = (),
) -> Results:
    """Returns the results of `variants` (name to changes), whose students' records are in `runs` by variant and seed.

    Every variant is compared with `reference` by the share of right predictions on the test set, at the last epoch.
    `others` are the records of the guides. Raises InvalidInput if a variant lacks a seed that the reference has.
    """
    by_variant = {name: {seed: runs[of, seed] for of, seed in sorted(runs) if of == name} for name in variants}
    top1 = {
        name: {seed: record["test"]["top1"] for seed, record in found.items()} for name, found in by_variant.items()
    }
    compared = compare(top1, [(name, reference) for name in variants if name != reference])
    records = {record["run"]: record for record in [*runs.values(), *others]}
    return {
        "format": "dgkd-study",
        "version": 1,
        "reference": reference,
        "guides": guides,
        "variants": {
            name: {
                "changes": dict(variants[name]),
                "runs": {str(seed): record["run"] for seed, record in found.items()},
                "cost": total_cost(
                    [record["cost"] for record in found.values()],
                    [record["cost"] for record in _guides_of(found.values(), records)],
                ),
                "test": {
                    measure: asdict(summarize([record["test"][measure] for record in found.values()]))
                    for measure in _SUMMARIZED
                    if all(record["test"][measure] is not None for record in found.values())
                },
                "best_by_validation": _best_by_validation(found.values()),
            }
            for name, found in by_variant.items()
        },
        "comparisons": [
            {**asdict(one), "verdict": one.verdict, "exploratory": one.exploratory, "of": "top1"} for one in compared
        ],
        "compute": [json.loads(text) for text in sorted({_machine(record) for record in records.values()})],
        "runs": {name: records[name] for name in sorted(records)},
    }


def _guides_of(students: Iterable[Record], records: Mapping[str, Record]) -> list[Record]:
    """Returns the records of all guides of these students, and of theirs, each once."""
    found: dict[str, Record] = {}
    waiting = [*students]
    while waiting:
        for run in waiting.pop()["guide_runs"]:
            if run not in found:
                found[run] = records[run]
                waiting.append(records[run])
    return [found[run] for run in sorted(found)]


def _best_by_validation(records: Iterable[Record]) -> Mapping[str, Any] | None:
    """Returns the summary of the test accuracy at the epoch that is best on held-out samples; None without any."""
    found = []
    for record in records:
        lines = [line for line in record["epochs"] if "validation_accuracy" in line]
        if not lines:
            return None
        found.append(max(lines, key=lambda line: line["validation_accuracy"])["test_accuracy"])
    return asdict(summarize(found))


def _machine(record: Record) -> str:
    """Returns what computed a run, as canonical JSON."""
    return json.dumps(record["compute"], sort_keys=True)
