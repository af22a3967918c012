"""The tables by which a reader makes the same again: command, settings, seals and weights, machines and versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dgkd_cache.config.toml_text import toml_text
from dgkd_cache.report import numbers
from dgkd_cache.report.figures import Cell, Table, row, table
from dgkd_cache.report.results_file import Results, Run

__all__ = ["compare_table", "data_table", "machines_table", "models_table", "seals_table", "settings_tables"]

_OF_A_RUN = {"seed", "epoch_chosen", "guides", "method"}
"""Settings that differ between runs of one variant, or that are told elsewhere."""

_OF_A_PRUNING = {"sparsity", "criterion", "source", "weights", "layers"}
"""Keys of a pruning in a card that are columns of their own, told elsewhere, or as long as the model is deep."""

_WORDS_OF_MODELS = {"run", "model", "architecture", "pruned from", "draws", "weights (SHA-256)"}

_MOST_CLASSES = 100


def compare_table(results: Results) -> str:
    """Returns the table [compare] of dgkd.toml that describes the study."""
    lines = ["[compare]", f"reference = {toml_text(results.reference)}", f"seeds = {toml_text(results.planned)}"]
    lines.append(f"guides = {toml_text(results.guides)}")
    if results.protocol:
        lines.append(f"protocol = {toml_text(results.protocol)}")
    pairs = [[one.variant, one.reference] for one in results.comparisons]
    if any(reference != results.reference for _, reference in pairs):
        lines.append(f"comparisons = {toml_text(pairs)}")
    lines += ["", "[compare.variants]"]
    lines += [toml_text({name: results.variants[name].changes})[1:-1] for name in results.order]
    return "\n".join(lines)


def settings_tables(results: Results) -> list[Table]:
    """Returns the settings that all students share, and those in which variants differ."""
    settings: dict[str, Mapping[str, Any]] = {}
    drawn = any(run.draw_of for run in results.runs.values())
    for name in results.shown:
        runs = [_settings(run, drawn=drawn) for run in results.students(name).values()]
        settings[name] = {key: value for key, value in runs[0].items() if all(run.get(key) == value for run in runs)}
    keys = sorted({key for one in settings.values() for key in one} - _OF_A_RUN)
    values = {key: {name: _text(one.get(key)) for name, one in settings.items()} for key in keys}
    shared = [key for key in keys if len({*values[key].values()}) == 1]
    common = [row(key, next(iter(values[key].values()))) for key in shared]
    other = [row(key, *values[key].values()) for key in keys if key not in shared]
    found = [table("Settings that all students share", ["setting", "value"], common, words=(0, 1))]
    if other:
        words = range(len(settings) + 1)
        found.append(table("Settings in which students differ", ["setting", *settings], other, words=[*words]))
    return [one for one in found if one.rows]


def _settings(run: Run, *, drawn: bool) -> dict[str, Any]:
    """Returns the settings of a run, those of its pruning by the names that variants have for them."""
    found = {key: value for key, value in run.training.items() if key != "pruning" or run.pruning is None}
    if run.pruning:
        told = run.training["pruning"]
        found |= {key: told[key] for key in ("sparsity", "criterion")}
        found |= {f"pruning.{key}": value for key, value in told.items() if key not in _OF_A_PRUNING}
    if drawn and run.guide_runs:
        counts = {run.draws.get(guide, 0) for guide in run.guide_runs}
        found["draws"] = counts.pop() if len(counts) == 1 else None
    return found


def _text(value: Any) -> str:
    return "–" if value is None else toml_text(value)


def seals_table(results: Results) -> Table:
    """Returns the stores that students and guides learnt from, with their seals."""
    stores: dict[str, tuple[str, str]] = {}
    for run in results.runs.values():
        guides = {store: results.name_of(guide) for store, guide in run.guide_of.items()}
        for store, seal in run.guides.items():
            draw = f", draw {run.draw_of[store]}" if store in run.draw_of else ""
            stores[store] = seal, guides.get(store, "–") + draw
    rows = [row(store, guide, Cell(text=seal, css="code")) for store, (seal, guide) in sorted(stores.items())]
    return table("Guide stores and their seals", ["store", "guide", "seal"], rows, words=(0, 1, 2))


def models_table(results: Results) -> Table:
    """Returns all runs, students and guides, with the digests of their weights.

    Where runs are pruned, or have draws as guides, columns say so.
    """
    pruned, drawn = (any(getattr(run, key) for run in results.runs.values()) for key in ("pruning", "draw_of"))
    rows = [
        row(
            name,
            run.model,
            run.architecture,
            f"{run.parameters:,}",
            str(run.training.get("seed", "–")),
            *[f"{numbers.removed(run.pruning.sparsity)} %" if run.pruning else "–", run.source_run or "–"] * pruned,
            *[", ".join(f"{count} of {results.name_of(guide)}" for guide, count in run.draws.items()) or "–"] * drawn,
            numbers.percent(run.test.top1),
            Cell(text=run.weights, css="code"),
        )
        for name, run in sorted(results.runs.items(), key=lambda pair: (-pair[1].parameters, pair[0]))
    ]
    head = ["run", "model", "architecture", "parameters", "seed", *["sparsity", "pruned from"] * pruned]
    head += [*["draws"] * drawn, "test accuracy", "weights (SHA-256)"]
    words = [index for index, word in enumerate(head) if word in _WORDS_OF_MODELS]
    return table("All models", head, rows, words=words)


def data_table(results: Results) -> Table:
    """Returns what the records tell of the data set; older ones tell nothing."""
    rows = [row(key, results.dataset[key]) for key in ("name", "digest") if key in results.dataset]
    if results.classes:
        rows.append(
            row("classes", ", ".join(results.classes[:_MOST_CLASSES]) + ", …" * (len(results.classes) > _MOST_CLASSES))
        )
    return table("Data set", ["", "value"], rows, words=(0, 1))


def machines_table(results: Results) -> Table:
    """Returns the kinds of machine that computed, with the versions of libraries."""
    keys = sorted({key for one in results.compute for key in one})
    rows = [row(key, *(str(one.get(key, "–")) for one in results.compute)) for key in keys]
    kinds = [f"kind {index + 1}" for index in range(len(results.compute))]
    return table("Kinds of machine that computed, and versions", ["", *kinds], rows, words=[*range(len(kinds) + 1)])
