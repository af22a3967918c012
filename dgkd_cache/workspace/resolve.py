"""Finds the guide store or the finished run that a user names; an error says which command makes it."""

from __future__ import annotations

import os
from pathlib import Path

from dgkd_cache.config.workspace_config import is_model_name, is_store_name
from dgkd_cache.errors import Incomplete, InvalidInput, StoreNotFound, unknown_name
from dgkd_cache.paths import CARD_FILE
from dgkd_cache.workspace.guide_stores import guides_with_stores
from dgkd_cache.workspace.pruning import pruning_of
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import split_draw_name
from dgkd_stores.disk import as_store_path

__all__ = ["resolve_guide", "resolve_guides", "resolve_run"]


def resolve_guide(ws: Workspace, text: str) -> Path:
    """Returns the store named by `text`: a path, or the name of one in the workspace. Raises StoreNotFound."""
    if (path := as_store_path(text)) is not None:
        if (path / "zarr.json").is_file() or path.is_file():
            return path
        expected = "a folder with zarr.json in it, or an HDF5 file"
        raise StoreNotFound(f"no guide store at {path}", expected=expected)
    names = ws.stores()
    if text in ws.chain and ws.member(text).kind == "store":
        return _given(ws, text)
    if text in names or (is_store_name(text) and ws.store_path(text).stem in names):
        return ws.store_path(text)
    model, draw = split_draw_name(text)
    if draw is not None and os.path.lexists(ws.run_folder(model) / CARD_FILE):
        do = f"`{ws.command(f'dump {model} --draws {draw + 1}')}` makes it"
    elif is_model_name(text) and os.path.lexists(ws.run_folder(text) / CARD_FILE):
        do = f"`{ws.command(f'dump {text}')}` makes it"
    elif text in ws.chain:
        do = f"`{ws.command('run')}` trains and dumps the whole chain"
    else:
        do = f"`{ws.command('ls')}` lists what is there"
    raise StoreNotFound(
        f"no guide store for {text!r}",
        expected=f"one of {', '.join(names)}" if names else f"a store under {ws.folder / 'guides'}",
        found=repr(text) if names else "none",
        do=do,
    )


def resolve_guides(ws: Workspace, text: str) -> list[Path]:
    """Returns the stores named by `text`: one, as `resolve_guide`, or those of all draws where it is NAME.d*.

    Raises StoreNotFound.
    """
    from dgkd_cache.guides.patterns import draws_in, expand_stores, pattern_guide

    if as_store_path(text) is not None:
        return [resolve_guide(ws, str(path)) for path in expand_stores([text])]
    if (guide := pattern_guide(text)) is None:
        return [resolve_guide(ws, text)]
    found = draws_in(ws.run_name(guide), ws.stores())
    if not found:
        raise StoreNotFound(
            f"no draws of {guide!r} in the workspace",
            expected=f"stores of the names {guide}.d0, {guide}.d1, ...",
            found=", ".join(ws.stores()) or "no store",
            do="dump the draws of that guide first, or name another one",
        )
    return [ws.store_path(name) for name in found]


def _given(ws: Workspace, name: str) -> Path:
    """Returns the store that a member `store:PATH` is. Raises StoreNotFound."""
    path = ws.store_path(name)
    if not (path / "zarr.json").is_file() and not path.is_file():
        raise StoreNotFound(
            f"no guide store for {name!r}",
            expected="a folder with zarr.json in it, or an HDF5 file",
            found=f"nothing at {path}",
            do=f"correct {name} in [chain] of dgkd.toml: a path there begins at the folder of dgkd.toml",
        )
    return path


def _source_is_there(ws: Workspace, name: str) -> bool:
    """Returns True unless `name` is pruned from a run that is not finished."""
    pruning = pruning_of(ws, name)
    return pruning is None or os.path.lexists(ws.run_folder(pruning.source) / CARD_FILE)


def resolve_run(ws: Workspace, name: str) -> Path:
    """Returns the folder of the finished run called `name`. Raises UnknownName, Incomplete."""
    member, folder = ws.member(name), ws.run_folder(name)
    if member.kind == "store":
        raise InvalidInput(
            f"{name} has no run here",
            expected="a model that was trained or adopted here",
            found=f"the store {ws.store_path(name)}",
            do="name a model with a run",
        )
    if os.path.lexists(folder / CARD_FILE):
        return folder
    if member.kind == "adopted":
        raise Incomplete(
            f"{name} is not adopted",
            expected=f"a finished run in {folder}",
            do=f"`{ws.adopt_command(member.what)}` adopts it",
        )
    if name not in ws.chain and not folder.is_dir():
        known = {*ws.chain, *ws.runs()}
        raise unknown_name("run", name, known, do=f"`{ws.command('ls')}` lists them")
    if name not in ws.chain:
        do = "run the command that began it once more: it continues"
    elif all(path.exists() for path in guides_with_stores(ws, name).values()) and _source_is_there(ws, name):
        do = f"`{ws.command(f'train {name}')}` trains it"
    else:
        do = f"`{ws.command('run')}` trains and dumps the whole chain"
    raise Incomplete(f"{name!r} is not trained", expected=f"a finished run in {folder}", do=do)
