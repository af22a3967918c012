"""The context of every verb: the workspace folder, verbosity, and output of results and reports.

Loads no torch; the library is imported inside the verbs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.progress import Silent
from dgkd_cli.lines import say
from dgkd_cli.progress import open_progress
from dgkd_cli.signals import StopOnSignals
from dgkd_cli.user_code import UserCode

if TYPE_CHECKING:
    from dgkd_cache.progress import Progress
    from dgkd_cache.workspace.workspace import Workspace

__all__ = [
    "App",
    "architecture_option",
    "device_option",
    "json_option",
    "pass_app",
    "take_over_option",
    "test_every_option",
]


@dataclass(frozen=True, kw_only=True)
class App:
    """The global options."""

    folder: Path
    quiet: bool
    ranks: Ranks = ALONE
    user_code: UserCode = field(default_factory=UserCode)
    assignments: tuple[str, ...] = ()
    """The texts of --set, which override dgkd.toml."""

    @property
    def has_workspace(self) -> bool:
        """Returns True if the folder of `-w` has a dgkd.toml; does not read it."""
        from dgkd_cache.config.workspace_config import CONFIG_NAME

        return (self.folder / CONFIG_NAME).is_file()

    def workspace(self, architectures: Sequence[str] = (), *, folder: Path | None = None) -> Workspace:
        """Opens the workspace in `folder` (default: that of `-w`), with the `architectures` that flags name.

        Raises InvalidInput if there is none.
        """
        from dgkd_cache.workspace.workspace import Workspace

        workspace = Workspace.open(folder or self.folder)
        config = workspace.config
        own = (config.dataset.name, *config.chain.values(), *(one.architecture for one in config.models.values()))
        self.user_code.read_in_file(own)
        workspace = workspace.assigning(self.assignments)
        return workspace.naming(architectures)

    def reporting(self) -> AbstractContextManager[Progress]:
        """Reports progress on stderr, of the first rank, for work that a signal may simply end."""
        return open_progress(quiet=self.quiet) if self.ranks.first else nullcontext(Silent())

    @contextmanager
    def working(self) -> Iterator[tuple[Progress, StopOnSignals]]:
        """Reports progress of work that saves its state, with a flag that the first SIGINT, SIGTERM or SIGHUP sets."""
        # Ranks may get one signal twice, from its sender and from torchrun, which itself kills slow ranks.
        again = not self.ranks.alone
        with self.reporting() as progress, StopOnSignals(say=progress.say, again_is_the_same=again) as stop:
            yield progress, stop

    def say(self, line: str) -> None:
        """Shows one line on stderr."""
        if not self.quiet:
            say(line)


pass_app = click.make_pass_decorator(App)


json_option = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")

architecture_option = click.option(
    "--architecture",
    "architectures",
    multiple=True,
    metavar="MODULE:FACTORY",
    help="Code of your own that a run's card names and dgkd.toml does not: only then is it imported.",
)

device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto, cpu, cuda or cuda:N; auto takes a GPU where there is one.",
)

test_every_option = click.option(
    "--test-every",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Score every N-th epoch on the test set too, for metrics.jsonl: it chooses nothing and changes no weight.",
)

take_over_option = click.option(
    "--take-over",
    is_flag=True,
    help="Take over what a process of another host or container holds, if you know it is no more.",
)
