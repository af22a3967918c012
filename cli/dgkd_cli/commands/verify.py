"""`dgkd-cache verify`: checks runs and stores, and lists damaged places."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgkd_cache.errors import DgkdError
from dgkd_cache.progress import counted
from dgkd_cli.app import App, architecture_option, device_option, json_option, pass_app
from dgkd_cli.completion import complete_stores
from dgkd_cli.console import print_json
from dgkd_cli.lines import show
from dgkd_cli.recompute import recompute_store
from dgkd_cli.runs import RunResult, run_at
from dgkd_cli.signature_check import key_options, look_at_signature, trusted_by_options
from dgkd_cli.store_result import StoreResult, gravest
from dgkd_cli.stores import store_at
from dgkd_stores import TrustedKeys, clean, verify as verify_store

if TYPE_CHECKING:
    from dgkd_cache.progress import Progress
    from dgkd_cache.workspace.tasks import Recomputed

__all__ = ["verify"]


@click.command()
@click.argument("what", metavar="[NAME|PATH]...", nargs=-1, shell_complete=complete_stores)
@click.option("--full", is_flag=True, help="Read every row: of a folder, any flipped bit is noticed.")
@click.option(
    "--recompute",
    "rows",
    type=click.IntRange(min=1, max=10**9),
    metavar="N",
    help="Forward N drawn rows again with the guide's run, in the batches of its dump, and compare.",
)
@key_options
@architecture_option
@device_option
@json_option
@pass_app
def verify(
    app: App,
    what: tuple[str, ...],
    full: bool,
    rows: int | None,
    keys: tuple[str, ...],
    allowed_signers: Path | None,
    signer: str,
    architectures: tuple[str, ...],
    device: str,
    as_json: bool,
) -> None:
    """Check that runs and stores are whole.

    What is damaged is named by file, in a store by view and samples as well. Without NAME or PATH: all runs of the
    workspace, and all that lies in guides/, HDF5 files and what is no store too. A NAME is its run and its store. A
    PATH needs neither a workspace nor torch. Every byte of a run that its card has a digest of is read. Over all of
    them the exit code is the gravest: 15 unsafe, then 12 damaged, 13 of another version or of other rows than its
    guide gives, 10 not there, 1 not readable, 3 incomplete.

    A seal tells that a store is whole, not who made it. With --key or --allowed-signers the exit code is 13 unless one
    of these keys has signed each store (STORE.sig, beside it).

    With --recompute the guide's finished run, in the workspace that the store lies in or that of -w, computes rows
    again. They must be the same to the bit on the kind of machine that dumped it, elsewhere within the encoding's error
    and a tolerance; else the exit code is 13.

    \b
    Examples:
      dgkd-cache verify
      dgkd-cache verify ta1 --full
      dgkd-cache verify runs/ta1
      dgkd-cache verify guides/ta1.zarr --full --json
      dgkd-cache verify theirs.zarr --key their_key.pub
      dgkd-cache verify ta1 --recompute 1000
    """
    from dgkd_cache.workspace.run_check import check_run

    if rows is None and (architectures or device != "auto"):
        raise click.UsageError("--architecture and --device go with --recompute N: nothing else runs a model")
    trusted = trusted_by_options(keys, allowed_signers, signer)
    folders, names = _named(app, what) if what else _all(app)
    if rows is not None and what and not names:
        raise click.UsageError("--recompute goes with stores, and only runs are named: name a store, or leave it out")
    runs = [RunResult(name=name, check=check_run(folder)) for name, folder in folders]
    with app.reporting() as progress:
        results = [_look(app, name, full, trusted, progress) for name in names]
        if rows is not None:
            again = functools.partial(recompute_store, app, progress, architectures, rows=rows, device=device)
            results = [_recompute(result, again) for result in results]
    codes = [gravest(run.exit_codes) for run in runs]
    if as_json:
        found = [run.to_dict(code) for run, code in zip(runs, codes, strict=True)]
        print_json([*found, *(result.to_dict() for result in results)])
    else:
        for lines in (*(run.lines() for run in runs), *(result.lines() for result in results)):
            for line in lines:
                show(line)
    for result in results:
        if result.verification and result.verification.damage:
            app.say(f"{clean(result.name)}: {_advice(app, result)}")
    if not (runs or results):
        app.say("no runs and no guide stores here: `dgkd-cache run` makes them")
    if code := gravest((*codes, *(result.exit_code for result in results))):
        raise click.exceptions.Exit(code)


def _all(app: App) -> tuple[list[tuple[str, Path]], tuple[str, ...]]:
    """Returns the runs of the workspace, by name, everything in its `guides/`, and the stores that [chain] names."""
    from dgkd_cache.workspace.run_check import is_run

    workspace = app.workspace()
    folders = [(name, workspace.run_folder(name)) for name in workspace.runs()]
    given = tuple(name for name in workspace.chain if workspace.member(name).kind == "store")
    there = {workspace.store_path(name).resolve() for name in given}
    own = [one for one in workspace.guides() if (workspace.folder / "guides" / f"{one}.zarr").resolve() not in there]
    return [(name, folder) for name, folder in folders if is_run(folder)], (*given, *own)


def _named(app: App, what: tuple[str, ...]) -> tuple[list[tuple[str, Path]], tuple[str, ...]]:
    """Returns the runs and stores of these names and paths; a name without a run must be a store's."""
    found = [(text, run_at(app, text)) for text in what]
    folders = [(text, folder) for text, folder in found if folder is not None]
    return folders, tuple(text for text, folder in found if folder is None or _has_store(app, text))


def _has_store(app: App, text: str) -> bool:
    if not app.has_workspace:
        return False
    workspace = app.workspace()
    given = text in workspace.chain and workspace.member(text).kind == "store"
    return given or workspace.run_name(text) in workspace.stores()


def _look(app: App, name: str, full: bool, trusted: TrustedKeys | None, progress: Progress) -> StoreResult:
    path = Path(name)
    try:
        path = store_at(app, name)
        found = verify_store(path, full=full, report=counted(progress, f"verify {clean(name)}"))
        progress.finish()
        return StoreResult(name=name, path=path, verification=found, signature=look_at_signature(found, trusted))
    except DgkdError as error:
        return StoreResult(name=name, path=path, error=error)
    except OSError as error:
        return StoreResult(name=name, path=path, error=DgkdError(f"{clean(str(error.filename))}: {error.strerror}"))


def _recompute(result: StoreResult, again: Callable[[Path], Recomputed]) -> StoreResult:
    """Returns `result` with the comparison added, if the store is undamaged."""
    found = result.verification
    if found is None or found.damage or not found.complete:
        return result
    try:
        return dataclasses.replace(result, recomputed=again(result.path))
    except DgkdError as error:
        return dataclasses.replace(result, error=error)


def _advice(app: App, result: StoreResult) -> str:
    """Returns the advice on a damaged store; a repair removes no foreign files and cannot restore a lost seal."""
    assert result.verification is not None
    kinds = {one.kind for one in result.verification.damage}
    if result.verification.container != "zarr":
        return "get it again, or export it again from the folder that it was made of"
    if "foreign" in kinds:
        return "remove what does not belong, then check again"
    if kinds & {"seal", "not-finite"}:
        return "nothing in it tells what it should be: get a whole copy, or dump the guide again"
    if kinds == {"origin"}:
        return f"{clean(result.path.name)}.origin is damaged: the pull or the subset that made it makes it again"
    repair = f"repair {shlex.quote(result.name)}"
    header = result.verification.header
    if header.guide.identity is not None:
        return (
            f"`dgkd-cache {repair}` mends what needs no logits; repair() of its GuideWriter, in the program that gave "
            "them, mends the rest"
        )
    try:
        return f"`{app.workspace().command(repair)}` mends it"
    except DgkdError:
        return f"`dgkd-cache {repair}` mends it, lost rows and arrays given `-w` and the workspace of its guide"
