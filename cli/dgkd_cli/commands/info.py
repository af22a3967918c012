"""`dgkd-cache info`: describes one run or one guide store."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import click

from dgkd_cache.errors import StoreNotFound
from dgkd_cache.paths import CARD_FILE
from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.columns import sections, terminal_width
from dgkd_cli.completion import complete_stores
from dgkd_cli.console import print_json
from dgkd_cli.description import describe_begun, describe_run, describe_store
from dgkd_cli.humanize import share_number, with_numbers
from dgkd_stores import GuideStore, read_header
from dgkd_stores.disk import as_store_path, expand_user

__all__ = ["info"]


@click.command()
@click.argument("what", metavar="NAME|PATH", shell_complete=complete_stores)
@json_option
@pass_app
def info(app: App, what: str, as_json: bool) -> None:
    """Describe a run or a guide store.

    A NAME is the run, the store or both of that name; a PATH is a store or a run's folder anywhere. The state of a
    run that is named is that of `ls`: `stale` if it was made with other settings or guides than today's. A store is
    opened with all its checks but those of its rows; that needs no torch and no workspace. Of what is not finished
    it says how far it is. With --json a store's header comes as it is stored, so fractions in it are texts.

    \b
    Examples:
      dgkd-cache info teacher
      dgkd-cache info guides/teacher.zarr --json
      dgkd-cache info teacher.h5
    """
    run, store = _places(app, what)
    found: dict[str, Any] = {"run": None, "run_state": None, "begun": None, "store": None}
    parts = []
    if run:
        from dgkd_cache.run_files.model_card import load_card
        from dgkd_cache.workspace.begun_run import read_begun
        from dgkd_cache.workspace.listing import list_run
        from dgkd_cache.workspace.run_check import check_run

        finished, named = os.path.lexists(run / CARD_FILE), run != expand_user(what)
        card = load_card(run) if finished else None
        # One that is given by its path may be of another workspace, whose settings are not read.
        found_run = list_run(app.workspace(), what) if named else check_run(run, full=False)
        state = {"state": found_run.state, "why": found_run.why}
        found["run_state"] = state
        if card:
            found["run"] = with_numbers(card.model_dump(mode="json"))
            described = describe_run(card, run, **state, encoding=read_header(store).header.encoding if store else "")
        else:
            begun = read_begun(run)
            found["begun"] = dataclasses.asdict(begun)
            described = describe_begun(begun, run, **state)
        parts.append(sections(described, terminal_width()))
    if store:
        with GuideStore.open(store, allow_incomplete=True) as opened:
            found["store"] = _as_json(opened)
            parts.append(sections(describe_store(opened), terminal_width()))
    if as_json:
        print_json(found)
    else:
        click.echo("\n\n".join(parts))


def _places(app: App, what: str) -> tuple[Path | None, Path | None]:
    """Returns the run's folder and the store that `what` names; at least one of them."""
    from dgkd_cache.workspace.run_check import is_run

    path = expand_user(what)
    if is_run(path):
        return path, None
    if (store := as_store_path(what)) is not None:
        return None, store
    workspace = app.workspace()
    runs = [name for name in workspace.runs() if is_run(workspace.run_folder(name))]
    given = what in workspace.chain and workspace.member(what).kind == "store"
    run = workspace.run_folder(what) if workspace.run_name(what) in runs and not given else None
    store = workspace.store_path(what) if given or workspace.run_name(what) in workspace.stores() else None
    if run is None and store is None:
        known = sorted({*runs, *workspace.stores()})
        raise StoreNotFound(
            f"no run and no guide store for {what!r}",
            expected=f"one of {', '.join(known)}" if known else "a name that is there",
            found=repr(what) if known else "an empty workspace",
            do=f"`{workspace.command('run')}` trains and dumps the whole chain"
            if what in workspace.chain
            else f"`{workspace.command('ls')}` lists what is there",
        )
    return run, store


def _as_json(store: GuideStore) -> dict[str, Any]:
    written = store.completeness()
    return {
        "path": str(store.path),
        "container": store.kind,
        "codec": store.codec,
        "seal": store.seal,
        "bytes": store.nbytes,
        "accuracy": share_number(store.header.guide.accuracy),
        "complete": written.complete,
        "views_done": written.views_done,
        "blocks_missing": written.blocks_missing,
        "header": store.header.to_dict(),
    }
