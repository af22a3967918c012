"""A worker of a study: takes what is ready and held by nobody, until nothing is left.

Any number of them share a folder: a run or store is claimed by its own lock, and what a killed worker had is taken up
at its last checkpoint or chunk. It renews the leases of its locks: a dead one on another host is seen by that.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dgkd_cache.device.device import resolve_device, resolve_precision
from dgkd_cache.device.environment import MACHINE, describe
from dgkd_cache.errors import DgkdError, Interrupted, Locked, Mismatch, NoPermission, NoSpace
from dgkd_cache.paths import CARD_FILE
from dgkd_cache.progress import Progress
from dgkd_cache.study.controls import write_control
from dgkd_cache.study.plan import StudyPlan, StudyRun, StudyStore
from dgkd_cache.study.records import make_record, read_record, write_record
from dgkd_cache.workspace.run_lock import RunLock, run_lock
from dgkd_cache.workspace.tasks import TrainRequest, dump_guide, train_model
from dgkd_cache.workspace.tasks.dump import add_dump_seconds, dump_settings, load_guide, writer_of
from dgkd_stores import GuideStore
from dgkd_stores.disk import LeaseWatch, ViewLock, renewing

__all__ = ["missing", "work_on"]

_WAIT = 1.0  # seconds between two looks at what others hold


def missing(plan: StudyPlan) -> list[StudyRun | StudyStore]:
    """Returns what there is to do, in the plan's order: the runs without a record, and what these need.

    So a study goes on from its records alone: a guide whose record is there is trained again only if a student that
    is not there learns from it.
    """
    wanted: dict[Path, None] = {}

    def want(one: StudyRun | StudyStore) -> None:
        if one.path in wanted or _is_made(one):
            return
        wanted[one.path] = None
        for needed in one.needs:
            want(needed)

    for one in plan.work:
        if isinstance(one, StudyRun) and read_record(one) is None:
            wanted[one.path] = None
            for store in one.needs:
                want(store)
    return [one for one in plan.work if one.path in wanted]


def work_on(
    plan: StudyPlan, *, device: str, take_over: bool = False, progress: Progress, stop: Callable[[], bool]
) -> dict[StudyRun | StudyStore, DgkdError]:
    """Makes what is missing, beside other workers, and returns once nothing is.

    `take_over` takes workers on other hosts for dead at once; otherwise they are once their leases stand still (see
    `LeaseWatch`). Returns what could not be made and why, such as a run whose loss is not finite; everything that does
    not need it is made. Raises Interrupted once `stop` says so, and Mismatch, NoPermission and NoSpace, which are of
    the folder or the machine and not of a run.
    """
    with renewing():
        return _work_on(plan, device, take_over, progress, stop)


def _work_on(
    plan: StudyPlan, device: str, take_over: bool, progress: Progress, stop: Callable[[], bool]
) -> dict[StudyRun | StudyStore, DgkdError]:
    said, watch = set[str](), LeaseWatch()
    failed: dict[StudyRun | StudyStore, DgkdError] = {}
    while left := _possible(plan, failed):
        progress.say(f"{len(left)} of {len(plan.work)} runs and stores are left")
        held: list[tuple[StudyRun | StudyStore, Locked]] = []
        for one in filter(_is_ready, left):
            if isinstance(one, StudyRun) and one.name not in said:
                said.add(one.name)
                progress.say(f"{one.name}: {one.model} of {', '.join(one.wanted_by)}, seed {one.training.seed}")
            try:
                _make(one, device, take_over, progress, stop)
                break
            except Locked as error:
                held.append((one, error))
            except (Interrupted, Mismatch, NoPermission, NoSpace):
                raise
            except DgkdError as error:
                failed[one] = error
                progress.warn(f"{_name(one)} cannot be made, the rest goes on: {error}")
                break
        else:
            _wait(held, said, watch, progress, stop)
        if stop():
            raise Interrupted("the study was stopped", do="run the same command again to go on from there")
    return failed


def _possible(plan: StudyPlan, failed: Collection[StudyRun | StudyStore]) -> list[StudyRun | StudyStore]:
    """Returns what is missing, but for what `failed` and what needs that."""
    lost, left = {*failed}, []
    for one in missing(plan):
        if one not in lost and lost.isdisjoint(one.needs):
            left.append(one)
        else:
            lost.add(one)
    return left


def _wait(
    held: Sequence[tuple[StudyRun | StudyStore, Locked]],
    said: set[str],
    watch: LeaseWatch,
    progress: Progress,
    stop: Callable[[], bool],
) -> None:
    """Waits for other workers, says once who they are, and removes the locks of those whose leases have expired."""
    for one, error in held:
        if str(error.found) not in said:
            said.add(str(error.found))
            progress.say(f"waiting for {error.found}: {error.problem}")
        if isinstance(one, StudyRun):
            expired = watch.look(one.workspace.run_folder(one.name), RunLock.names, stop=stop)
        else:
            expired = watch.look(one.path, ViewLock.names, stop=stop)
        for owner in expired:
            progress.warn(f"{owner} no longer renews its lease: what it worked on is taken over")
    time.sleep(_WAIT)


def _make(
    one: StudyRun | StudyStore, device: str, take_over: bool, progress: Progress, stop: Callable[[], bool]
) -> None:
    common: dict[str, Any] = {"device": device, "take_over": take_over, "progress": progress, "stop": stop}
    if isinstance(one, StudyStore) and one.control:
        source, plain = one.sources[0].path, one.sources[-1].path
        common.pop("device")
        write_control(one.path, one.control, source=source, plain=plain, **common)
        return
    if isinstance(one, StudyStore):
        _remove_begun_elsewhere(one, device, take_over, progress, stop)
        if one.has_views_of_run:
            done = dump_guide(one.workspace, model=one.run.name, path=one.path, **common)
            add_dump_seconds(one.run.path, done.seconds)
        else:
            _dump_other_views(one, **common)
        return
    _refuse_another_kind(one, device)
    request = TrainRequest(
        name=one.name,
        architecture=one.architecture,
        guides=[] if one.live else [store.path for store in one.guides],
        live=[one.workspace.run_folder(store.run.name) for store in one.guides] if one.live else [],
        training=one.training,
        distillation=one.distillation,
        test_every=1,
    )
    train_model(one.workspace, request, **common)
    with run_lock(one.workspace.run_folder(one.name), one.name, take_over=take_over, stop=stop) as lock:
        if read_record(one) is None:
            record = make_record(one, device=device, progress=progress)
            lock.check()
            write_record(one, record)


def _refuse_another_kind(one: StudyRun, device: str) -> None:
    """Raises Mismatch before a run whose record is there would be trained to other weights than those of the record."""
    if (record := read_record(one)) is None or (one.path / CARD_FILE).exists():
        return
    here = describe(resolve_device(device), one.training.precision)
    if other := [name for name in MACHINE if record["compute"].get(name) != here.get(name)]:
        raise Mismatch(
            f"{one.name} was trained on another kind of machine, and students that are not there yet learn from it",
            expected=", ".join(f"{name} {record['compute'].get(name)}" for name in other),
            found=", ".join(f"{name} {here.get(name)}" for name in other),
            do=f"copy {one.path} from there, or go on with the study there",
        )


def _dump_other_views(
    one: StudyStore, *, device: str, take_over: bool, progress: Progress, stop: Callable[[], bool]
) -> None:
    """Dumps a model on views that it was not trained on, which `dump_guide` refuses."""
    ws, where = one.workspace, resolve_device(device)
    guide = load_guide(one.run.workspace, one.run.name, progress)
    settings = dump_settings(ws.config.cache, resolve_precision(ws.config.cache.precision, where))
    views = range(ws.config.views.count)
    writer = writer_of(ws, *guide, path=one.path, views=views, settings=settings, device=where)
    writer.run(take_over=take_over, progress=progress, stop=stop)


def _remove_begun_elsewhere(
    one: StudyStore, device: str, take_over: bool, progress: Progress, stop: Callable[[], bool]
) -> None:
    """Removes an unfinished store that another kind of machine began: its rows and ours do not mix.

    Raises Locked if somebody writes it.
    """
    if not one.path.exists() or _is_sealed(one.path):
        return
    views = range(one.workspace.config.views.count)
    with ViewLock(one.path, views, guide=one.run.name, take_over=take_over, stop=stop) as lock:
        with GuideStore.open(one.path, allow_incomplete=True) as store:
            begun, sealed = store.header.compute, store.seal is not None
        here = describe(resolve_device(device), str(begun.get("precision")))
        other = [name for name in MACHINE if begun.get(name) != here.get(name)]
        if other and not sealed:
            # By way of the lock's folder, which is gone if the lock is: what others have written since is not removed.
            gone = lock.partial_of(one.path)
            os.rename(one.path, gone)
            shutil.rmtree(gone)
            progress.say(f"the dump of {one.run.name} was begun with another {', '.join(other)}: it starts anew")


def _is_made(one: StudyRun | StudyStore) -> bool:
    """Returns True once it has what others need of it: the weights of a run, the rows of a store."""
    return (one.path / CARD_FILE).exists() if isinstance(one, StudyRun) else _is_sealed(one.path)


def _is_sealed(path: Path) -> bool:
    with suppress(DgkdError), GuideStore.open(path, allow_incomplete=True) as store:
        return store.seal is not None
    return False


def _is_ready(one: StudyRun | StudyStore) -> bool:
    return all(map(_is_made, one.needs))


def _name(one: StudyRun | StudyStore) -> str:
    return one.name if isinstance(one, StudyRun) else f"the store of {one.run.name}"
