"""What lies in a workspace: its runs and its guide stores, each with its state and size. Loads no torch.

States are told from the files alone; whether a run still fits the settings is for `run` to say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dgkd_cache.errors import DgkdError
from dgkd_cache.run_files import CARD_FILE
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores.reading.reader import GuideStore

__all__ = ["RunEntry", "StoreEntry", "list_runs", "list_stores"]


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """One run: `done`, `begun`, `missing` (of the chain, not begun) or `damaged`."""

    name: str
    state: str
    architecture: str = ""
    parameters: int | None = None
    accuracy: str | None = None
    nbytes: int = 0


@dataclass(frozen=True, kw_only=True)
class StoreEntry:
    """One store: `sealed`, `incomplete` or `refused` (and why); `views` are first and one past the last.

    What has no name as a store goes by its path.
    """

    name: str
    state: str
    views: tuple[int, int] | None = None
    views_done: int = 0
    nbytes: int = 0
    seal: str | None = None
    why: str = ""


def list_runs(ws: Workspace) -> list[RunEntry]:
    """The chain's runs in its order, then the others by name."""
    there = ws.runs()
    names = (*ws.chain, *(name for name in there if name not in ws.chain))
    return [_run(ws, name) for name in names]


def list_stores(ws: Workspace) -> list[StoreEntry]:
    """All that lies under `guides/`, stores first, in the same order; each is opened, its rows are not read."""
    names = set(ws.stores())
    return [_store(one, ws.store_path(one) if one in names else Path(one)) for one in ws.guides()]


def _run(ws: Workspace, name: str) -> RunEntry:
    folder = ws.run_folder(name)
    architecture = ws.config.chain.get(name, "")
    if not folder.is_dir():
        return RunEntry(name=name, state="missing", architecture=architecture)
    nbytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        return RunEntry(
            name=name,
            state="done",
            architecture=str(card["architecture"]),
            parameters=int(card["parameters"]),
            accuracy=card["accuracy"].get("test"),
            nbytes=nbytes,
        )
    except FileNotFoundError:
        return RunEntry(name=name, state="begun", architecture=architecture, nbytes=nbytes)
    except (ValueError, TypeError, KeyError, AttributeError):
        return RunEntry(name=name, state="damaged", architecture=architecture, nbytes=nbytes)


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
