"""The results of a study: a function of its records alone, the same bytes whoever makes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from dgkd_cache.study.costs import guides_of_runs, runs_before, total_cost
from dgkd_cache.study.records import Record
from dgkd_cache.study.statistics import compare, summarize
from dgkd_cache.study.verdict import verdict_sentence

__all__ = ["Protocol", "Results", "make_results"]

Results = Mapping[str, Any]
"""The results as JSON has them."""

Protocol = Literal["last", "paper"]
"""`last`: the result of a run is its last epoch. `paper`: its best epoch on the test set is told beside that, as papers
do; it is chosen by what it is measured on, so it is optimistic, and no comparison uses it."""

_SUMMARIZED = ("top1", "top5", "nll", "ece")

_OF_THE_DATA = ("classes", "class_words")
"""Keys that all records have alike: results have them once."""


def make_results(
    variants: Mapping[str, Mapping[str, object]],
    runs: Mapping[tuple[str, int], Record],
    *,
    seeds: Sequence[int],
    reference: str,
    pairs: Sequence[tuple[str, str]] = (),
    guides: str,
    protocol: Protocol = "last",
    others: Sequence[Record] = (),
    published: Mapping[str, Mapping[str, object]] | None = None,
    failed: Sequence[Mapping[str, Any]] = (),
) -> Results:
    """Returns the results of `variants` (name to changes), whose students' records are in `runs` by variant and seed.

    Each of `pairs` (default: every variant with `reference`) is compared by the share of right predictions on the test
    set, at the last epoch. Runs may be missing: `seeds` are all that are planned, and a comparison that lacks one is
    incomplete. `others` are the records of the guides, `published` what others have published of variants, and `failed`
    says which runs could not be made.
    """
    by_variant = {name: {seed: runs[of, seed] for of, seed in sorted(runs) if of == name} for name in variants}
    top1 = {
        name: {seed: record["test"]["top1"] for seed, record in found.items()} for name, found in by_variant.items()
    }
    compared = compare(top1, pairs or [(name, reference) for name in variants if name != reference], seeds=seeds)
    records = {record["run"]: record for record in [*runs.values(), *others]}
    results = {
        "format": "dgkd-study",
        "version": 1,
        "reference": reference,
        "guides": guides,
        "seeds": sorted(seeds),
        "protocol": protocol,
        "variants": {
            name: {
                **_variant(variants[name], found, records, protocol),
                **({"published": dict(published[name])} if published and name in published else {}),
            }
            for name, found in by_variant.items()
        },
        "comparisons": [
            {**asdict(one), "verdict": one.verdict, "exploratory": one.exploratory, "of": "top1"} for one in compared
        ],
        "failed": [dict(one) for one in failed],
        "classes": _told("classes", records) or [],
        **({"class_words": words} if (words := _told("class_words", records)) else {}),
        "dataset": _told("dataset", records) or {},
        "compute": [json.loads(text) for text in sorted({_machine(record) for record in records.values()})],
        "runs": {
            name: {key: value for key, value in records[name].items() if key not in _OF_THE_DATA}
            for name in sorted(records)
        },
    }
    return {**results, "verdict": verdict_sentence(results)}


def _told(key: str, records: Mapping[str, Record]) -> Any:
    """Returns what the first record that has it says of the data set; None if all are older than the key."""
    return next((records[name][key] for name in sorted(records) if key in records[name]), None)


def _variant(
    changes: Mapping[str, object], found: Mapping[int, Record], records: Mapping[str, Record], protocol: Protocol
) -> Mapping[str, Any]:
    """Returns what the finished runs of a variant, by seed, come to."""
    students = [*found.values()]
    guide_runs = {name: runs_before(record) for name, record in records.items()}
    guides = guides_of_runs([record["run"] for record in students], guide_runs)
    summary = {
        "changes": dict(changes),
        "runs": {str(seed): record["run"] for seed, record in found.items()},
        "cost": total_cost(students, [records[run] for run in guides]),
        "test": {
            measure: asdict(summarize([record["test"][measure] for record in students]))
            for measure in _SUMMARIZED
            if students and all(record["test"][measure] is not None for record in students)
        },
        "best_by_validation": _at_best_epoch(students, "validation_accuracy"),
    }
    if protocol == "paper":
        summary["best_on_test"] = (best := _at_best_epoch(students, "test_accuracy")) and {**best, "optimistic": True}
    return summary


def _at_best_epoch(records: Sequence[Record], chosen_by: str) -> Mapping[str, Any] | None:
    """Returns the summary of the test accuracy at the epoch with the best figure of that name; None without any."""
    found = []
    for record in records:
        lines = [line for line in record["epochs"] if chosen_by in line]
        if not lines:
            return None
        found.append(max(lines, key=lambda line: line[chosen_by])["test_accuracy"])
    return asdict(summarize(found)) if found else None


def _machine(record: Record) -> str:
    """Returns what computed a run, as canonical JSON."""
    return json.dumps(record["compute"], sort_keys=True)
