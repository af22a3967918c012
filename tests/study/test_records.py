"""A record: what it measures against other ways to the same figures, and what no longer fits it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dgkd_cache.errors import Damaged, DgkdError, Mismatch
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.saved import load_model
from dgkd_cache.progress import Silent
from dgkd_cache.study.records import make_record, read_record, record_path, write_record
from dgkd_cache.study.study import run_study, set_up_study
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace.tasks import evaluate_model
from dgkd_cache.workspace.workspace import Workspace


@pytest.fixture
def student(ws: Workspace):
    """A finished student under two guides."""
    study = set_up_study(ws, methods=["dgkd"], seeds=[4])
    run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    return study.plan.students["dgkd", 4]


def forward(run, pixels: torch.Tensor) -> torch.Tensor:
    network, card = load_model(run.workspace.run_folder(run.name))
    with torch.no_grad():
        return network.eval()(Preprocessing(card.preprocess, channels_last=True)(pixels))


def test_figures_are_those_of_forwarding_student_and_guides(student) -> None:
    record, ws = read_record(student), student.workspace
    assert record is not None
    dataset = ws.dataset()
    test = torch.stack(list(dataset.test.each(np.arange(len(dataset.test)))))
    labels = torch.from_numpy(dataset.test.labels_N)
    logits = forward(student, test)
    assert record["test"]["nll"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert record["test"]["top1"] == (logits.argmax(1) == labels).double().mean().item()
    assert (
        record["test"]["top1"]
        == evaluate_model(ws, model=student.name, split="test", device="cpu", progress=Silent()).accuracy
    )
    view = ViewRenderer(ws.plan(), dataset.train).pixels(np.zeros(len(dataset.train), np.int64), np.arange(96))
    assert record["agreement"].keys() == {store.path.stem for store in student.guides}
    for store in student.guides:
        found = record["agreement"][store.path.stem]
        for name, pixels in (("test", test), ("view 0", view)):
            guide, mine = forward(store.run, pixels), forward(student, pixels)
            kl = F.kl_div(mine.log_softmax(1), guide.log_softmax(1), log_target=True, reduction="batchmean").item()
            assert found[name]["kl"] == pytest.approx(kl, rel=0.01, abs=1e-5)  # stores hold float16
            assert found[name]["top1"] == pytest.approx((guide.argmax(1) == mine.argmax(1)).float().mean().item())
            assert found[name]["samples"] == len(pixels)
    assert [line["epoch"] for line in record["epochs"]] == [0, 1]
    assert record["epochs"][-1]["test_accuracy"] == pytest.approx(record["test"]["top1"])
    assert record["guides"] == {store.path.stem: record["guides"][store.path.stem] for store in student.guides}


def test_it_has_no_clock_and_is_the_same_again(student) -> None:
    text = record_path(student).read_text()
    assert "seconds" not in text
    write_record(student, make_record(student, device="cpu", progress=Silent()))
    assert record_path(student).read_text() == text


def test_words_for_classes_that_are_called_by_ids(student) -> None:
    ws, silent = student.workspace, Silent()
    assert "class_words" not in json.loads(record_path(student).read_text())
    words = tuple((f"word {label}, other word", "more") for label in range(len(ws.dataset().train.classes)))
    ws._loaded[ws.config.dataset, ws.config.views.decoder] = dataclasses.replace(ws.dataset(), class_words=words)
    record = make_record(student, device="cpu", progress=silent)
    assert record["class_words"] == [f"word {label}" for label in range(len(words))]
    assert record["classes"] == list(ws.dataset().train.classes)


@pytest.mark.parametrize(("key", "error"), [("run", Damaged), ("weights", Mismatch)])
def test_a_record_of_another_run_is_refused(student, key: str, error: type[DgkdError]) -> None:
    record = json.loads(record_path(student).read_text())
    record_path(student).write_text(json.dumps({**record, key: "0" * 64}))
    with pytest.raises(error, match="record of"):
        read_record(student)
    for damaged in ("{", json.dumps({**record, "test": {**record["test"], "top1": "0.7"}})):
        record_path(student).write_text(damaged)
        with pytest.raises(Damaged, match="remove this file"):
            read_record(student)
    record_path(student).unlink()  # as the message says: it is measured again
    assert read_record(student) is None
