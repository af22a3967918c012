"""The settings of variants, as sweeps and groups compare them: what each sets, and what its runs say beside that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dgkd_cache.config.toml_text import toml_text
from dgkd_cache.report.results_file import Results

__all__ = ["draws_of", "is_number", "settings_of", "source_of", "sparsity_of", "value_in_runs", "value_text"]

_OF_STUDENT: Mapping[str, Any] = {"control": "none", "live": False}
"""The keys of a student's guides as a variant has them that sets none. It has these from no other variant."""


def settings_of(results: Results) -> list[tuple[str, Mapping[str, Any]]]:
    """Returns what each variant sets, with what it has from the one that its `guides_from` names.

    A variant that is named so, and one that differs from it in no setting, have the guides of their own settings: they
    are there with `guides_from` and without.
    """
    own = {name: one.changes for name, one in results.variants.items()}
    sources = [changes.get("guides_from") for changes in own.values()]
    found: list[tuple[str, Mapping[str, Any]]] = []
    for name in results.shown:
        source = own[name].get("guides_from")
        before = own[source] if isinstance(source, str) and source in own else {}
        settings = {**before, **_OF_STUDENT, **own[name]}
        if own[name].keys() <= {"guides_from", *_OF_STUDENT} or "guides_from" not in settings:
            found.append((name, {key: value for key, value in settings.items() if key != "guides_from"}))
        if "guides_from" in settings or name in sources:
            found.append((name, {"guides_from": name, **settings}))
    return found


def value_in_runs(results: Results, variant: str, key: str) -> Any:
    """Returns the value of a key in the runs of a variant; None if they have none or several.

    The importance of a pruned run has keys of its own, which variants call `criterion` and `pruning.KEY`.
    """
    values = []
    for run in results.students(variant).values():
        if key == "criterion" or key.startswith("pruning."):
            values.append(run.training["pruning"].get(key.removeprefix("pruning.")) if run.pruning else None)
        else:
            values.append(run.training.get(key))
    return values[0] if values and all(value == values[0] for value in values) else None


def sparsity_of(results: Results, variant: str) -> float | None:
    """Returns the share of weights that was removed from the students of a variant; None if they are not pruned."""
    found = {run.pruning.sparsity if run.pruning else None for run in results.students(variant).values()}
    return found.pop() if len(found) == 1 else None


def source_of(results: Results, variant: str) -> str | None:
    """Returns the variant whose students those of a variant are pruned from; None if the results have none."""
    runs = {run.source_run for run in results.students(variant).values()}
    return next((name for name in results.shown if runs <= {*results.variants[name].runs.values()}), None)


def draws_of(results: Results, variant: str) -> int | None:
    """Returns how many draws of each guide the students of a variant have: 0 for the models themselves.

    None without guides, and where guides have different numbers.
    """
    found = {run.draws.get(guide, 0) for run in results.students(variant).values() for guide in run.guide_runs}
    return found.pop() if len(found) == 1 else None


def is_number(value: Any) -> bool:
    """Returns True for a number, which True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_text(value: Any) -> str:
    """Returns a value as dgkd.toml has it, words without quotes."""
    return value if isinstance(value, str) else toml_text(value)
