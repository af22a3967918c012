"""The settings of a run, as a listing shows them: from its card, or while it is not finished from its record.

Both may come from somebody else: what is not of a setting's kind is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from dgkd_cache.config.pruning import PruningConfig
from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.run_files.model_card import ADOPTED
from dgkd_cache.workspace.run_inputs import recorded_value

__all__ = ["GUIDANCE", "PRUNING", "RECIPE", "Setting", "settings_of"]

Setting = str | int | float | bool | None

GUIDANCE = tuple(field.alias or name for name, field in DistillationConfig.model_fields.items())
"""The settings that a run has only under guides, but for `method`."""

RECIPE = tuple(name for name in TrainingConfig.model_fields if name not in ("checkpoint_steps", "workers"))
"""The settings of every run; those that change only its speed are not among them."""

PRUNING = ("source", "sparsity", *PruningConfig.model_fields)
"""The settings that a pruned run has besides, called `pruning.source` and so on; the source is the name of a run."""

_OF_SOURCE = "source."
"""Begins the key under which a record has the digest of the source."""

_LONGEST = 200  # characters of a text


def settings_of(training: Mapping[str, object], before: Mapping[str, str]) -> dict[str, Setting]:
    """Returns the settings of a run by their keys in `dgkd.toml`, and `live`; lists are texts with commas.

    `training` is that of its card, and `before` its record; either may be empty.
    A run without guides has the method `scratch` and no other setting of guidance.
    """
    found: dict[str, object] = {key: recorded_value(before, f"training.{key}") for key in RECIPE}
    found |= {key: recorded_value(before, f"distillation.{key}") for key in GUIDANCE}
    sources = [key.removeprefix(_OF_SOURCE) for key in before if key.startswith(_OF_SOURCE)]
    found["pruning.source"] = sources[0] if sources else None
    of_card = training.get("pruning")
    for key in PRUNING:
        dotted = f"pruning.{key}"
        found.setdefault(dotted, recorded_value(before, dotted))
        if isinstance(of_card, Mapping) and key in of_card:
            found[dotted] = of_card[key]
    found["live"] = isinstance(recorded_value(before, "live"), str) if "live" in before else None
    found |= {key: training[key] for key in (*RECIPE, *GUIDANCE, "live") if key in training}
    if recorded_value(before, "method") == ADOPTED:
        found["method"] = ADOPTED
    elif before and not any(key.startswith("guides.") for key in before):
        found["method"] = "scratch"
    plain = {key: _plain(value) for key, value in found.items()}
    return {key: value for key, value in plain.items() if value is not None}


def _plain(value: object) -> Setting:
    if isinstance(value, list) and len(value) <= _LONGEST:
        return ",".join(str(one)[:_LONGEST] for one in value)[:_LONGEST]
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**64) else None
