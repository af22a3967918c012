"""The chain runner: train, dump, train, dump, ..., student; what is done and still valid is skipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dgkd_cache.device.device import resolve_device, resolve_precision
from dgkd_cache.errors import Damaged, DgkdError, Mismatch, StoreNotFound, UnsafeStore
from dgkd_cache.models.card import ModelCard, load_card
from dgkd_cache.paths import CARD_FILE, is_there, leftovers
from dgkd_cache.progress import Progress
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.archive import set_aside
from dgkd_cache.workspace.chain_check import check_chain
from dgkd_cache.workspace.recipe import resolve_recipe
from dgkd_cache.workspace.run_check import require_sound
from dgkd_cache.workspace.run_lock import run_lock, sweep_workspace
from dgkd_cache.workspace.tasks import TrainRequest, dump_guide, dump_seconds, train_model
from dgkd_cache.workspace.tasks.expected_inputs import expected_inputs
from dgkd_cache.workspace.tasks.finished import remove_leftovers
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, StoreHeader, decimal

__all__ = ["ChainRow", "chain_rows", "run_chain"]


@dataclass(frozen=True, kw_only=True)
class ChainRow:
    """One model of the chain as it stands: `done`, `missing`, `training` (begun) or `stale`, and why."""

    model: str
    architecture: str
    parameters: int | None
    guides: tuple[str, ...]
    accuracy: str | None
    train_seconds: float | None
    dump_seconds: float | None
    cache_bytes: int | None
    state: str
    why: str


def run_chain(
    ws: Workspace,
    *,
    device: str,
    remake: bool,
    take_over: bool = False,
    progress: Progress,
    stop: Callable[[], bool],
) -> list[ChainRow]:
    """Makes every model of the chain and the store of every model that later ones learn from.

    What is finished and still valid is skipped. Something stale is refused with Mismatch, which says why; with `remake`
    it is set aside under `aside/` and made again: a run with its stores, or the stores alone where the run is valid.
    `take_over` takes processes of other hosts that hold a run or a store for dead.
    A run whose files are not what was written is treated in the same way, and refused with Damaged. That,
    a model that cannot be built for these views, and settings that contradict each other are refused before anything is
    trained. Raises what training and dumping raise.
    """
    for name, damage in _damaged_runs(ws).items():
        if not remake:
            raise damage
        kept = set_aside(ws, name, take_over=take_over, stop=stop)
        progress.say(f"{name} is damaged ({damage.problem}): set aside in {kept}")
    _check(ws, device, progress)
    sweep_workspace(ws.folder, stop=stop)
    for name in ws.chain:
        standing = _standing(ws, name, device)
        if standing.run == "done":
            _remove_leftovers(ws, name, take_over, stop)
        if standing.state == "done":
            progress.say(f"{name} is done and up to date")
            continue
        if standing.run == "stale":
            _set_aside(ws, name, standing, remake, take_over, progress, stop)
        if standing.run != "done":
            request = TrainRequest(
                name=name,
                architecture=ws.architecture(name),
                guides=[ws.store_path(guide) for guide in ws.guides_for(name)],
                training=ws.config.training_for(name),
                distillation=ws.config.distillation,
            )
            train_model(ws, request, take_over=take_over, device=device, progress=progress, stop=stop)
            # A store of an earlier run of that name may still be there.
            standing = _standing(ws, name, device)
        if _teaches(ws, name):
            if standing.store == "stale":
                _set_aside(ws, name, standing, remake, take_over, progress, stop)
            dump_guide(ws, model=name, take_over=take_over, device=device, progress=progress, stop=stop)
    return chain_rows(ws, device=device)


def chain_rows(ws: Workspace, *, device: str = "auto") -> list[ChainRow]:
    """The chain as it stands, without changing anything."""
    return [_row(ws, name, device) for name in ws.chain]


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """A run and its store, each `done`, `missing`, `training` (begun) or `stale`; a store may also be not needed."""

    card: ModelCard | None
    run: str
    run_why: str
    store: str = "done"
    store_why: str = ""
    cache_bytes: int | None = None

    @property
    def state(self) -> str:
        return self.store if self.run == "done" else self.run

    @property
    def why(self) -> str:
        return self.store_why if self.run == "done" else self.run_why


def _standing(ws: Workspace, name: str, device: str) -> _Standing:
    folder = ws.run_folder(name)
    card = load_card(folder) if is_there(folder / CARD_FILE) else None
    run, run_why = _run_state(ws, name, card, device)
    if card is None or not _teaches(ws, name):
        return _Standing(card=card, run=run, run_why=run_why)
    store, store_why, cache_bytes = _store_state(ws, name, card, device)
    return _Standing(card=card, run=run, run_why=run_why, store=store, store_why=store_why, cache_bytes=cache_bytes)


def _row(ws: Workspace, name: str, device: str) -> ChainRow:
    standing = _standing(ws, name, device)
    card = standing.card
    return ChainRow(
        model=name,
        architecture=ws.architecture(name),
        parameters=card.parameters if card else None,
        guides=ws.guides_for(name),
        accuracy=card.accuracy.get("test") if card else None,
        train_seconds=card.seconds if card else None,
        dump_seconds=dump_seconds(ws.run_folder(name)),
        cache_bytes=standing.cache_bytes,
        state=standing.state,
        why=standing.why,
    )


def _set_aside(
    ws: Workspace,
    name: str,
    standing: _Standing,
    remake: bool,
    take_over: bool,
    progress: Progress,
    stop: Callable[[], bool],
) -> None:
    """Moves a stale run with its stores to `aside/`, or the stores of a valid run; Mismatch without `remake`."""
    if not remake:
        raise _stale(ws, name, standing)
    stores_only = standing.run == "done"
    kept = set_aside(ws, name, stores_only=stores_only, take_over=take_over, stop=stop)
    what = "the store of " if stores_only else ""
    progress.say(f"{what}{name} is stale ({standing.why}): set aside in {kept}")


def _stale(ws: Workspace, name: str, standing: _Standing) -> Mismatch:
    if standing.run == "done":
        return Mismatch(
            f"the store of {name} is stale",
            expected="a store made with the settings of today",
            found=standing.why,
            do=f"undo the change, or `{ws.command('run --remake')}` sets the store aside, dumps it again and "
            "makes all that learnt from it again",
        )
    return Mismatch(
        f"{name} is stale",
        expected="a run and a store made with the settings of today",
        found=standing.why,
        do=f"undo the change, or `{ws.command('run --remake')}` sets it aside with all that learnt from it "
        "and makes them again",
    )


def _damaged_runs(ws: Workspace) -> dict[str, DgkdError]:
    """The chain's runs whose files are not what was written, each with what was found first; reads all of them.

    A card of another version is among them: `run --remake` sets it aside. Raises what a copy would not mend, such as a
    file that may not be read.
    """
    found: dict[str, DgkdError] = {}
    for name in ws.chain:
        folder = ws.run_folder(name)
        try:
            require_sound(folder)
            if is_there(folder / CARD_FILE):
                load_card(folder)
        except DgkdError as error:
            if not isinstance(error, Damaged | UnsafeStore | Mismatch):
                raise
            do = f"restore it from a copy, or {ws.remedy(name)} (`{ws.command('run --remake')}` does both)"
            found[name] = type(error)(error.problem, expected=error.expected, found=error.found, do=do)
    return found


def _remove_leftovers(ws: Workspace, name: str, take_over: bool, stop: Callable[[], bool]) -> None:
    folder = ws.run_folder(name)
    if leftovers(folder):
        with run_lock(folder, name, take_over=take_over, stop=stop):
            remove_leftovers(folder)


def _check(ws: Workspace, device: str, progress: Progress) -> None:
    standings = {name: _standing(ws, name, device) for name in ws.chain}
    check_chain(
        ws,
        trained={name: one.card.parameters for name, one in standings.items() if one.card and one.run == "done"},
        to_dump=[name for name, one in standings.items() if _teaches(ws, name) and one.state != "done"],
        progress=progress,
    )


def _run_state(ws: Workspace, name: str, card: ModelCard | None, device: str) -> tuple[str, str]:
    before = record.read_inputs(ws.run_folder(name))
    if before is None:
        return ("stale", "a model of unknown inputs") if card else ("missing", "not begun")
    seals: dict[str, str] = {}
    for guide in ws.guides_for(name):
        seal = _seal(ws.store_path(guide))
        if seal is None:
            return "missing", f"waits for the store of {guide}"
        seals[guide] = seal
    now = expected_inputs(
        ws,
        architecture=ws.architecture(name),
        guides=seals,
        live="",
        training=resolve_recipe(ws.config.training_for(name), resolve_device(device), begun=before),
        distillation=ws.config.distillation,
    )
    differing = record.changes(before, now)
    if differing:
        return "stale", "; ".join(differing)
    return ("done", "") if card else ("training", "begun and not finished")


def _store_state(ws: Workspace, name: str, card: ModelCard, device: str) -> tuple[str, str, int | None]:
    path = ws.store_path(name)
    if not path.exists():
        return "missing", "not dumped", None
    with GuideStore.open(path, allow_incomplete=True) as store:
        header, sealed, nbytes = store.header, store.seal is not None, store.nbytes
    cache, views, precision = ws.config.cache, ws.config.views, str(header.compute.get("precision"))
    wanted = {
        "weights": (header.guide.weights_digest[:16], card.weights_digest[:16]),
        "view plan": (header.plan_digest[:16], ws.plan().digest[:16]),
        "views": (_span(header), f"0 to {views.count - 1}"),
        "temperature": (header.temperature, decimal(cache.temperature)),
        "encoding": (header.encoding, cache.encoding),
        "precision": (precision, resolve_precision(cache.precision, resolve_device(device), begun=precision)),
        "batch_size": (str(header.compute.get("batch")), str(cache.batch_size)),
        "licence": (repr(header.licence), repr(cache.licence)),
    }
    differing = [f"the store's {key}: {old} -> {new}" for key, (old, new) in wanted.items() if old != new]
    if differing:
        return "stale", "; ".join(differing), nbytes
    return ("done", "", nbytes) if sealed else ("training", "dump begun and not finished", nbytes)


def _span(header: StoreHeader) -> str:
    return f"{header.first_view} to {header.first_view + header.views - 1}"


def _seal(path: Path) -> str | None:
    try:
        with GuideStore.open(path, allow_incomplete=True) as store:
            return store.seal
    except StoreNotFound:
        return None


def _teaches(ws: Workspace, name: str) -> bool:
    later = ws.chain[ws.chain.index(name) + 1 :]
    return any(name in ws.guides_for(other) for other in later)
