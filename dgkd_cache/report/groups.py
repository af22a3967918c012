"""Groups: variants that differ in their sparsity, or in their number of draws, and in nothing else.

A group is a line of a figure, and a variant that has no like is a group by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dgkd_cache.report.results_file import Results
from dgkd_cache.report.variant_settings import draws_of, settings_of, source_of, sparsity_of, value_in_runs

__all__ = ["Group", "groups_by_draws", "groups_by_sparsity"]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Variants that differ in one key alone: what they have in common, and the value of each in rising order."""

    settings: Mapping[str, Any]
    """Without that key; with `draws`, and with `sparsity`, `criterion` and `prunes` of what is pruned."""
    members: tuple[tuple[str, float], ...]
    """(variant, value)."""


def groups_by_sparsity(results: Results) -> list[Group]:
    """Returns the groups of all variants whose students are pruned, in the order of the study."""
    return _groups(results, "sparsity")


def groups_by_draws(results: Results) -> list[Group]:
    """Returns the groups of all variants whose students have draws as guides, in the order of the study.

    One whose guides are the models themselves takes part with the value 0, in a group that has draws.
    """
    return [group for group in _groups(results, "draws") if any(value for _, value in group.members)]


def _groups(results: Results, key: str) -> list[Group]:
    alike: dict[str, tuple[Mapping[str, Any], dict[str, float]]] = {}
    for name, changes in settings_of(results):
        common = {**changes, **_of_records(results, name)}
        value = common.pop(key, None)
        if value is not None:
            rest = repr(sorted((one, repr(of)) for one, of in common.items()))
            alike.setdefault(rest, (common, {}))[1][name] = value
    found: list[Group] = []
    # A variant that others have their guides from is told twice, alone and beside them: the larger group has it.
    for settings, values in sorted(alike.values(), key=lambda one: -len(one[1])):
        if not any(values.keys() <= {name for name, _ in group.members} for group in found):
            members = sorted(values.items(), key=lambda member: member[1])
            found.append(Group(settings=settings, members=tuple(members)))
    place = {name: index for index, name in enumerate(results.shown)}
    return sorted(found, key=lambda group: min(place[name] for name, _ in group.members))


def _of_records(results: Results, variant: str) -> dict[str, Any]:
    """Returns what the records say of pruning and of draws, whether the variant names it or not."""
    found: dict[str, Any] = {}
    if (draws := draws_of(results, variant)) is not None:
        found["draws"] = draws
    if (sparsity := sparsity_of(results, variant)) is not None:
        found |= {"sparsity": sparsity, "criterion": value_in_runs(results, variant, "criterion")}
    if sparsity is not None and (source := source_of(results, variant)):
        found["prunes"] = source
    return found
