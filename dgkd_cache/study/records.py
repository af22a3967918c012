"""The record of a finished run of a study: what it is made of, and what is measured of it, without any clock.

Its bytes are the same whoever makes it, on one kind of processor. Measuring forwards the run's model alone: what its
guides say of the test set and of the first view lies in their stores. Reading records loads no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.errors import Damaged, Mismatch
from dgkd_cache.paths import CARD_FILE, METRICS_FILE
from dgkd_cache.progress import Progress
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.run_files.reading import damaged_file
from dgkd_cache.study.files import read_json, write_json
from dgkd_cache.study.measures import agreement, measure
from dgkd_cache.study.plan import StudyRun
from dgkd_cache.study.record_fields import first_wrong_field
from dgkd_cache.training.metrics import read_metrics
from dgkd_stores import GuideStore

if TYPE_CHECKING:
    from dgkd_cache.datasets.dataset import Dataset

__all__ = ["Record", "make_record", "read_record", "read_record_of", "record_path", "write_record"]

_MEASURE_AGAIN = "remove this file: the comparison measures the run again, whose weights are kept"

Record = Mapping[str, Any]
"""A record as JSON has it."""


def record_path(run: StudyRun) -> Path:
    """Returns the path of a run's record, which may not exist."""
    return run.workspace.folder / "records" / f"{run.name}.json"


def make_record(run: StudyRun, *, device: str, progress: Progress) -> Record:
    """Measures a finished run, and returns its record."""
    # These load torch, which reading records does without.
    from dgkd_cache.device.device import resolve_device
    from dgkd_cache.study.costs import cost_of
    from dgkd_cache.workspace.tasks.dump import dump_settings, load_guide, writer_of

    ws = run.workspace
    network, card = load_guide(ws, run.name, progress)
    where = resolve_device(device)
    settings = dump_settings(ws.config.cache.model_copy(update={"temperature": 1.0, "encoding": "float32"}), "float32")
    # Nothing is written: the writer's draft forwards a model in the batches of a dump.
    draft = writer_of(ws, network, card, path=record_path(run), views=range(1), settings=settings, device=where).draft
    test, train = ws.dataset().test, ws.dataset().train
    progress.start(f"measure {run.name}", total=len(test) + (len(train) if run.guides else 0), unit="samples")
    test_MC = draft.test_rows(progress)
    view_NC = draft.logits.of_first_rows(draft.train, 0, len(train), progress) if run.guides else None
    measures = measure(test_MC, test.labels_N)
    progress.finish(f"test accuracy {100 * measures.top1:.2f} %")
    plain = sorted({source.path.stem for store in run.guides for source in store.sources[1:]})
    dump_forwards = draft.forwards + (ws.config.views.count - 1) * len(train)  # the draft is of one view
    draw_of = {store.path.stem: store.draw for store in run.guides if store.draw is not None}
    metrics = read_metrics(ws.run_folder(run.name) / METRICS_FILE)
    return {
        "format": "dgkd-study-record",
        "version": 1,
        "run": run.name,
        "model": run.model,
        "architecture": run.architecture,
        "parameters": card.parameters,
        "training": card.training,
        "guides": {store.path.stem: card.guides[store.guide] for store in run.guides},
        "guide_runs": [*dict.fromkeys(store.run.name for store in run.guides)],
        **({"draw_of": draw_of} if draw_of else {}),
        **({"source_run": run.source.name} if run.source else {}),
        "store_bytes": {store.path.stem: _bytes(store.path) for store in run.guides},
        "weights": card.weights_digest,
        "dataset": card.dataset,
        "classes": [*card.classes],
        **_words_of(ws.dataset()),
        "compute": card.compute,
        "cost": {
            **cost_of(run, len(train) - ws.config.dataset.validation),
            "dump_forwards": dump_forwards,
            **({"control_forwards": dict.fromkeys(plain, draft.forwards)} if plain else {}),
            **({"draw_forwards": dict.fromkeys(draw_of, dump_forwards)} if draw_of else {}),
        },
        "epochs": [{key: value for key, value in line.items() if key != "seconds"} for line in metrics],
        "test": asdict(measures),
        "agreement": {
            store.path.stem: _agreement(store.path, test_MC, view_NC) for store in run.guides if view_NC is not None
        },
    }


def _words_of(dataset: Dataset) -> Record:
    """Returns one word or phrase for each class, where the data set calls its classes by ids."""
    return {"class_words": [words[0].partition(",")[0] for words in dataset.class_words]} if dataset.class_words else {}


def _bytes(path: Path) -> int:
    with GuideStore.open(path) as store:
        return store.nbytes


def _agreement(path: Path, test_MC: NDArray[np.float32], view_NC: NDArray[np.float32]) -> Record:
    """Returns the agreement with a guide, at the temperature 1, on the test set and on the first view."""
    with GuideStore.open(path) as store:
        temperature = float(store.header.temperature)
        samples_N = np.arange(len(view_NC))
        held_as = store.encoding.at(1.0)
        rows_NC = held_as.decode(store.gather_stored(np.zeros_like(samples_N), samples_N)) * temperature
        tests_MC = held_as.decode(store.test_stored).astype(np.float32) * temperature
        return {
            "test": asdict(agreement(test_MC, tests_MC)),
            "view 0": asdict(agreement(view_NC, rows_NC)),
        }


def write_record(run: StudyRun, record: Record) -> None:
    """Writes a record in one rename. Raises NoSpace."""
    write_json(record_path(run), record)


def read_record(run: StudyRun) -> Record | None:
    """Returns the record of a run as `read_record_of` does."""
    return read_record_of(run.workspace.folder, run.name)


def read_record_of(folder: Path, name: str) -> Record | None:
    """Returns the record of the run `name` of the study in `folder`, None if there is none.

    The run itself may be elsewhere; if it is here, its card tells of the data set what an older record does not. Raises
    Damaged for what is no record of that run, and Mismatch if the run was trained again to other weights.
    """
    path, run = folder / "records" / f"{name}.json", folder / "runs" / name
    try:
        record = read_json(path)
    except FileNotFoundError:
        return None
    except Damaged as error:
        raise error.with_hint(do=_MEASURE_AGAIN) from error
    if wrong := first_wrong_field(record):
        raise damaged_file(path, *wrong, do=_MEASURE_AGAIN)
    if record["run"] != name:
        raise damaged_file(path, f"the record of {name}", f"that of {record['run'][:64]!r}", do=_MEASURE_AGAIN)
    if (run / CARD_FILE).exists():
        card = load_card(run)
        if record["weights"] != card.weights_digest:
            raise Mismatch(
                f"{path} is the record of other weights than those in {run}",
                expected=f"weights {card.weights_digest[:16]}",
                found=str(record["weights"])[:16],
                do="keep the one that the other runs of the study learned from, and set the other one aside",
            )
        record = {"dataset": card.dataset, "classes": [*card.classes], **record}
    return record
