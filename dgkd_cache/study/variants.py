"""Variants of a workspace: names with the settings in which each differs, and the seeds that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dgkd_cache.config.workspace_config import WorkspaceConfig, with_keys
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_cache.study.controls import CONTROLS
from dgkd_cache.study.pruned_variants import refuse_wrong_pruning, sparsity_of
from dgkd_cache.study.variant_keys import OF_STORES, OF_STUDENT, key_in_file

__all__ = ["METHODS", "PARTS", "Variant", "make_variants", "variants_of_methods"]

METHODS: Mapping[str, Mapping[str, object]] = {
    "scratch": {"method": "scratch"},
    "kd": {"method": "kd", "dropping": "none"},
    "takd": {"method": "takd", "dropping": "none"},
    "dgkd": {"method": "dgkd", "dropping": "none"},
    "dgkd+drop": {"method": "dgkd", "dropping": "bernoulli"},
}
"""The variants of a comparison that names none, and what each sets."""

_BASES: Mapping[str, Mapping[str, object]] = {
    **{name: METHODS[name] for name in ("scratch", "kd", "takd", "dgkd")},
    "dkd": {**METHODS["kd"], "guide_loss": "dkd"},
    "dist": {**METHODS["kd"], "guide_loss": "dist"},
}
PARTS: Mapping[str, tuple[str, object]] = {
    "drop": ("dropping", "bernoulli"),
    "dkd": ("guide_loss", "dkd"),
    "dist": ("guide_loss", "dist"),
    "std": ("standardize", True),
    "student": ("weights", "student"),
}
"""The words that may follow a method after a +, as in dgkd+drop, and the key that each sets."""
_REFERRING = ("guides_from", "prunes")
"""Keys that name another variant. What has one of them is no chain of its own that others could take guides from."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A variant: its name, and all settings of a workspace as it changes them."""

    name: str
    changes: Mapping[str, object]
    config: WorkspaceConfig
    guides_from: Variant | None = None
    """The variant whose guides the student has, unless it has a chain of its own; under another recipe it may be one
    that no study names."""
    control: str | None = None
    """The change of the rows of the student's guides, one of CONTROLS."""
    live: bool = False
    """True if the student's guides are run at each step, and not read from their stores."""
    prunes: Variant | None = None
    """The variant whose student is pruned, and trained on; the recipe of this variant is that of the retraining."""
    sparsity: float = 0.0
    """The share of its prunable weights that is removed, in [0, 1)."""

    @property
    def of_guides(self) -> Variant:
        """The variant with whose settings the guides are trained."""
        return self.guides_from or self


def variants_of_methods(names: Sequence[str]) -> dict[str, Mapping[str, object]]:
    """Returns the variants of these methods: scratch, kd, takd, dgkd, dkd, dist, each with PARTS as in dgkd+drop+dist.

    Raises UnknownName for another method or part, and InvalidInput for parts that exclude each other.
    """
    return {name: _of_method(name) for name in names}


def _of_method(name: str) -> Mapping[str, object]:
    base, *parts = name.split("+")
    if base not in _BASES:
        raise unknown_name("method to compare", name, dict.fromkeys([*METHODS, *_BASES]))
    changes = dict(_BASES[base])
    for place, part in enumerate(parts):
        if part not in PARTS:
            raise unknown_name(f"part of the method {name},", part, PARTS)
        key, value = PARTS[part]
        before = "+".join([base, *parts[:place]])
        if base == "scratch":
            raise InvalidInput(
                f"the method {name} makes no sense", expected="guides", found="scratch", do=f"leave out +{part}"
            )
        if (key in changes and key != "dropping") or part in parts[:place]:
            raise InvalidInput(
                f"the method {name} makes no sense",
                expected=f"one value of {key}",
                found=f"{part} after {before}",
                do=f"leave out +{part}",
            )
        changes[key] = value
    return changes


def make_variants(config: WorkspaceConfig, changes: Mapping[str, Mapping[str, object]]) -> tuple[Variant, ...]:
    """Returns the variants of `config`, each with its changes.

    These are keys of [training] and [distillation], `views`, `encoding`, `topk`, `draws`, and for the student alone:
    `guides_from`, a variant whose guides it has and whose settings hold where it changes none; `control`, one of
    CONTROLS; `live`; `prunes`, a variant whose student is pruned, with `sparsity`, `criterion` and, as "pruning.steps",
    the other keys of [pruning]. Keys of [training] beside `prunes` are those of the retraining alone.

    Raises InvalidInput for an unknown key (it names the nearest), a value that the key does not allow, keys that
    exclude each other, and for two variants that are the same.
    """
    found: list[Variant] = []
    for name in changes:
        variant = _variant(config, changes, name)
        _require_last_epoch(variant)
        for other in found:
            if _content(other) == _content(variant):
                raise InvalidInput(
                    f"the variants {other.name} and {name} are the same",
                    expected="something in which they differ",
                    found=f"the same settings, {_in_words(changes[name])}",
                    do="leave one of them out",
                )
        found.append(variant)
    return tuple(found)


def _variant(config: WorkspaceConfig, changes: Mapping[str, Mapping[str, object]], name: str) -> Variant:
    of_variant = changes[name]
    source, pruned = _source(changes, name), _pruned(changes, name)
    guides_from = _variant(config, changes, source) if source is not None else None
    before = guides_from.config if guides_from else config
    keys = {key: key_in_file(name, key) for key in of_variant if key not in OF_STUDENT}
    if pruned is not None and guides_from is None:
        # What is set for the retraining does not reach the guides, which are trained from their first weights.
        others = {key: dotted for key, dotted in keys.items() if not dotted.startswith("training.")}
        guides_from = Variant(name=name, changes=of_variant, config=_changed(before, of_variant, others, name))
    variant = Variant(
        name=name,
        changes=dict(of_variant),
        config=_changed(before, of_variant, keys, name),
        guides_from=guides_from,
        control=_control(name, of_variant.get("control")),
        live=_flag(name, "live", of_variant.get("live", False)),
        prunes=_variant(config, changes, pruned) if pruned is not None else None,
        sparsity=sparsity_of(name, of_variant),
    )
    _refuse_no_guides(variant)
    _refuse_no_rows(variant)
    refuse_wrong_pruning(name, of_variant, variant.config)
    return variant


def _changed(
    config: WorkspaceConfig, of_variant: Mapping[str, object], keys: Mapping[str, str], name: str
) -> WorkspaceConfig:
    """Returns the settings with those `keys` of a variant, each given with that of dgkd.toml."""
    changes = {tuple(dotted.split(".")): of_variant[key] for key, dotted in keys.items()}
    return with_keys(config, changes, source=f"the variant {name}")


def _refuse_no_guides(variant: Variant) -> None:
    """Raises InvalidInput for keys of guides where there are none."""
    own = [key for key in ("guides_from", "control", "live", "draws") if variant.changes.get(key)]
    if own and variant.config.distillation.method == "scratch":
        raise InvalidInput(
            f"the variant {variant.name} has no guides",
            expected=f"a method with guides, for {', '.join(own)}",
            found='method "scratch"',
            do=f"leave out {', '.join(own)}, or set method",
        )


def _refuse_no_rows(variant: Variant) -> None:
    """Raises InvalidInput for what contradicts each other about the rows that a student reads."""
    draws = variant.of_guides.config.cache.draws
    kinds = {f'control = "{variant.control}"': variant.control, "live = true": variant.live, f"draws = {draws}": draws}
    found = [words for words, given in kinds.items() if given]
    if len(found) > 1:
        raise InvalidInput(
            f"the variant {variant.name} cannot have {' and '.join(found)}",
            expected="rows of models that are read, for control, guides that are run, for live, or rows of draws",
            found=", ".join(found),
            do="leave all but one of them out",
        )


def _source(changes: Mapping[str, Mapping[str, object]], name: str) -> str | None:
    """Returns the variant that `guides_from` names, None without it."""
    source = changes[name].get("guides_from")
    if source is None:
        return None
    others = [other for other in changes if other != name and changes[other].keys().isdisjoint(_REFERRING)]
    if not isinstance(source, str) or source not in others:
        raise unknown_name(f"variant that {name} could take its guides from,", str(source), others)
    if own := [key for key in OF_STORES if key in changes[name]]:
        raise InvalidInput(
            f"the variant {name} cannot set {', '.join(own)}",
            expected=f"the stores of {source}, which it takes as they are",
            found=", ".join(f"{key} = {changes[name][key]!r}" for key in own),
            do=f"leave out {', '.join(own)} or guides_from, or change {source}",
        )
    return source


def _pruned(changes: Mapping[str, Mapping[str, object]], name: str) -> str | None:
    """Returns the variant that `prunes` names, None without it."""
    pruned = changes[name].get("prunes")
    if pruned is None:
        return None
    others = [other for other in changes if other != name and "prunes" not in changes[other]]
    if not isinstance(pruned, str) or pruned not in others:
        raise unknown_name(f"variant whose student {name} could prune,", str(pruned), others)
    return pruned


def _control(variant: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in CONTROLS:
        raise unknown_name(f"control of the variant {variant},", str(value), CONTROLS)
    return value


def _flag(variant: str, key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{key} of the variant {variant}", expected="true or false", found=repr(value))
    return value


def _content(variant: Variant) -> tuple[object, ...]:
    pruned = variant.prunes and (variant.prunes.name, variant.sparsity)
    return variant.config, variant.of_guides.config, variant.control, variant.live, pruned


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


def _in_words(changes: Mapping[str, object]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in changes.items()) or "those of the workspace"
