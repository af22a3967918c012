"""Announces the user's own code on stderr before it runs, or refuses all of it. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import click

from dgkd_cache.errors import DgkdError, InvalidInput
from dgkd_cli.lines import say
from dgkd_stores import clean

__all__ = ["NO_USER_CODE", "UserCode", "check_architectures"]

NO_USER_CODE = "DGKD_NO_USER_CODE"
"""The environment variable equivalent to --no-user-code."""


class UserCode:
    """A callback before the import of a module:factory: announces it once on stderr, or raises InvalidInput."""

    def __init__(self, *, refused: bool = False, said: bool = True) -> None:
        self._refused, self._says = refused, said
        self._of_file: set[str] = set()
        self._said: set[str] = set()

    def read_in_file(self, names: Iterable[str]) -> None:
        """Adds the names in dgkd.toml; all others are from the command line."""
        self._of_file.update(names)

    def __call__(self, name: str) -> None:
        source = "dgkd.toml" if name in self._of_file else "the command line"
        if self._refused:
            raise InvalidInput(
                f"{name} is code, and code from outside dgkd-cache is not to be run",
                expected=f"no module:factory, because of --no-user-code or {NO_USER_CODE}",
                found=f"{name} from {source}",
                do="read that code first; to run it, leave the option and the variable out",
            )
        if self._says and name not in self._said:
            say(f"running your code: {name} from {source}")
        self._said.add(name)


def check_architectures(named: Sequence[str], runs: Iterable[Path]) -> None:
    """Raises UsageError (exit 2) for an `--architecture` that no card of these `runs` (folders) names.

    Cards are read before any code is imported. An unreadable card is an error later, when the model is loaded.
    """
    if not named:
        return
    from dgkd_cache.run_files.model_card import load_card

    cards: dict[str, str] = {}
    for folder in runs:
        with suppress(DgkdError, OSError):
            cards[folder.name] = load_card(folder).architecture
    for architecture in named:
        if cards and architecture not in cards.values():
            found = ", ".join(f"{clean(one)} of {clean(run)}" for run, one in cards.items())
            raise click.UsageError(
                f"--architecture {architecture} would have no effect: expected the module:factory on the card of the "
                f"run that is loaded, found {found}; leave it out where that is no code of your own"
            )
