"""Variants of a workspace: names with the settings in which each differs, and the seeds that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.config.workspace_config import WorkspaceConfig, with_keys
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_cache.study.controls import CONTROLS
from dgkd_stores import did_you_mean

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

_SHORT = {"views": "views.count", "encoding": "cache.encoding", "topk": "cache.topk"}
"""Keys of a variant besides those of [training] and [distillation], and the keys of dgkd.toml that they stand for."""

_OF_STUDENT = ("guides_from", "control", "live")
"""Keys of a variant that are no settings of a workspace: they say what guides its student has."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A variant: its name, and all settings of a workspace as it changes them."""

    name: str
    changes: Mapping[str, object]
    config: WorkspaceConfig
    guides_from: Variant | None = None
    """The variant whose guides the student has, unless it has a chain of its own."""
    control: str | None = None
    """The change of the rows of the student's guides, one of CONTROLS."""
    live: bool = False
    """True if the student's guides are run at each step, and not read from their stores."""

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

    These are keys of [training] and [distillation], `views`, `encoding`, `topk`, and for the student alone:
    `guides_from`, a variant whose guides it has and whose settings hold where it changes none; `control`, one of
    CONTROLS; `live`.

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
    source = _source(changes, name)
    before = _variant(config, changes, source) if source is not None else None
    dotted = {_dotted(name, key): value for key, value in of_variant.items() if key not in _OF_STUDENT}
    variant = Variant(
        name=name,
        changes=dict(of_variant),
        config=with_keys(
            before.config if before else config,
            {tuple(key.split(".")): value for key, value in dotted.items()},
            source=f"the variant {name}",
        ),
        guides_from=before,
        control=_control(name, of_variant.get("control")),
        live=_flag(name, "live", of_variant.get("live", False)),
    )
    own = [key for key in _OF_STUDENT if key in of_variant]
    if own and variant.config.distillation.method == "scratch":
        raise InvalidInput(
            f"the variant {name} has no guides",
            expected=f"a method with guides, for {', '.join(own)}",
            found='method "scratch"',
            do=f"leave out {', '.join(own)}, or set method",
        )
    if variant.control and variant.live:
        raise InvalidInput(
            f"the variant {name} cannot have live guides",
            expected="rows that are read, for a control changes them",
            found=f'control = "{variant.control}" and live = true',
            do="leave one of the two out",
        )
    return variant


def _source(changes: Mapping[str, Mapping[str, object]], name: str) -> str | None:
    """Returns the variant that `guides_from` names, None without it."""
    source = changes[name].get("guides_from")
    if source is None:
        return None
    others = [other for other in changes if other != name and "guides_from" not in changes[other]]
    if not isinstance(source, str) or source not in others:
        raise unknown_name(f"variant that {name} could take its guides from,", str(source), others)
    if own := [key for key in _SHORT if key in changes[name]]:
        raise InvalidInput(
            f"the variant {name} cannot set {', '.join(own)}",
            expected=f"the stores of {source}, which it takes as they are",
            found=", ".join(f"{key} = {changes[name][key]!r}" for key in own),
            do=f"leave out {', '.join(own)} or guides_from, or change {source}",
        )
    return source


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
    return variant.config, variant.of_guides.config, variant.control, variant.live


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
    known = [*_SHORT, *_OF_STUDENT, *(key for _, keys in tables for key in keys)]
    raise InvalidInput(
        f"unknown key {key!r} of the variant {variant}",
        expected=f"a key of [training] or [distillation], or {', '.join([*_SHORT, *_OF_STUDENT])}",
        found=repr(key),
        do=did_you_mean(key, known) or f"take it out of {variant}",
    )


def _in_words(changes: Mapping[str, object]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in changes.items()) or "those of the workspace"
