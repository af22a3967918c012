"""Options of `train` that would have no effect, or that contradict each other: refused before anything is opened.

An option that is ignored falsifies an ablation: its run has another name and the same training.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import click

from dgkd_cache.settings import DistillationConfig

__all__ = ["check_guidance_options", "check_method", "check_one_guide"]

_FLAGS = {
    "live": "--live",
    "objective": "--objective",
    "lambda": "--lambda",
    "temperature": "--temperature",
    "dropping": "--dropping",
    "keep": "--keep",
    "drop": "--drop",
    "always": "--always",
    "at_least_one": "--at-least-one",
}
"""The options that only guides give a meaning."""

_OF_DROPPING = {"keep": "bernoulli", "always": "bernoulli", "at_least_one": "bernoulli", "drop": "fixed"}
"""The options that belong to one way of dropping."""

_ONE_GUIDE = {"kd": "the teacher", "takd": "the model before it"}


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


def check_one_guide(method: str, names: Callable[[], Collection[str]]) -> None:
    """Raises UsageError (exit 2) where `--method` is a method of one guide and `names` gives several."""
    if method in _ONE_GUIDE and len(guides := names()) > 1:
        raise click.UsageError(
            f"--method {method} is one guide ({_ONE_GUIDE[method]}) and --guides names {', '.join(sorted(guides))}: "
            "name that one alone, or leave --method out to learn from all of them"
        )


def check_guidance_options(given: Mapping[str, object], distillation: DistillationConfig, *, guided: bool) -> None:
    """Raises UsageError (exit 2) for options in `given` that this training would ignore.

    `given` maps settings, and "live", to what the command line says (None, False: not given); `distillation` is what
    holds then, the file's settings included; `guided` is false for a model without guides.
    """
    named = [key for key, value in given.items() if key in _FLAGS and value is not None and value is not False]
    if named and not guided:
        raise click.UsageError(
            f"{_flags(named)} would have no effect, since this model has no guides: leave {_it(named)} out, "
            "or choose guides (--method for a model of the chain, --guides for --student)"
        )
    for kind in ("bernoulli", "fixed"):
        ignored = [
            key for key in named if _OF_DROPPING.get(key, distillation.dropping) == kind != distillation.dropping
        ]
        if ignored:
            raise click.UsageError(
                f"{_flags(ignored)} would have no effect with dropping = {distillation.dropping}: leave {_it(ignored)} "
                f"out, or add --dropping {kind}"
            )


def _flags(keys: Iterable[str]) -> str:
    return " and ".join(_FLAGS[key] for key in keys)


def _it(keys: Sequence[str]) -> str:
    return "it" if len(keys) == 1 else "them"
