"""Results of studies that nobody trained: random figures of a shape, made into results by `make_results`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from dgkd_cache.report.results_file import Results
from dgkd_cache.study.results import make_results

__all__ = ["DRAWN", "HOSTILE", "METHODS", "PRUNED", "made_results", "made_timings", "percents_of", "sweep"]

METHODS: dict[str, dict[str, object]] = {
    "scratch": {"method": "scratch"},
    "kd": {"method": "kd", "dropping": "none"},
    "takd": {"method": "takd", "dropping": "none"},
    "dgkd": {"method": "dgkd", "dropping": "none"},
    "dgkd+drop": {"method": "dgkd", "dropping": "bernoulli"},
}
GUIDES = {"scratch": [], "kd": ["t"], "takd": ["a"], "dgkd": ["t", "a"]}
"""The runs that guide a student of each method; `t` guides `a`."""
OF_PRUNING = ("prunes", "sparsity", "criterion")
"""The keys of a variant of which a record tells under `pruning`."""

HOSTILE = (
    "<script>alert(1)</script>",
    "\"' onload='alert(2)' x=\"",
    "</title></svg><img src=http://example.org/a.png>",
    "{{ 7 * 7 }} {% raw %}",
    "a very long name " * 20,
    "多教師蒸留、温度四、λ = 0.9、教師を落とす確率 0.75",
    "&amp;nbsp;&lt;b&gt;",
    '=HYPERLINK("http://example.org","a")',
)


PRUNED: dict[str, dict[str, object]] = {
    "small net": {"method": "scratch"},
    **{
        f"{label}, {sparsity:g}": {**settings, "prunes": "small net", "sparsity": sparsity, "lr": 0.01}
        for label, settings in {
            "magnitude": {"method": "scratch", "criterion": "magnitude"},
            "gradient": {"method": "scratch", "criterion": "gradient"},
            "one guide": {"method": "kd", "dropping": "none", "criterion": "guided"},
            "two guides": {"method": "dgkd", "dropping": "none", "criterion": "guided"},
        }.items()
        for sparsity in (0.5, 0.8, 0.9, 0.95)
    },
}
"""A variant, and sixteen that prune its students in four ways."""

DRAWN: dict[str, dict[str, object]] = {
    "scratch": {"method": "scratch"},
    "kd": {"method": "kd", "dropping": "none"},
    **{
        f"{label}, {draws}": {"method": "kd", "dropping": "none", "draws": draws, **settings}
        for label, settings in {"equal": {}, "student": {"weights": "student", "percentile": 90}}.items()
        for draws in (1, 4, 16)
    },
}
"""Variants under one guide: the model itself, and draws of it with two kinds of weights."""


def sweep() -> dict[str, dict[str, object]]:
    """Twelve variants: the five methods, four lambdas and three temperatures of kd."""
    of_kd = {"method": "kd", "dropping": "none"}
    lambdas = {f"kd, lambda {value}": {**of_kd, "lambda": value} for value in (0.1, 0.25, 0.75, 0.9)}
    return METHODS | lambdas | {f"kd, T {value:g}": {**of_kd, "temperature": value} for value in (1.0, 2.0, 8.0)}


def made_results(
    variants: Mapping[str, Mapping[str, object]] = METHODS,
    *,
    seeds: Sequence[int] = range(5),
    epochs: int = 6,
    classes: int = 10,
    gain: float = 0.02,
    missing: Collection[tuple[str, int]] = (),
    names: Sequence[str] = (),
    words: Sequence[str] = (),
    **settings: Any,
) -> dict[str, Any]:
    """Returns results as a file has them. The first variant is the reference; others are `gain` better or so."""
    random = np.random.default_rng(7)
    first = next(iter(variants))
    runs = {}
    for name, own in variants.items():
        changes = {**variants.get(str(own.get("guides_from")), {}), **own}
        for seed in seeds:
            top1 = 0.7 + gain * (name != first) + random.normal(0, 0.006)
            one = record(random, run_name(variants, name, seed), changes, seed, top1, epochs, classes)
            if "prunes" in changes:
                source = run_name(variants, str(changes["prunes"]), seed)
                one["source_run"], one["training"]["pruning"] = source, pruning_of(changes, source)
            if (name, seed) not in missing:
                runs[name, seed] = one
                runs[name, seed] |= {"classes": [*names]} if names else {}
                runs[name, seed] |= {"class_words": [*words]} if words else {}
    guides = [
        record(random, "t", {"method": "scratch"}, 0, 0.8, epochs, classes, model="teacher"),
        record(random, "a", {"method": "kd"}, 0, 0.75, epochs, classes, model="ta1"),
    ]
    results = make_results(
        variants, runs, **{"seeds": [*seeds], "reference": first, "guides": "shared", "others": guides, **settings}
    )
    return json.loads(json.dumps(results, sort_keys=True))


def run_name(variants: Mapping[str, object], name: str, seed: int) -> str:
    """Returns the name of the run of a variant's student."""
    return f"plain2-{[*variants].index(name):02}{seed:010}"


def made_timings(content: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Returns seconds of every run: 100, 101, 102, ..."""
    return {run: {"seconds": 100.0 + index, "dump_seconds": 10.0} for index, run in enumerate(content["runs"])}


def record(
    random: np.random.Generator,
    run: str,
    changes: Mapping[str, object],
    seed: int,
    top1: float,
    epochs: int,
    classes: int,
    *,
    model: str = "student",
) -> dict[str, Any]:
    """Returns a record with the keys that a report reads."""
    guides = GUIDES[str(changes["method"])]
    draws = int(str(changes.get("draws", 0)))
    names = [f"draw{draw:02}" for draw in range(draws)] or ["store"]
    stores = [f"{guide}-{name}" for guide in guides for name in names]
    settings = {key: value for key, value in changes.items() if key not in (*OF_PRUNING, "draws")}
    by_class = np.clip(random.normal(top1, 0.1, classes), 0, 1)
    curve = top1 * (1 - 0.7 * np.exp(-3 * np.arange(1, epochs + 1) / epochs)) + random.normal(0, 0.004, epochs)
    curve[-1] = top1
    samples = random.multinomial(1000, np.arange(1, 16) / 120)
    bins = [
        {
            "samples": int(count),
            "confidence": (index + 0.5) / 15 if count else 0.0,
            "accuracy": index / 16 if count else 0.0,
        }
        for index, count in enumerate(samples)
    ]
    parts = {
        store: {"samples": 1000, "top1": 0.8 + random.normal(0, 0.01), "kl": 0.3 + random.normal(0, 0.02)}
        for store in stores
    }
    return {
        "format": "dgkd-study-record",
        "version": 1,
        "run": run,
        "model": model,
        "architecture": {"student": "plain2", "ta1": "plain4", "teacher": "plain6"}[model],
        "parameters": {"student": 3194, "ta1": 17850, "teacher": 72890}[model],
        "training": {"seed": seed, "lambda": 0.5, "temperature": 4.0, "keep": 0.75, "dropping": "none", **settings},
        "guides": {store: f"{index % 10}" * 64 for index, store in enumerate(stores)},
        "guide_runs": guides,
        **({"draw_of": {store: int(store[-2:]) for store in stores}} if draws and guides else {}),
        "store_bytes": dict.fromkeys(stores, 1000),
        "weights": "f" * 64,
        "compute": {"device": "cpu x86_64", "capability": "AVX2", "torch": "2.13.0", "threads": 1},
        "dataset": {"name": "digits", "digest": "d" * 64},
        "cost": {
            **{"epochs": epochs, "steps": 10 * epochs, "trained_samples": 1000 * epochs},
            **{"guide_rows": 1000 * epochs * len(guides), "dump_forwards": 4000},
        },
        "epochs": [{"epoch": index, "test_accuracy": float(value)} for index, value in enumerate(curve)],
        "test": {
            **{"samples": 1000, "top1": float(top1), "top5": 0.99, "nll": 1.2 - top1, "ece": 0.05},
            **{"class_accuracy": [float(value) for value in by_class], "bins": bins},
        },
        "agreement": {
            store: {"test": part, "view 0": {**part, "top1": part["top1"] + 0.03, "kl": part["kl"] + 0.02}}
            for store, part in parts.items()
        },
    }


def pruning_of(changes: Mapping[str, object], source: str) -> dict[str, Any]:
    """Returns what the card of a pruned run says of it."""
    kept = round(3000 * (1 - float(str(changes["sparsity"]))))
    return {
        **{"source": source, "weights": "e" * 64, "criterion": changes["criterion"], "steps": 100, "batch_size": 128},
        **{"sparsity": changes["sparsity"], "weights_kept": kept, "weights_of": 3000},
        "layers": {"body.0.weight": {"kept": kept, "of": 3000}},
    }


def percents_of(results: Results, variant: str) -> list[float]:
    """Returns the test accuracies of a variant's students in per cent."""
    return [100 * run.test.top1 for run in results.students(variant).values()]
