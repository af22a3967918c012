"""Makes the runs and stores of a study: trains and measures a run, dumps a store or changes the rows of one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkd_cache.device.device import resolve_device, resolve_precision
from dgkd_cache.device.environment import MACHINE, describe
from dgkd_cache.errors import DgkdError, Mismatch
from dgkd_cache.paths import CARD_FILE
from dgkd_cache.progress import Progress
from dgkd_cache.study.controls import write_control
from dgkd_cache.study.plan import StudyRun, StudyStore
from dgkd_cache.study.records import make_record, read_record, write_record
from dgkd_cache.workspace.dumped_here import record_dumped
from dgkd_cache.workspace.run_lock import run_lock
from dgkd_cache.workspace.tasks import TrainRequest, dump_guide, train_model
from dgkd_cache.workspace.tasks.dump import add_dump_seconds, dump_settings, load_guide, writer_of
from dgkd_stores import GuideStore
from dgkd_stores.disk import ViewLock

__all__ = ["Maker", "is_made"]


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes one run or store after the other, each from where a stopped process has left it."""

    device: str
    take_over: bool
    """True to take processes on other hosts for dead at once."""
    progress: Progress
    stop: Callable[[], bool]

    def make(self, one: StudyRun | StudyStore) -> None:
        """Makes a run with its record, or a store. Raises Locked while another process does, and Interrupted."""
        if isinstance(one, StudyRun):
            self._train(one)
        elif one.control:
            write_control(
                one.path,
                one.control,
                source=one.sources[0].path,
                plain=one.sources[-1].path,
                take_over=self.take_over,
                progress=self.progress,
                stop=self.stop,
            )
            with GuideStore.open(one.path) as store:
                record_dumped(one.workspace.folder, str(store.seal))
        else:
            self._remove_begun_elsewhere(one)
            self._dump(one)

    def _train(self, run: StudyRun) -> None:
        self._refuse_another_kind(run)
        request = TrainRequest(
            name=run.name,
            architecture=run.architecture,
            guides=[] if run.live else [store.path for store in run.guides],
            live=[run.workspace.run_folder(store.run.name) for store in run.guides] if run.live else [],
            training=run.training,
            distillation=run.distillation,
            pruning=run.pruning,
            test_every=1,
        )
        train_model(
            run.workspace,
            request,
            device=self.device,
            take_over=self.take_over,
            progress=self.progress,
            stop=self.stop,
        )
        with run_lock(run.path, run.name, take_over=self.take_over, stop=self.stop) as lock:
            if read_record(run) is None:
                record = make_record(run, device=self.device, progress=self.progress)
                lock.check()
                write_record(run, record)

    def _dump(self, store: StudyStore) -> None:
        ws, run = store.workspace, store.run
        if store.has_views_of_run:
            done = dump_guide(
                ws,
                model=run.name,
                draw=store.draw,
                path=store.path,
                device=self.device,
                take_over=self.take_over,
                progress=self.progress,
                stop=self.stop,
            )
            add_dump_seconds(run.path, done.seconds, draw=store.draw)
            return
        # Views that the model was not trained on, which `dump_guide` refuses.
        where, views = resolve_device(self.device), range(ws.config.views.count)
        guide = load_guide(run.workspace, run.name, self.progress)
        settings = dump_settings(ws.config.cache, resolve_precision(ws.config.cache.precision, where))
        writer = writer_of(ws, *guide, path=store.path, views=views, settings=settings, device=where, draw=store.draw)
        other = writer.run(take_over=self.take_over, progress=self.progress, stop=self.stop)
        if other.seal:
            record_dumped(ws.folder, other.seal)

    def _refuse_another_kind(self, run: StudyRun) -> None:
        """Raises Mismatch before a run whose record is there would be trained to other weights than the record's."""
        if (record := read_record(run)) is None or (run.path / CARD_FILE).exists():
            return
        there, here = record["compute"], self._machine(run.training.precision)
        if other := _differing(there, here):
            raise Mismatch(
                f"{run.name} was trained on another kind of machine, and students that are not there yet learn from it",
                expected=", ".join(f"{name} {there.get(name)}" for name in other),
                found=", ".join(f"{name} {here.get(name)}" for name in other),
                do=f"copy {run.path} from there, or go on with the study there",
            )

    def _remove_begun_elsewhere(self, store: StudyStore) -> None:
        """Removes an unfinished store that another kind of machine began: its rows and ours do not mix.

        Raises Locked if somebody writes it.
        """
        if not store.path.exists() or _is_sealed(store.path):
            return
        views, guide = range(store.workspace.config.views.count), store.guide
        with ViewLock(store.path, views, guide=guide, take_over=self.take_over, stop=self.stop) as lock:
            with GuideStore.open(store.path, allow_incomplete=True) as opened:
                begun, sealed = opened.header.compute, opened.seal is not None
            other = _differing(begun, self._machine(str(begun.get("precision"))))
            if other and not sealed:
                # By way of the lock's folder, which is gone if the lock is: what others have written since stays.
                gone = lock.partial_of(store.path)
                os.rename(store.path, gone)
                shutil.rmtree(gone)
                self.progress.say(f"the dump of {guide} was begun with another {', '.join(other)}: it starts anew")

    def _machine(self, precision: str) -> Mapping[str, str | int]:
        return describe(resolve_device(self.device), precision)


def is_made(one: StudyRun | StudyStore) -> bool:
    """Returns True once it has what others need of it: the weights of a run, the rows of a store."""
    return (one.path / CARD_FILE).exists() if isinstance(one, StudyRun) else _is_sealed(one.path)


def _is_sealed(path: Path) -> bool:
    with suppress(DgkdError), GuideStore.open(path, allow_incomplete=True) as store:
        return store.seal is not None
    return False


def _differing(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Returns in what two machines differ, of what the last bits depend on and no setting decides."""
    return [name for name in MACHINE if there.get(name) != here.get(name)]
