"""`dgkd-cache compare`: variants side by side over seeds."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from dgkd_cache.config.tables import CompareConfig
from dgkd_cache.errors import Incomplete
from dgkd_cli.app import App, device_option, json_option, pass_app, take_over_option
from dgkd_cli.choices import choice_of, list_option
from dgkd_cli.columns import terminal_width
from dgkd_cli.comparison import notes, tables
from dgkd_cli.console import print_json
from dgkd_cli.lines import show
from dgkd_cli.settings_option import set_option

__all__ = ["compare"]


@click.command()
@list_option(
    "--methods",
    help="Of scratch, kd, takd, dgkd, dkd, dist; +drop, +dkd, +dist, +std, +student change one, as dgkd+drop (default: "
    "the variants of dgkd.toml, or scratch,kd,takd,dgkd,dgkd+drop).",
)
@click.option("--seeds", type=click.IntRange(1, 1000), help="Seeds of the student, from 0 (default: dgkd.toml).")
@click.option("--reference", metavar="NAME", help="What the others are compared with (default: dgkd.toml).")
@click.option(
    "--protocol",
    type=choice_of(CompareConfig, "protocol"),
    help="last: the last epoch; paper: beside it the best on test, which is optimistic (default: dgkd.toml).",
)
@click.option(
    "--jobs", type=click.IntRange(1, 1000), default=1, show_default=True, help="Processes that share the work."
)
@set_option()
@take_over_option
@device_option
@json_option
@pass_app
def compare(
    app: App,
    methods: str | None,
    seeds: int | None,
    reference: str | None,
    protocol: Any,
    jobs: int,
    take_over: bool,
    device: str,
    as_json: bool,
) -> None:
    """Compare methods, or other variants, over several seeds.

    The table [compare] of dgkd.toml names variants and what differs in each: method, dropping, lambda, views, encoding,
    any key of [training] or [distillation]. Runs of one seed have the same initial weights, order and views. What
    variants share is made once, under compare/. Each model is trained in float32 and in one thread.

    Stopped at any moment, the same command goes on from there; started again beside itself, also on another machine
    with the same disk, it shares the work.

    \b
    Examples:
      dgkd-cache compare --methods scratch,kd,dgkd --seeds 5
      dgkd-cache compare --jobs 2
      dgkd-cache compare --set training.epochs=30 --json
    """
    from dgkd_cache.study.files import RESULTS_FILE
    from dgkd_cache.study.study import check_study, run_study, set_up_study, study_timings

    workspace = app.workspace()
    study = set_up_study(
        workspace,
        methods=[name.strip() for name in methods.split(",")] if methods is not None else [],
        seeds=None if seeds is None else range(seeds),
        reference=reference,
        protocol=protocol,
    )
    command = _command(
        app, {"--methods": methods, "--seeds": seeds, "--reference": reference, "--protocol": protocol}, device
    )
    with app.working() as (progress, stop):
        check_study(study, device=device, progress=progress)
        with _helpers(app, jobs - 1):
            results = run_study(
                study, device=device, take_over=take_over, command=command, progress=progress, stop=stop
            )
    if as_json:
        print_json(results)
    else:
        show(results["verdict"])
        for table in tables(results, study_timings(study), terminal_width()):
            click.echo(f"\n{table}")
        click.echo()
        for line in notes(results):
            show(line)
    app.say(f"results: {study.folder / RESULTS_FILE}")
    if results["failed"]:
        raise Incomplete(
            f"{len(results['failed'])} of {len(study.plan.work)} runs and stores could not be made",
            found=", ".join(one["run"] for one in results["failed"]),
            do="the warnings say why; change or leave out these variants, and run the command again: the rest is kept",
        )


def _command(app: App, options: Mapping[str, object], device: str) -> str:
    """Returns the command that gives these results, without what decides none of their bits."""
    words = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    words += [word for text in app.assignments for word in ("--set", text)]
    words += [] if device == "auto" else ["--device", device]
    return shlex.join(["dgkd-cache", "compare", *words])


@contextmanager
def _helpers(app: App, count: int) -> Iterator[None]:
    """Runs this command in `count` more processes, quietly, and waits for them; after an error they are stopped.

    They are in sessions of their own: Ctrl-C reaches this process alone, which stops them with one signal each. What
    they print would mix with the progress of this one, so it is shown at the end, and only of those that failed. Their
    work is then done by this process, so a failure of theirs is not one of the command.
    """
    command = [sys.executable, "-m", "dgkd_cli", *sys.argv[1:], "--jobs", "1", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with ExitStack() as opened:
        said = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        helpers = [
            subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,
            )
            for file in said
        ]
        try:
            yield
        except BaseException:
            for helper in helpers:
                helper.terminate()
            raise
        finally:
            for helper in helpers:
                helper.wait()
        for number, (helper, file) in enumerate(zip(helpers, said, strict=True), 2):
            if helper.returncode not in (0, Incomplete.exit_code):  # that one is ours as well
                file.seek(0)
                words = file.read().decode(errors="replace").split("\n")
                app.say(f"job {number} of {count + 1} {_ended(helper.returncode)}: {' '.join(words[-3:]).strip()}")


def _ended(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
