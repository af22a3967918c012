"""Options of `train` that would have no effect, or that contradict each other: refused before anything is opened.

An option that is ignored falsifies an ablation: its run has another name and the same training.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import click

from dgkd_cache.settings import DistillationConfig

__all__ = ["ONE_GUIDE", "check_guidance_options", "check_has_guides", "check_method", "check_one_guide"]

_OF_GUIDANCE = (
    "live", "objective", "lambda", "temperature", "dropping", "keep", "drop", "always", "at_least_one"
)  # fmt: skip
"""The options that only guides give a meaning."""

_OF_DROPPING = {"keep": "bernoulli", "drop": "fixed"}
"""The options that belong to one way of dropping; the settings themselves refuse the others of bernoulli."""

ONE_GUIDE = {"kd": "the teacher", "takd": "the model before it"}


def check_method(method: str | None, guides: Sequence[str] | None) -> None:
    """Raises UsageError (exit 2) where `--method`, given with `--student`, means other guides than `--guides`."""
    if guides == ():
        raise click.UsageError("--guides names no guide: give A,B,... or leave it out, with --method scratch")
    if guides is None and method is None:
        raise click.UsageError("--student needs --guides A,B,..., or --method scratch to train without any")
    if guides is None and method != "scratch":
        raise click.UsageError(
            f"--method {method} does not say which guides --student has: name them with --guides A,B,..."
        )
    if guides is not None and method == "scratch":
        raise click.UsageError("--method scratch trains without guides: leave --guides out, or --method")


def check_has_guides(model: str, method: str | None, guides: Collection[str]) -> None:
    """Raises UsageError (exit 2) where `--method` asks for guides and no model stands before this one in the chain."""
    if method not in (None, "scratch") and not guides:
        raise click.UsageError(
            f"--method {method} would have no effect: {model} is the first of the chain and has no guides; leave it out"
        )


def check_one_guide(method: str, names: Collection[str]) -> None:
    """Raises UsageError (exit 2) where `method`, one of ONE_GUIDE, is given guides of several `names`."""
    if len(names) > 1:
        raise click.UsageError(
            f"--method {method} uses one guide ({ONE_GUIDE[method]}), but --guides names {', '.join(sorted(names))}: "
            "name that one alone, or leave --method out to learn from all of them"
        )


def check_guidance_options(given: Mapping[str, object], distillation: DistillationConfig, *, guided: bool) -> None:
    """Raises UsageError (exit 2) for options in `given` that this training would ignore.

    `given` maps settings, and "live", to what the command line says (None, False: not given); `distillation` is what
    holds then, the file's settings included; `guided` is false for a model without guides.
    """
    named = [key for key in _OF_GUIDANCE if given.get(key) is not None and given[key] is not False]
    if named and not guided:
        raise click.UsageError(
            f"{_flags(named)} would have no effect, since this model has no guides: leave {_it(named)} out, "
            "or choose guides (--method for a model of the chain, --guides for --student)"
        )
    ignored = [key for key in named if _OF_DROPPING.get(key, distillation.dropping) != distillation.dropping]
    if ignored:
        raise click.UsageError(
            f"{_flags(ignored)} would have no effect with dropping = {distillation.dropping}: leave {_it(ignored)} "
            f"out, or add --dropping {_OF_DROPPING[ignored[0]]}"
        )


def _flags(keys: Iterable[str]) -> str:
    return " and ".join("--" + key.replace("_", "-") for key in keys)


def _it(keys: Sequence[str]) -> str:
    return "it" if len(keys) == 1 else "them"
