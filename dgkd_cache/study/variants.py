"""Variants of a workspace: names with the settings in which each differs, and the seeds that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.config.workspace_config import WorkspaceConfig, with_overrides
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_stores import did_you_mean

__all__ = ["METHODS", "Variant", "make_variants", "variants_of_methods"]

METHODS: Mapping[str, Mapping[str, object]] = {
    "scratch": {"method": "scratch"},
    "kd": {"method": "kd", "dropping": "none"},
    "takd": {"method": "takd", "dropping": "none"},
    "dgkd": {"method": "dgkd", "dropping": "none"},
    "dgkd+drop": {"method": "dgkd", "dropping": "bernoulli"},
}
"""The variants that `--methods` names, and what each sets."""

_SHORT = {"views": "views.count", "encoding": "cache.encoding"}
"""Keys of a variant besides those of [training] and [distillation]."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A variant: its name, and all settings of a workspace as it changes them."""

    name: str
    changes: Mapping[str, object]
    config: WorkspaceConfig


def variants_of_methods(names: Sequence[str]) -> dict[str, Mapping[str, object]]:
    """Returns the variants of these methods. Raises UnknownName for one that is not in METHODS."""
    for name in names:
        if name not in METHODS:
            raise unknown_name("method to compare", name, METHODS)
    return {name: METHODS[name] for name in names}


def make_variants(config: WorkspaceConfig, changes: Mapping[str, Mapping[str, object]]) -> tuple[Variant, ...]:
    """Returns the variants of `config`, each with its changes: keys of [training], [distillation], `views`, `encoding`.

    Raises InvalidInput for an unknown key (it names the nearest), a value that the key does not allow, and for two
    variants that are the same.
    """
    found: list[Variant] = []
    for name, of_variant in changes.items():
        dotted = {_dotted(name, key): value for key, value in of_variant.items()}
        variant = Variant(name=name, changes=dict(of_variant), config=with_overrides(config, dotted))
        _require_last_epoch(variant)
        for other in found:
            if other.config == variant.config:
                raise InvalidInput(
                    f"the variants {other.name} and {name} are the same",
                    expected="something in which they differ",
                    found=f"the same settings, {_in_words(of_variant)}",
                    do="leave one of them out",
                )
        found.append(variant)
    return tuple(found)


def _require_last_epoch(variant: Variant) -> None:
    """Raises InvalidInput unless the result of every model is its last epoch."""
    for model in variant.config.chain:
        if variant.config.training_for(model).select != "last":
            raise InvalidInput(
                f"a comparison cannot choose the epoch of {model} in {variant.name}",
                expected='training.select = "last": the results have the best epoch by validation beside the last one',
                found='"best"',
                do="leave select out",
            )


def _dotted(variant: str, key: str) -> str:
    """Returns the key of dgkd.toml, such as training.lr, that a variant's key stands for."""
    tables: list[tuple[str, Sequence[str]]] = [
        ("training", [*TrainingConfig.model_fields]),
        ("distillation", [field.alias or name for name, field in DistillationConfig.model_fields.items()]),
    ]
    if key in _SHORT:
        return _SHORT[key]
    for table, keys in tables:
        if key in keys:
            return f"{table}.{key}"
    known = [*_SHORT, *(key for _, keys in tables for key in keys)]
    raise InvalidInput(
        f"unknown key {key!r} of the variant {variant}",
        expected="a key of [training] or [distillation], views or encoding",
        found=repr(key),
        do=did_you_mean(key, known) or f"take it out of {variant}",
    )


def _in_words(changes: Mapping[str, object]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in changes.items()) or "those of the workspace"
