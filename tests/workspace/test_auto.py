"""`auto` is chosen when work begins; what was chosen then stands, whatever a later measurement says."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from support.tiny_chain import content, dump, run, train, workspace

from dgkd_cache import compute
from dgkd_cache.errors import Interrupted, Mismatch
from dgkd_cache.models.card import load_card
from dgkd_cache.profit import Combination, Profit
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.config import with_overrides
from dgkd_stores import GuideStore

AUTO = {"training__precision": "auto", "training__channels_last": "auto", "cache__precision": "auto"}
TWO = 'teacher = "plain2"\nstudent = "plain2"'


def measured(monkeypatch: pytest.MonkeyPatch, precision: str, channels_last: bool) -> None:
    """From now on this combination is ten times as fast as any other."""
    seconds = {
        Combination(precision=name, channels_last=last): 0.1 if (name, last) == (precision, channels_last) else 1.0
        for name, last in itertools.product(("float32", "bf16"), (False, True))
    }
    monkeypatch.setattr(compute, "processor_profit", lambda: Profit(seconds=seconds))


def recorded(ws, name: str) -> tuple[str, str]:
    inputs = json.loads((ws.run_folder(name) / "inputs.json").read_text())
    return inputs["training.precision"], inputs["training.channels_last"]


def test_a_finished_chain_stays_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, "bf16", False)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    run(ws)
    assert recorded(ws, "teacher") == ('"bf16"', "false")
    card = load_card(ws.run_folder("teacher"))
    assert (card.training["precision"], card.training["channels_last"]) == ("bf16", False)
    with GuideStore.open(ws.store_path("teacher")) as store:
        assert store.header.compute["precision"] == "bf16"
    before = content(ws.folder)
    measured(monkeypatch, "float32", True)
    assert {row.state for row in chain_rows(ws, device="cpu")} == {"done"}
    run(ws)
    assert content(ws.folder) == before
    given = ws.with_config(with_overrides(ws.config, {"training.precision": "float32"}))
    assert chain_rows(given, device="cpu")[0].why == 'training.precision: "bf16" -> "float32"'
    card = train(ws, "teacher", training=ws.config.training_for("teacher"), fresh=True)
    assert recorded(ws, "teacher") == ('"float32"', "true") and card.training["precision"] == "float32"


def test_what_was_begun_goes_on_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped under one measurement and resumed under another: the bytes of a chain that was not stopped."""
    measured(monkeypatch, "bf16", True)
    whole = workspace(tmp_path / "whole", chain=TWO, **AUTO)
    run(whole)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    calls = itertools.count(1)
    with pytest.raises(Interrupted, match="training"):
        run(ws, stop=lambda: next(calls) == 4)
    measured(monkeypatch, "float32", False)
    train(ws, "teacher", training=ws.config.training_for("teacher"))
    measured(monkeypatch, "bf16", True)
    with pytest.raises(Interrupted, match="dump"):
        dump(ws, "teacher", stop=lambda: next(calls) == 9)
    measured(monkeypatch, "float32", False)
    dump(ws, "teacher")
    measured(monkeypatch, "bf16", True)
    run(ws)
    assert content(ws.folder) == content(whole.folder)


def test_live_guides_keep_the_precision_they_began_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, "bf16", True)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    train(ws, "teacher")
    folders = [ws.run_folder("teacher")]
    card = train(ws, "student", live=folders)
    measured(monkeypatch, "float32", False)
    assert train(ws, "student", live=folders) == card
    given = ws.with_config(with_overrides(ws.config, {"cache.precision": "float32"}))
    with pytest.raises(Mismatch, match='live: "bf16" -> "float32"'):
        train(given, "student", live=folders)


def test_a_record_edited_by_hand_is_compared_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, "bf16", True)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    train(ws, "teacher")
    path = ws.run_folder("teacher") / "inputs.json"
    for wrong in ('"float16"', "1", "{"):
        inputs = {**json.loads(path.read_text()), "training.precision": wrong}
        path.write_text(json.dumps(inputs))
        with pytest.raises(Mismatch, match=r"training.precision: .* -> \"bf16\""):
            train(ws, "teacher")
