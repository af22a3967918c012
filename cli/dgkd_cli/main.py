"""The command `dgkd-cache`: its verbs, its global options, and the conversion of errors to exit codes.

`dgkd-cache --help` and the help of every verb load no torch: verbs import the library when they run.
"""

from __future__ import annotations

import errno
import faulthandler
import io
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import click

from dgkd_cache.device.allocator import keep_freed_memory
from dgkd_cache.device.openmp import choose_waiting
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import DgkdError, Interrupted, InvalidInput, NoSpace, RankLost, is_out_of_memory
from dgkd_cli.app import App, json_option
from dgkd_cli.commands.adopt import adopt
from dgkd_cli.commands.card import card
from dgkd_cli.commands.compare import compare
from dgkd_cli.commands.datasets import datasets
from dgkd_cli.commands.diff import diff
from dgkd_cli.commands.doctor import doctor
from dgkd_cli.commands.dump import dump
from dgkd_cli.commands.eval import evaluate
from dgkd_cli.commands.export import export
from dgkd_cli.commands.import_ import import_
from dgkd_cli.commands.info import info
from dgkd_cli.commands.init import init
from dgkd_cli.commands.ls import ls
from dgkd_cli.commands.merge import merge
from dgkd_cli.commands.models import models
from dgkd_cli.commands.plan import plan
from dgkd_cli.commands.prune import prune
from dgkd_cli.commands.pull import pull
from dgkd_cli.commands.push import push
from dgkd_cli.commands.recipes import recipes
from dgkd_cli.commands.repair import repair
from dgkd_cli.commands.report import report
from dgkd_cli.commands.run import run
from dgkd_cli.commands.sign import sign
from dgkd_cli.commands.subset import subset
from dgkd_cli.commands.train import train
from dgkd_cli.commands.transforms import transforms
from dgkd_cli.commands.verify import verify
from dgkd_cli.global_options import add_global_options, global_options
from dgkd_cli.lines import fitted, say
from dgkd_cli.settings_option import setting_hint
from dgkd_stores import is_no_space

__all__ = ["SHARED", "entry", "main"]

SHARED = ("train", "prune", "dump")
"""The verbs that can run as ranks of torchrun."""


class Boundary(click.Group):
    """The click group that converts every expected error to a message on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        words = tuple(ctx.args)  # of the verb; click takes them out
        try:
            return super().invoke(ctx)
        except DgkdError as error:
            raise _refused(ctx, error) from error
        except click.UsageError as error:  # click prints it without a look at the terminal
            hint = setting_hint(error, words) if isinstance(error, click.NoSuchOption) else None
            message = fitted(hint or error.format_message(), sys.stderr, lead="Error: ")
            raise click.UsageError(message, error.ctx) from error
        except KeyboardInterrupt as error:
            say("interrupted: nothing is damaged; run the same command again")
            raise click.exceptions.Exit(130) from error
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            do = (
                "close other programs, or begin anew (`train --fresh`, `run --remake`) with a lower "
                "training.batch_size or cache.batch_size"
            )
            found = " ".join(str(error).split())[:300]  # torch's text has several lines
            raise _refused(ctx, DgkdError("there is not enough memory", found=found, do=do)) from error
        except OSError as error:
            if is_no_space(error):
                do = "free some and run the same command again: nothing is damaged"
                raise _refused(ctx, NoSpace(f"no space left for {error.filename or 'a file'}", do=do)) from error
            if error.errno == errno.EPIPE:
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            raise _refused(ctx, DgkdError(f"{where}{error.strerror or error}")) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] == "help":
            hint = "`dgkd-cache --help` lists the verbs, and --help after a verb describes it"
            raise click.UsageError(f"help is an option and no verb: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of use, not alphabetical


@click.group(cls=Boundary, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@json_option
@click.version_option(version("dgkd-cache"), prog_name="dgkd-cache")
@click.pass_context
def main(ctx: click.Context, /, **given: object) -> None:
    """Densely guided knowledge distillation with cached guides.

    A chain of ever smaller models is trained, each under all larger ones; every guide runs once, and its
    softened logits are read from disk ever after.

    \b
    Start:
      dgkd-cache init --chain plain6,plain4,plain2 --epochs 3 demo
      dgkd-cache -w demo run
      dgkd-cache -w demo ls

    \b
    Exit codes:
      0 done   1 failure   2 usage   3 incomplete   10 no such store   11 locked
      12 damaged   13 does not match   14 no space   15 unsafe store
      130 interrupted
    """
    _require_current_folder()
    ranks = Ranks.of(os.environ)
    ctx.obj = App(folder=Path("."), quiet=False, ranks=ranks)  # completed by the verb, with its own options
    verb = ctx.invoked_subcommand
    if not ranks.alone and verb not in SHARED:
        raise InvalidInput(
            f"`{verb}` is work for one process",
            expected=f"one of {', '.join(SHARED)} under torchrun",
            found=f"{verb} in {ranks.world} processes",
            do=f"run `dgkd-cache {verb}` without torchrun; several processes train and dump one model at a time, with "
            "`torchrun ... -m dgkd_cli train --model NAME` and `torchrun ... -m dgkd_cli dump --model NAME`",
        )


_VERBS = (
    init,
    plan,
    run,
    train,
    prune,
    adopt,
    dump,
    evaluate,
    compare,
    report,
    ls,
    info,
    verify,
    repair,
    export,
    import_,
    push,
    pull,
    sign,
    card,
    subset,
    merge,
    diff,
    models,
    datasets,
    transforms,
    recipes,
    doctor,
)
main.params = [*global_options(), *main.params]
for _verb in _VERBS:
    main.add_command(add_global_options(_verb))


def entry() -> NoReturn:
    """Runs the console script."""
    if sys.stderr is not None:  # another program may truncate a mapped file: SIGBUS
        faulthandler.enable()
    choose_waiting(os.environ)  # before a verb loads torch; child processes inherit it
    keep_freed_memory(os.environ)
    # Python processes of torch or multiprocessing would search modules in the current folder first.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that this terminal cannot show is not an error
    main(prog_name="dgkd-cache")
    sys.exit(0)


def _require_current_folder() -> None:
    """Raises an error, before any verb runs, if the current folder, to which paths are relative, does not exist."""
    try:
        os.getcwd()
    except OSError as error:
        raise InvalidInput(
            "the current folder cannot be used",
            expected="a folder that is there",
            found=str(error.strerror),
            do="it may have been deleted or made anew: cd to it once more, or to another folder",
        ) from error


def _refused(ctx: click.Context, error: DgkdError) -> click.exceptions.Exit:
    """Reports the error on stderr and returns the exit; an error of all ranks is reported by the first."""
    ranks = ctx.obj.ranks if isinstance(ctx.obj, App) else ALONE
    if ranks.first or not isinstance(error, Interrupted | RankLost):
        who = [] if isinstance(error, Interrupted) else ["Error"]  # the user has asked for the stop
        who += [] if ranks.alone else [f"(rank {ranks.rank})"]
        say(f"{' '.join(who)}: {error}" if who else str(error))
    return click.exceptions.Exit(error.exit_code)
