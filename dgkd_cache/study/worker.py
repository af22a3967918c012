"""A worker of a study: takes what is ready and held by nobody, until nothing is left.

Any number of them share a folder: a run or store is claimed by its own lock, and what a killed worker had is taken up
at its last checkpoint or chunk. It renews the leases of its locks: a dead one on another host is seen by that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from dgkd_cache.errors import DgkdError, Interrupted, Locked, Mismatch, NoPermission, NoSpace
from dgkd_cache.progress import Progress
from dgkd_cache.study.making import Maker, is_made
from dgkd_cache.study.plan import StudyPlan, StudyRun, StudyStore
from dgkd_cache.study.records import read_record
from dgkd_cache.workspace.run_lock import RunLock
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
        if one.path in wanted or is_made(one):
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
        return _Worker(Maker(device=device, take_over=take_over, progress=progress, stop=stop)).work_on(plan)


class _Worker:
    """A worker that makes things by `maker`; it remembers what it has said and seen of others."""

    def __init__(self, maker: Maker) -> None:
        self._maker, self._progress, self._stop = maker, maker.progress, maker.stop
        self._said, self._watch = set[str](), LeaseWatch()

    def work_on(self, plan: StudyPlan) -> dict[StudyRun | StudyStore, DgkdError]:
        failed: dict[StudyRun | StudyStore, DgkdError] = {}
        while left := _possible(plan, failed):
            count = f"{len(left)} of {len(plan.work)} runs and stores are left"
            self._say_once(count, count)
            held: list[tuple[StudyRun | StudyStore, Locked]] = []
            for one in left:
                if not all(map(is_made, one.needs)):
                    continue
                if isinstance(one, StudyRun):
                    words = f"{one.model} of {', '.join(one.wanted_by)}, seed {one.training.seed}"
                    self._say_once(one.name, f"{one.name}: {words}")
                try:
                    self._maker.make(one)
                    break
                except Locked as error:
                    held.append((one, error))
                except (Interrupted, Mismatch, NoPermission, NoSpace):
                    raise
                except DgkdError as error:
                    failed[one] = error
                    self._progress.warn(f"{_name(one)} cannot be made, the rest goes on: {error}")
                    break
            else:
                self._wait(held)
            if self._stop():
                raise Interrupted("the study was stopped", do="run the same command again to go on from there")
        return failed

    def _wait(self, held: Sequence[tuple[StudyRun | StudyStore, Locked]]) -> None:
        """Waits for other workers, says once who they are, and removes the locks of those whose leases have expired."""
        for one, error in held:
            self._say_once(str(error.found), f"waiting for {error.found}: {error.problem}")
            names = RunLock.names if isinstance(one, StudyRun) else ViewLock.names
            for owner in self._watch.look(one.path, names, stop=self._stop):
                self._progress.warn(f"{owner} no longer renews its lease: what it worked on is taken over")
        time.sleep(_WAIT)

    def _say_once(self, what: str, line: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._progress.say(line)


def _possible(plan: StudyPlan, failed: Collection[StudyRun | StudyStore]) -> list[StudyRun | StudyStore]:
    """Returns what is missing, but for what `failed` and what needs that."""
    lost, left = {*failed}, []
    for one in missing(plan):
        if one not in lost and lost.isdisjoint(one.needs):
            left.append(one)
        else:
            lost.add(one)
    return left


def _name(one: StudyRun | StudyStore) -> str:
    return one.name if isinstance(one, StudyRun) else f"the store of {one.run.name}"
