"""Refuses options of `train` and `init` that would have no effect or contradict each other, before data is read.

An ignored option falsifies an ablation: two runs have different names but the same training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import click

from dgkd_cache.config.tables import DistillationConfig

__all__ = ["check_dropping", "check_guidance_options", "check_has_guides", "check_method", "check_method_is_not_set"]

_OF_GUIDANCE = (
    "live", "objective", "lambda", "temperature", "dropping", "keep", "drop", "always", "at_least_one"
)  # fmt: skip
"""The options that need guides."""

_OF_LAMBDA_0 = ("lambda", "objective")
"""Those of them with an effect at lambda = 0: `paper` still counts the cross-entropy once per guide."""

_OF_DROPPING = {"keep": "bernoulli", "drop": "fixed"}
"""The options that belong to one way of dropping; the settings themselves refuse the others of bernoulli."""


def check_method(method: str | None, guides: Sequence[str] | None) -> None:
    """Raises UsageError (exit 2) if `--method`, given with `--student`, contradicts `--guides`."""
    if guides == ():
        raise click.UsageError("--guides names no guide: give A,B,... or leave it out, with --method scratch")
    if guides and (twice := [name for name in dict.fromkeys(guides) if guides.count(name) > 1]):
        raise click.UsageError(f"--guides names {', '.join(twice)} more than once: name each guide once")
    if guides is None and method is None:
        raise click.UsageError("--student needs --guides A,B,..., or --method scratch to train without any")
    if guides is None and method != "scratch":
        raise click.UsageError(
            f"--method {method} does not say which guides --student has: name them with --guides A,B,..."
        )
    if guides is not None and method == "scratch":
        raise click.UsageError("--method scratch trains without guides: leave --guides out, or --method")


def check_method_is_not_set(assignments: Sequence[str], *, do: str) -> None:
    """Raises UsageError (exit 2) if --set names the method, where the model's guides are named on the command line."""
    from dgkd_cache.config.assignments import parse_assignments

    if ("distillation", "method") in parse_assignments(assignments):
        raise click.UsageError(
            f"--set distillation.method would have no effect, since --guides names the guides, or none: {do}"
        )


def check_has_guides(model: str, method: str | None, guides: Collection[str]) -> None:
    """Raises UsageError (exit 2) if `--method` needs guides but no model precedes this one in the chain."""
    if method not in (None, "scratch") and not guides:
        raise click.UsageError(
            f"--method {method} would have no effect: {model} is the first of the chain and has no guides; leave it out"
        )


def check_guidance_options(
    given: Mapping[str, object], distillation: DistillationConfig, *, guided: bool, do: str
) -> None:
    """Raises UsageError (exit 2) for options in `given` that this training would ignore.

    `given` maps settings, and "live", to the values on the command line (None, False: not given); `distillation` are
    the resolved settings; `guided` is false for a model without guides, and `do` says how to give it some, if possible.
    """
    named = _named(given, _OF_GUIDANCE)
    if named and not guided:
        raise click.UsageError(
            f"{_flags(named)} would have no effect, since this model has no guides: leave {_it(named)} out"
            + (f", or {do}" if do else "")
        )
    if distillation.lambda_ == 0 and (ignored := [key for key in named if key not in _OF_LAMBDA_0]):
        raise click.UsageError(
            f"{_flags(ignored)} would have no effect with lambda = 0, where guides have no share in the loss: "
            f"leave {_it(ignored)} out, or add a --lambda above 0"
        )
    ignored = [key for key in named if _OF_DROPPING.get(key, distillation.dropping) != distillation.dropping]
    if ignored:
        raise click.UsageError(
            f"{_flags(ignored)} would have no effect with dropping = {distillation.dropping}: leave {_it(ignored)} "
            f"out, or add --dropping {_OF_DROPPING[ignored[0]]}"
        )


def check_dropping(given: Mapping[str, object], distillation: DistillationConfig, guides: Sequence[str]) -> None:
    """Raises UsageError (exit 2) for dropping options that leave no guide, or change nothing, for these `guides`.

    The arguments are those of `check_guidance_options`, which must come first. The effect of an option is judged by the
    share of batches in which each guide is kept.
    """
    from dgkd_cache.workspace.tasks.model_setup import dropping_of

    rule = dropping_of(distillation, guides)
    named = _named(given, ("dropping", "keep", "drop"))
    if named and guides and not any(rule.kept_share(guides)):
        setting, fewer = ("drop", f"below {len(guides)}") if rule.kind == "fixed" else ("keep", "above 0")
        raise click.UsageError(
            f"{_flags(named)} would leave no guide in any batch: {setting} = {getattr(rule, setting):g} drops all of "
            f"{', '.join(guides)}; give a --{setting} {fewer}"
        )
    for key, (one, other, many) in _COMPARED.items():
        kept = [dataclasses.replace(rule, **changes).kept_share(guides) for changes in (one, other)]
        if _named(given, [key]) and kept[0] == kept[1]:
            always = ", ".join(rule.always) or "none"
            of_rule = f"drop = {rule.drop}" if rule.kind == "fixed" else f"keep = {rule.keep:g}, always = {always}"
            raise click.UsageError(
                f"{_flags([key])} would have no effect, since each batch keeps {many} of {', '.join(guides)} anyway "
                f"({of_rule}, at_least_one = {str(rule.at_least_one).lower()}): "
                "leave it out"
            )


_COMPARED: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], str]] = {
    "at_least_one": ({}, {"at_least_one": False}, "one"),
    "always": ({}, {"always": ()}, "all"),
    "keep": ({"keep": 0.0}, {"keep": 1.0}, "all"),
}
"""Two rules to compare for an option, which has no effect if both keep the same guides, and how many that is."""


def _named(given: Mapping[str, object], keys: Iterable[str]) -> list[str]:
    """Returns those of `keys` that are given; an empty --always only removes the file's."""
    return [key for key in keys if given.get(key) is not None and given[key] is not False and given[key] != ()]


def _flags(keys: Iterable[str]) -> str:
    return " and ".join("--" + key.replace("_", "-") for key in keys)


def _it(keys: Sequence[str]) -> str:
    return "it" if len(keys) == 1 else "them"
