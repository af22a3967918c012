"""Lists the runs and guide stores of a workspace, each with its settings, state and size. Loads no torch.

States come from the files and the settings; no data set is read. `run` compares the data set as well.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from dgkd_cache.errors import DgkdError, StoreNotFound
from dgkd_cache.run_files.model_card import ModelCard, load_card
from dgkd_cache.run_files.reading import START_OVER
from dgkd_cache.workspace.run_check import check_run, is_run
from dgkd_cache.workspace.run_inputs import Change, describe_changes, read_inputs, recorded_value
from dgkd_cache.workspace.run_settings import Setting, settings_of
from dgkd_cache.workspace.staleness import Identities, changes_by_card, run_changes
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, StoreHeader, read_header

__all__ = ["RunEntry", "StoreEntry", "list_run", "list_runs", "list_stores"]


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """One run: `done`, `begun`, `stale`, `missing` (of the chain, not begun), `damaged` or `refused` (and why).

    A run is stale if `changes` has a setting or a guide that differs from today's, or if what it was made from is not
    known. Anything that is not a run is named by its path, as `unknown`. A run without digests, from an older version,
    is done; `why` says unverified.
    """

    name: str
    state: str
    architecture: str = ""
    parameters: int | None = None
    accuracy: str | None = None
    validation: str | None = None
    """The accuracy on the samples that are held out."""
    guides: tuple[str, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """The settings that it was made with (`settings_of`); empty for what is no readable run."""
    seconds: float | None = None
    """Wall time of the training."""
    changes: tuple[Change, ...] = ()
    nbytes: int = 0
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class StoreEntry:
    """One store: `sealed`, `incomplete`, `stale` or `refused` (and why); `views` are first and one past the last.

    A store is stale if the finished run of its name has other weights or views, or (for a guide of the chain) if a
    setting in `changes` differs from today's. Anything without a store's name is named by its path.
    """

    name: str
    state: str
    views: tuple[int, int] | None = None
    views_done: int = 0
    nbytes: int = 0
    seal: str | None = None
    changes: tuple[Change, ...] = ()
    why: str = ""


def list_runs(ws: Workspace) -> list[RunEntry]:
    """Lists the chain's runs in its order, then the others by name, then anything else; no weights are read."""
    members = {ws.run_name(name) for name in ws.chain}
    names, identities = dict.fromkeys((*ws.chain, *(run for run in ws.runs() if run not in members))), Identities(ws)
    others = [RunEntry(name=str(path), state="unknown", why=_what_it_is(path)) for path in ws.other_runs()]
    return [*(_listed(ws, name, identities) for name in names), *others]


def list_run(ws: Workspace, name: str) -> RunEntry:
    """Lists the run called `name`."""
    return _listed(ws, name, Identities(ws))


def list_stores(ws: Workspace) -> list[StoreEntry]:
    """Lists everything in `guides/`, stores first, in the same order; each is opened, its rows are not read.

    Stores from elsewhere that are models of the chain come first.
    """
    names, runs = set(ws.stores()), {*ws.chain, *ws.runs()}
    given = [name for name in ws.chain if ws.member(name).kind == "store"]
    found = [_store(name, ws.store_path(name))[0] for name in given]
    taken = {ws.store_path(name).resolve() for name in given}
    for one in ws.guides():
        if (ws.store_path(one) if one in names else Path(one)).resolve() in taken:
            continue
        entry, header = _store(one, ws.store_path(one) if one in names else Path(one))
        owner = one if one in runs else re.sub(r"(\.d\d+)?(-\d+-\d+)?$", "", one)  # ta1-40-60 has other views of ta1
        found.append(_compared_store(ws, entry, header, owner) if header and owner in runs else entry)
    return found


def _listed(ws: Workspace, name: str, identities: Identities) -> RunEntry:
    """Returns the entry of a run, or of a model of the chain that is a store and has no run here."""
    return _given(ws, name) if ws.member(name).kind == "store" else _run(ws, name, identities)


def _given(ws: Workspace, name: str) -> RunEntry:
    """Returns the entry of a store from elsewhere, by its header; nothing here makes it stale."""
    path = ws.store_path(name)
    try:
        found = read_header(path)
    except StoreNotFound:
        return RunEntry(name=name, state="missing", architecture=ws.architecture(name), why=f"no store at {path}")
    except (DgkdError, OSError) as error:
        return RunEntry(name=name, state="refused", architecture=ws.architecture(name), why=str(error))
    guide = found.header.guide
    return RunEntry(
        name=name,
        state="done" if found.seal else "begun",
        architecture=guide.architecture,
        parameters=guide.parameters or None,
        accuracy=guide.accuracy or None,
        settings={"method": "store"},
    )


def _run(ws: Workspace, name: str, identities: Identities) -> RunEntry:
    folder = ws.run_folder(name)
    architecture = ws.config.chain.get(name, "")
    if folder.is_symlink():
        return RunEntry(name=name, state="refused", architecture=architecture, why=f"{folder} is a link")
    if not is_run(folder):
        if name in ws.chain:
            return RunEntry(name=name, state="missing", architecture=architecture)
        return RunEntry(name=name, state="unknown", why="a folder without a file of a run")
    check = check_run(folder, full=False)
    why = check.why
    if check.faults and check.faults[0].do == START_OVER:  # that is for a run of any name
        why = str(check.faults[0].with_hint(do=ws.remedy(name)))
    entry = RunEntry(name=name, state=check.state, architecture=architecture, nbytes=_nbytes(folder), why=why)
    card = None
    if check.card is not None:
        try:
            card = load_card(folder)
        except (DgkdError, OSError) as error:  # it is a card, but not a model's
            return replace(entry, state="damaged", why=str(error))
        entry = replace(
            entry,
            architecture=card.architecture,
            parameters=card.parameters,
            accuracy=card.accuracy.get("test"),
            validation=card.accuracy.get("validation"),
            guides=tuple(card.guides),
            settings=settings_of(card.training, {}),
            seconds=card.seconds,
        )
    if entry.state not in ("done", "begun"):
        return entry
    try:
        return _compared(ws, entry, card, identities)
    except (DgkdError, OSError):
        return entry  # its record has changed since it was checked


def _compared(ws: Workspace, entry: RunEntry, card: ModelCard | None, identities: Identities) -> RunEntry:
    """Returns the entry with the settings in the run's record, `stale` if they are not those of today."""
    before = read_inputs(ws.run_folder(entry.name))
    if before is None:
        return replace(entry, state="stale", why="a model of unknown inputs") if entry.name in ws.chain else entry
    if card is None:
        guides = tuple(key.removeprefix("guides.") for key in before if key.startswith("guides."))
        written = recorded_value(before, "architecture")
        name = written if isinstance(written, str) else entry.architecture
        entry = replace(entry, architecture=name, guides=guides)
    entry = replace(entry, settings=settings_of(card.training if card else {}, before))
    if not (found := run_changes(ws, entry.name, before, identities)):
        return entry
    return replace(entry, state="stale", changes=tuple(found), why=describe_changes(found))


def _nbytes(folder: Path) -> int:
    """Returns the size of all files in a folder in bytes; nothing is opened, and no link is followed."""
    found = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = os.lstat(os.path.join(here, name))
                found += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return found


def _what_it_is(path: Path) -> str:
    kind = "a link" if path.is_symlink() else "a folder" if path.is_dir() else "a file"
    return f"{kind} that is no run: a run is a folder, with a name of a-z, 0-9, _ and -"


def _store(name: str, path: Path) -> tuple[StoreEntry, StoreHeader | None]:
    try:
        with GuideStore.open(path, allow_incomplete=True) as store:
            entry = StoreEntry(
                name=name,
                state="sealed" if store.seal else "incomplete",
                views=(store.views.start, store.views.stop),
                views_done=store.completeness().views_done,
                nbytes=store.nbytes,
                seal=store.seal,
            )
            return entry, store.header
    except DgkdError as error:
        return StoreEntry(name=name, state="refused", why=str(error)), None
    except OSError as error:
        return StoreEntry(name=name, state="refused", why=f"{error.strerror}"), None


def _compared_store(ws: Workspace, entry: StoreEntry, header: StoreHeader, run: str) -> StoreEntry:
    """Returns the entry, `stale` if the store is not that of the finished run called `run`."""
    folder = ws.run_folder(run)
    check = check_run(folder, full=False) if is_run(folder) and not folder.is_symlink() else None
    if check is None or check.card is None or check.faults:
        return entry
    found = changes_by_card(ws, entry.name, header, check.card)
    return replace(entry, state="stale", changes=tuple(found), why=describe_changes(found)) if found else entry
