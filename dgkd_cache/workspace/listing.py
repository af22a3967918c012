"""Lists the runs and guide stores of a workspace, each with its state and size. Loads no torch.

States come from the files alone; `run` checks whether a run still matches the settings.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dgkd_cache.errors import DgkdError
from dgkd_cache.paths import CARD_FILE
from dgkd_cache.workspace.run_check import check_run, is_run
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

__all__ = ["RunEntry", "StoreEntry", "list_runs", "list_stores"]


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """One run: `done`, `begun`, `missing` (of the chain, not begun), `damaged` or `refused` (and why).

    Anything that is not a run is named by its path, as `unknown`. A run without digests, from an older version, is
    done; `why` says unverified.
    """

    name: str
    state: str
    architecture: str = ""
    parameters: int | None = None
    accuracy: str | None = None
    nbytes: int = 0
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class StoreEntry:
    """One store: `sealed`, `incomplete` or `refused` (and why); `views` are first and one past the last.

    Anything without a store's name is named by its path.
    """

    name: str
    state: str
    views: tuple[int, int] | None = None
    views_done: int = 0
    nbytes: int = 0
    seal: str | None = None
    why: str = ""


def list_runs(ws: Workspace) -> list[RunEntry]:
    """Lists the chain's runs in its order, then the others by name, then anything else; no weights are read."""
    names = dict.fromkeys((*ws.chain, *ws.runs()))
    others = [RunEntry(name=str(path), state="unknown", why=_what_it_is(path)) for path in ws.other_runs()]
    return [*(_run(ws, name) for name in names), *others]


def list_stores(ws: Workspace) -> list[StoreEntry]:
    """Lists everything in `guides/`, stores first, in the same order; each is opened, its rows are not read."""
    names = set(ws.stores())
    return [_store(one, ws.store_path(one) if one in names else Path(one)) for one in ws.guides()]


def _run(ws: Workspace, name: str) -> RunEntry:
    folder = ws.run_folder(name)
    architecture = ws.config.chain.get(name, "")
    if folder.is_symlink():
        return RunEntry(name=name, state="refused", architecture=architecture, why=f"{folder} is a link")
    if not is_run(folder):
        if name in ws.chain:
            return RunEntry(name=name, state="missing", architecture=architecture)
        return RunEntry(name=name, state="unknown", why="a folder without a file of a run")
    check = check_run(folder, full=False)
    entry = RunEntry(name=name, state=check.state, architecture=architecture, nbytes=_nbytes(folder), why=check.why)
    if check.card is None:
        return entry
    found, parameters, accuracy = (check.card.get(key) for key in ("architecture", "parameters", "accuracy"))
    score = accuracy.get("test") if isinstance(accuracy, dict) else None
    if not isinstance(found, str) or not isinstance(parameters, int) or not isinstance(score, str | None):
        return replace(entry, state="damaged", why=f"{folder / CARD_FILE} is not a card as this version writes it")
    return replace(entry, architecture=found, parameters=parameters, accuracy=score)


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


def _store(name: str, path: Path) -> StoreEntry:
    try:
        with GuideStore.open(path, allow_incomplete=True) as store:
            return StoreEntry(
                name=name,
                state="sealed" if store.seal else "incomplete",
                views=(store.views.start, store.views.stop),
                views_done=store.completeness().views_done,
                nbytes=store.nbytes,
                seal=store.seal,
            )
    except DgkdError as error:
        return StoreEntry(name=name, state="refused", why=str(error))
    except OSError as error:
        return StoreEntry(name=name, state="refused", why=f"{error.strerror}")
