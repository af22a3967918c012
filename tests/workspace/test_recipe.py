"""`auto` is chosen when work begins; what was chosen then stands, whatever the rule would choose now."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from support.tiny_chain import Lines, content, dump, run, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.device import autotune, device as compute
from dgkd_cache.device.autotune import Rule
from dgkd_cache.errors import Damaged, Interrupted, Mismatch
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace.chain import chain_rows
from dgkd_stores import GuideStore

AUTO = {"training__precision": "auto", "training__channels_last": "auto", "cache__precision": "auto"}
TWO = 'teacher = "plain2"\nstudent = "plain2"'


def rule(monkeypatch: pytest.MonkeyPatch, precision: str, channels_last: bool) -> None:
    """From now on this is what `auto` takes on this machine, as an older version or another processor chose."""
    rule = Rule(precision=precision, channels_last=channels_last, because="a test says so")
    monkeypatch.setattr(compute, "processor_unit", lambda capability, flags: "made up")
    monkeypatch.setitem(autotune.RULES, "made up", rule)


def recorded(ws, name: str) -> tuple[str, str]:
    inputs = json.loads((ws.run_folder(name) / "inputs.json").read_text())
    return inputs["training.precision"], inputs["training.channels_last"]


def test_a_finished_chain_stays_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(monkeypatch, "bf16", False)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    run(ws)
    assert recorded(ws, "teacher") == ('"bf16"', "false")
    card = load_card(ws.run_folder("teacher"))
    assert (card.training["precision"], card.training["channels_last"]) == ("bf16", False)
    with GuideStore.open(ws.store_path("teacher")) as store:
        assert store.header.compute["precision"] == "bf16"
    before = content(ws.folder)
    rule(monkeypatch, "float32", True)
    assert {row.state for row in chain_rows(ws, device="cpu")} == {"done"}
    run(ws)
    assert content(ws.folder) == before
    given = ws.with_config(with_overrides(ws.config, {"training.precision": "float32"}))
    assert chain_rows(given, device="cpu")[0].why == 'training.precision was "bf16", is "float32"'
    card = train(ws, "teacher", training=ws.config.training_for("teacher"), fresh=True)
    assert recorded(ws, "teacher") == ('"float32"', "true") and card.training["precision"] == "float32"


def test_what_was_begun_goes_on_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped under one rule and resumed under another: the bytes of a chain that was not stopped."""
    rule(monkeypatch, "bf16", True)
    whole = workspace(tmp_path / "whole", chain=TWO, **AUTO)
    run(whole)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    calls = itertools.count(1)
    with pytest.raises(Interrupted, match="training"):
        run(ws, stop=lambda: next(calls) == 4)
    rule(monkeypatch, "float32", False)
    train(ws, "teacher", training=ws.config.training_for("teacher"))
    rule(monkeypatch, "bf16", True)
    with pytest.raises(Interrupted, match="dump"):
        dump(ws, "teacher", stop=lambda: next(calls) == 9)
    rule(monkeypatch, "float32", False)
    dump(ws, "teacher")
    rule(monkeypatch, "bf16", True)
    run(ws)
    assert content(ws.folder) == content(whole.folder)


def test_live_guides_keep_the_precision_they_began_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(monkeypatch, "bf16", True)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    train(ws, "teacher")
    folders = [ws.run_folder("teacher")]
    card = train(ws, "student", live=folders)
    rule(monkeypatch, "float32", False)
    assert train(ws, "student", live=folders) == card
    given = ws.with_config(with_overrides(ws.config, {"cache.precision": "float32"}))
    with pytest.raises(Mismatch, match='live was "bf16", is "float32"'):
        train(given, "student", live=folders)


def test_a_record_edited_by_hand_is_damage_and_no_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(monkeypatch, "bf16", True)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    train(ws, "teacher")
    path = ws.run_folder("teacher") / "inputs.json"
    for wrong in ('"float16"', "1", "{"):
        inputs = {**json.loads(path.read_text()), "training.precision": wrong}
        path.write_text(json.dumps(inputs))
        with pytest.raises(Damaged, match="inputs.json"):
            train(ws, "teacher")


def test_the_first_line_says_what_was_chosen_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(monkeypatch, "bf16", True)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    calls, progress = itertools.count(1), Lines()
    with pytest.raises(Interrupted, match="training"):
        run(ws, stop=lambda: next(calls) == 4, progress=progress)
    assert progress.lines[0] == "teacher: bf16, channels last: auto on made up"
    rule(monkeypatch, "float32", False)
    progress = Lines()
    run(ws, progress=progress)
    assert progress.lines[0] == "teacher: bf16, channels last: as the run was begun"
    assert "teacher: dumped in float32: auto on made up" in progress.lines
    assert "student: float32, contiguous: auto on made up" in progress.lines
    given = with_overrides(ws.config, {"training.precision": "bf16", "training.channels_last": True})
    train(ws, "other", training=given.training, progress=(progress := Lines()))
    assert progress.lines[0] == "other: bf16, channels last: as the recipe says"


def test_a_begun_dump_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(monkeypatch, "bf16", True)
    ws = workspace(tmp_path / "ws", chain=TWO, **AUTO)
    train(ws, "teacher")
    dump(ws, "teacher")
    rule(monkeypatch, "float32", True)
    dump(ws, "teacher", progress=(progress := Lines()))
    assert progress.lines[0] == "teacher: dumped in bf16: as the store was begun"
