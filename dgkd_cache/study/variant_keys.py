"""The keys of a variant, and the keys of dgkd.toml that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dgkd_cache.config.pruning import PruningConfig
from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.errors import InvalidInput
from dgkd_stores import did_you_mean

__all__ = ["OF_IMPORTANCE", "OF_STORES", "OF_STUDENT", "key_in_file"]

OF_STORES: Mapping[str, str] = {
    "views": "views.count",
    "encoding": "cache.encoding",
    "topk": "cache.topk",
    "draws": "cache.draws",
}
"""Keys of the stores that a variant's students read, and the keys of dgkd.toml that they stand for."""

OF_IMPORTANCE: Mapping[str, str] = {
    "criterion": "pruning.criterion",
    **{f"pruning.{key}": f"pruning.{key}" for key in PruningConfig.model_fields if key != "criterion"},
}
"""Keys of the importance by which a variant's students are pruned; [training] and [distillation] have some of these
names as well."""

OF_STUDENT = ("guides_from", "control", "live", "prunes", "sparsity")
"""Keys of a variant that are no settings of a workspace: they say what its student has."""


def key_in_file(variant: str, key: str) -> str:
    """Returns the key of dgkd.toml, such as training.lr, that a variant's key stands for.

    Raises InvalidInput for an unknown one, with the nearest that there is.
    """
    tables: list[tuple[str, Sequence[str]]] = [
        ("training", [*TrainingConfig.model_fields]),
        ("distillation", [field.alias or name for name, field in DistillationConfig.model_fields.items()]),
    ]
    own = {**OF_STORES, **OF_IMPORTANCE}
    if key in own:
        return own[key]
    for table, keys in tables:
        if key in keys:
            return f"{table}.{key}"
    known = [*own, *OF_STUDENT, *(key for _, keys in tables for key in keys)]
    raise InvalidInput(
        f"unknown key {key!r} of the variant {variant}",
        expected=f"a key of [training] or [distillation], or {', '.join([*own, *OF_STUDENT])}",
        found=repr(key),
        do=did_you_mean(key, known) or f"take it out of {variant}",
    )
