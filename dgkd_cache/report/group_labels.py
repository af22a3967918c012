"""Labels of groups: in words, the settings in which groups differ from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dgkd_cache.config.tables import DistillationConfig
from dgkd_cache.report import numbers
from dgkd_cache.report.groups import Group
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.variant_settings import value_in_runs, value_text

__all__ = ["labels_of"]

_DEFAULTS = {field.alias or name: field.default for name, field in DistillationConfig.model_fields.items()}
"""The keys of guides by their names in dgkd.toml. A record that is older than one of them was made by its default."""

_OF_GUIDES = {*_DEFAULTS, "control", "live", "draws"}
"""The keys that say nothing of a student without guides."""

_NEEDS: Mapping[str, tuple[str, str]] = {
    "percentile": ("weights", "student"),
    **dict.fromkeys(("keep", "always"), ("dropping", "bernoulli")),
    "drop": ("dropping", "fixed"),
    **dict.fromkeys(("dkd_alpha", "dkd_beta"), ("guide_loss", "dkd")),
    **dict.fromkeys(("dist_beta", "dist_gamma"), ("guide_loss", "dist")),
}
"""The keys that only say something where another key has a value."""

_TOLD_BY_GUIDES = {"method", "guides_from"}

_WORDS: Mapping[tuple[str, str], str] = {
    ("weights", "equal"): "equal weights",
    ("weights", "student"): "weights by agreement",
    ("dropping", "none"): "no guide dropped",
    ("dropping", "bernoulli"): "guides dropped at random",
    ("dropping", "fixed"): "a fixed number of guides dropped",
    ("control", "none"): "no control",
    ("live", "true"): "live guides",
    ("live", "false"): "cached guides",
    ("standardize", "true"): "standardized logits",
    ("standardize", "false"): "logits as they are",
}


def labels_of(results: Results, groups: Sequence[Group]) -> list[str]:
    """Returns a label for each group, no two the same: what of its settings is not that of all groups.

    A setting that a group does not make is that of its runs. The guides are told by their number, or by name where
    groups have other guides of the same number. A group that is alone is told by its importance and its guides.
    """
    told = [_settings(results, group) for group in groups]
    if any("sparsity" in settings for settings in told):
        told = [{"sparsity": None, **settings} for settings in told]
    guides = [_guides(results, group) for group in groups]
    keys = dict.fromkeys(key for settings in told for key in settings)
    differing = {key for key in keys if len({repr(settings[key]) for settings in told if key in settings}) > 1}
    by_guides = len({*guides}) > 1 or len(groups) == 1
    named = len({len(names) for names in guides}) < len({*guides}) or len(groups) == 1
    words = []
    for settings, names in zip(told, guides, strict=True):
        under = _listed(names) if named else f"{len(names)} guide{'s' * (len(names) > 1)}"
        found = []
        if "criterion" in settings and ("criterion" in differing or by_guides):
            found.append(_importance(str(settings["criterion"]), under))
        if by_guides and settings.get("criterion") != "guided":
            retrained = "retrained " * ("criterion" in settings)
            found.append(f"{retrained}under {under}" if names else f"{retrained}without guides")
        found += [_phrase(key, settings[key]) for key in keys if key in differing - {"criterion"} and key in settings]
        words.append(", ".join(found))
    often = Counter(words)
    firsts = [group.members[0][0] for group in groups]
    return [
        (label if often[label] == 1 else f"{label} ({first})") if label else first
        for label, first in zip(words, firsts, strict=True)
    ]


def _settings(results: Results, group: Group) -> dict[str, Any]:
    """Returns the settings of a group that can tell it from others."""
    first = group.members[0][0]
    guided = bool(_guides(results, group))

    def value(key: str) -> Any:
        if key in group.settings or key == "views":  # a run has another key of this name
            return group.settings.get(key)
        found = value_in_runs(results, first, key)
        return _DEFAULTS.get(key) if found is None else found

    found = {}
    named = {key for variant in results.shown for key in results.variants[variant].changes}
    for key in sorted(named | {*group.settings}):
        needed = _NEEDS.get(key)
        if (
            key not in _TOLD_BY_GUIDES
            and (guided or key not in _OF_GUIDES)
            and (needed is None or value(needed[0]) == needed[1])
            and (one := value(key)) is not None
        ):
            found[key] = one
    return found


def _guides(results: Results, group: Group) -> tuple[str, ...]:
    """Returns the names of the guides of a group's students."""
    student = next(iter(results.students(group.members[0][0]).values()))
    return tuple(results.name_of(run) for run in student.guide_runs)


def _listed(names: Sequence[str]) -> str:
    """Returns names as a sentence has them."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _importance(criterion: str, under: str) -> str:
    """Returns by what the weights were chosen."""
    return f"by gradient under {under}" if criterion == "guided" else f"by {criterion}"


def _phrase(key: str, value: Any) -> str:
    text = value_text(value)
    if key == "prunes":
        return f"of {text}"
    if key == "draws":
        return numbers.draws(value) if value else "model itself"
    if key == "sparsity":
        return "not pruned" if value is None else f"{numbers.removed(value)} % removed"
    return _WORDS.get((key, text), f"{key} {text}")
