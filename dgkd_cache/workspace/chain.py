"""The chain runner: train, dump, train, dump, ..., student; what is done and still valid is skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dgkd_cache.errors import Incomplete, Mismatch
from dgkd_cache.paths import leftovers
from dgkd_cache.progress import Progress, Silent, check_reporting
from dgkd_cache.training.loggers.registry import require_loggers
from dgkd_cache.workspace.archive import archive_run
from dgkd_cache.workspace.chain_check import check_chain, damaged_runs
from dgkd_cache.workspace.chain_state import ChainState, ModelState
from dgkd_cache.workspace.guide_stores import guides_with_stores
from dgkd_cache.workspace.pruning import pruning_of
from dgkd_cache.workspace.run_lock import run_lock, sweep_workspace
from dgkd_cache.workspace.tasks import TrainRequest, dump_draws, dump_guide, dump_seconds, train_model
from dgkd_cache.workspace.tasks.finished import remove_leftovers
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores.arguments import require_flags, require_integer, require_kind

__all__ = ["ChainRow", "chain_rows", "run_chain"]


@dataclass(frozen=True, kw_only=True)
class ChainRow:
    """One model of the chain as it stands; what is not known is None."""

    model: str
    """The name of the model in the chain."""
    architecture: str
    """The architecture's name."""
    parameters: int | None
    """The number of elements of all parameters."""
    guides: tuple[str, ...]
    """The names of the models that it learns from."""
    accuracy: str | None
    """The accuracy on the test set, a decimal fraction."""
    train_seconds: float | None
    """The time of the training, in seconds."""
    dump_seconds: float | None
    """The time of the dump, in seconds."""
    cache_bytes: int | None
    """The size of its stores, in bytes."""
    state: str
    """`done`, `missing`, `begun` or `stale`."""
    why: str
    """The reason of the state; empty where there is nothing to say."""


def run_chain(
    ws: Workspace,
    *,
    device: str = "auto",
    remake: bool = False,
    take_over: bool = False,
    test_every: int = 0,
    log: Sequence[str] = (),
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[ChainRow]:
    """Makes every model of the chain and the store of every model that later ones learn from.

    What is finished and still valid is skipped. Something stale is refused with Mismatch, which says why; with `remake`
    it is set aside under `aside/` and made again: a run with its stores, or the stores alone where the run is valid.
    What is stale from the start is refused before anything is trained. `take_over` takes processes of other hosts that
    hold a run or a store for dead; `test_every` and `log` are those of `TrainRequest`.
    A run whose files are not what was written is treated in the same way, and refused with Damaged. That,
    a model that cannot be built for these views, and settings that contradict each other are refused before anything is
    trained. Raises Mismatch and Damaged as above, Incomplete for a model that is not adopted yet, InvalidInput for
    arguments of another kind, and what training and dumping raise.
    """
    require_kind("run_chain", "ws", ws, Workspace, expected="a Workspace", do='write ws=Workspace.open("FOLDER")')
    require_kind("run_chain", "device", device, str, expected="auto, cpu, cuda or cuda:N of this machine")
    require_flags("run_chain", remake=remake, take_over=take_over)
    require_integer("run_chain", "test_every", test_every, low=0)
    require_kind("run_chain", "log", log, (list, tuple), expected='names of loggers, as ["tensorboard"]')
    require_loggers(log)
    check_reporting("run_chain", progress, stop)
    ws, progress = ws.stopping(stop), progress or Silent()
    for name, damage in damaged_runs(ws).items():
        if not remake or ws.member(name).kind == "adopted":
            raise damage
        kept = archive_run(ws, name, take_over=take_over, stop=stop)
        progress.say(f"{name} is damaged ({damage.problem}): set aside in {kept}")
    state = ChainState(ws, device)
    check_chain(ws, trained=state.trained, to_dump=state.to_dump, progress=progress)
    for name in ws.chain:
        if ws.member(name).kind == "adopted" and state.of(name).run != "done":
            raise _not_adopted(ws, name, state.of(name))  # another file of weights is the user's to find
        if not remake and state.of(name).state == "stale":
            raise _stale(ws, name, state.of(name))
    sweep_workspace(ws.folder, stop=stop)
    for name in ws.chain:
        if name in ws.trained_here and state.of(name).run == "done":
            _remove_leftovers(ws, name, take_over, stop)
        if state.of(name).state == "done":
            progress.say(f"{name} is done and up to date")
            continue
        if ws.member(name).kind == "adopted" and state.of(name).run != "done":
            raise _not_adopted(ws, name, state.of(name))
        if state.of(name).run == "stale":
            _archive_stale(ws, name, state, remake, take_over, progress, stop)
        if state.of(name).run != "done":
            request = TrainRequest(
                name=name,
                architecture=ws.architecture(name),
                guides=[*guides_with_stores(ws, name).values()],
                names=tuple(guides_with_stores(ws, name)),
                training=ws.config.training_for(name),
                distillation=ws.config.distillation,
                pruning=pruning_of(ws, name),
                test_every=test_every,
                log=log,
            )
            train_model(ws, request, take_over=take_over, device=device, progress=progress, stop=stop)
            state.forget(name)
        if ws.teaches(name):
            if state.of(name).store == "stale":  # that of an earlier run may still be there
                _archive_stale(ws, name, state, remake, take_over, progress, stop)
            _dump(ws, name, take_over, device, progress, stop)
            state.forget(name)
    return _rows(ws, state)


def chain_rows(ws: Workspace, *, device: str = "auto") -> list[ChainRow]:
    """The chain as it stands, without changing anything."""
    return _rows(ws, ChainState(ws, device))


def _dump(ws: Workspace, name: str, take_over: bool, device: str, progress: Progress, stop: Callable[[], bool]) -> None:
    """Dumps the model, or the draws of it that are the guides of later models."""
    model, draws = ws.run_name(name), ws.config.cache.draws
    if draws:
        dump_draws(ws, model=model, draws=draws, take_over=take_over, device=device, progress=progress, stop=stop)
    else:
        dump_guide(ws, model=model, take_over=take_over, device=device, progress=progress, stop=stop)


def _rows(ws: Workspace, state: ChainState) -> list[ChainRow]:
    return [_row(ws, name, state.of(name)) for name in ws.chain]


def _row(ws: Workspace, name: str, state: ModelState) -> ChainRow:
    card, guide = state.card, state.header.guide if state.header else None
    known = card or guide
    return ChainRow(
        model=name,
        architecture=known.architecture if known and name not in ws.trained_here else ws.architecture(name),
        parameters=(known.parameters or None) if known else None,
        guides=ws.guides_for(name),
        accuracy=card.accuracy.get("test") if card else (guide.accuracy or None) if guide else None,
        train_seconds=card.seconds if card else None,
        dump_seconds=dump_seconds(ws.run_folder(name)),
        cache_bytes=state.cache_bytes,
        state=state.state,
        why=state.why,
    )


def _archive_stale(
    ws: Workspace,
    name: str,
    state: ChainState,
    remake: bool,
    take_over: bool,
    progress: Progress,
    stop: Callable[[], bool],
) -> None:
    """Moves a stale run with its stores to `aside/`, or the stores of a valid run; Mismatch without `remake`."""
    found = state.of(name)
    if not remake:
        raise _stale(ws, name, found)
    stores_only = found.run == "done"
    kept = archive_run(ws, name, stores_only=stores_only, take_over=take_over, stop=stop)
    what = f"the store of {name}" if stores_only else name
    progress.say(f"{what} is stale ({found.why}): set aside in {kept}")
    state.forget(name)


def _stale(ws: Workspace, name: str, found: ModelState) -> Mismatch:
    """Returns the error for a stale run, or for the stale store of a valid one."""
    if found.kept:
        what, expected = f"the store of {name}", "a store made with the settings of today"
        do = (
            f"undo the change, or `{ws.command('run --remake')}` sets the store aside, dumps it again and remakes "
            "every model distilled from it"
        )
    else:
        what, expected = name, "a run and a store made with the settings of today"
        do = (
            f"undo the change, or `{ws.command('run --remake')}` sets it aside with every model distilled from it and "
            "makes them again"
        )
    return Mismatch(f"{what} is stale", expected=expected, found=found.why, do=do)


def _not_adopted(ws: Workspace, name: str, found: ModelState) -> Incomplete | Mismatch:
    """Returns the error for a member that is not adopted yet, or whose run is another model than it was."""
    run = ws.run_name(name)
    if found.run == "missing":
        return Incomplete(
            f"{name} is not adopted",
            expected=f"the finished run {run}, of weights from elsewhere",
            found=f"none in {ws.run_folder(name)}",
            do=f"`{ws.adopt_command(run)}` adopts it",
        )
    return Mismatch(
        f"{name} is stale",
        expected=f"the run {run} as it was adopted, for the classes and the test set of today",
        found=found.why,
        do=f"undo the change, or {ws.remedy(run)}",
    )


def _remove_leftovers(ws: Workspace, name: str, take_over: bool, stop: Callable[[], bool]) -> None:
    folder = ws.run_folder(name)
    if leftovers(folder):
        with run_lock(folder, name, take_over=take_over, stop=stop):
            remove_leftovers(folder)
