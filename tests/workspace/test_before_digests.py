"""Runs from before there were digests, committed as they were: usable, not stale, and called unverified."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tiny_chain import Lines, dump, run, train

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Damaged, Mismatch
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.training.metrics import read_metrics
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.expected_inputs import expected_inputs
from dgkd_cache.workspace.listing import list_runs
from dgkd_cache.workspace.run_check import check_run
from dgkd_cache.workspace.tasks import evaluate_model
from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main

FIXTURE = Path(__file__).parent / "fixtures" / "runs-before-digests"


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    shutil.copytree(FIXTURE, tmp_path / "ws")
    return Workspace.open(tmp_path / "ws")


def test_a_chain_from_before_is_done(ws: Workspace) -> None:
    before = {path: path.read_bytes() for path in ws.folder.rglob("*") if path.is_file()}
    lines = Lines()
    assert [(row.state, row.why) for row in run(ws, progress=lines)] == [("done", ""), ("done", "")]
    assert lines.lines == ["teacher is done and up to date", "student is done and up to date"]
    assert {path: path.read_bytes() for path in ws.folder.rglob("*") if path.is_file()} == before


def test_it_is_called_unverified_and_not_damaged(ws: Workspace) -> None:
    assert [(run.name, run.state, run.why.partition(":")[0]) for run in list_runs(ws)] == [
        ("teacher", "done", "unverified"),
        ("student", "done", "unverified"),
        ("stopped", "begun", ""),
    ]
    check = check_run(ws.run_folder("student"))
    assert (check.verified, check.problems) == (False, ())
    for verb in (["ls"], ["info", "student"], ["verify", "student"]):
        said = CliRunner().invoke(main, ["-w", str(ws.folder), *verb])
        assert said.exit_code == 0 and "unverified" in said.stdout, said.output


def test_it_can_be_used_in_every_way(ws: Workspace) -> None:
    result = evaluate_model(ws, model="student", split="test", device="cpu", progress=Silent())
    assert f"{round(result.accuracy, 6):g}" == load_card(ws.run_folder("student")).accuracy["test"]
    assert dump(ws, "teacher").seal, "its store is sealed"
    assert dump(ws, "student").seal
    assert train(ws, "live", live=[ws.run_folder("teacher")]).guides.keys() == {"teacher"}
    assert check_run(ws.run_folder("live")).verified


def test_what_its_card_has_a_digest_of_is_held_to_it(ws: Workspace) -> None:
    weights = ws.run_folder("teacher") / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(Damaged, match="weights.safetensors has changed since its card was written"):
        run(ws)


def test_a_run_that_was_stopped_goes_on(ws: Workspace) -> None:
    """To the weights of the student, which has the same recipe and guides: on this processor, at least nearly."""
    lines = Lines()
    card = train(ws, "stopped", guides=[ws.store_path("teacher")], progress=lines)
    assert "stopped: going on at step 4 of 6" in lines.lines
    assert [line["epoch"] for line in read_metrics(ws.run_folder("stopped") / "metrics.jsonl")] == [0, 1]
    assert card.guides == load_card(ws.run_folder("student")).guides
    stopped, student = (read_metrics(ws.run_folder(name) / "metrics.jsonl") for name in ("stopped", "student"))
    assert [line["loss"] for line in stopped] == pytest.approx([line["loss"] for line in student], rel=1e-4)
    check = check_run(ws.run_folder("stopped"))
    assert (check.state, check.verified) == ("done", True)


def test_no_key_is_recorded_that_these_runs_do_not_have(ws: Workspace) -> None:
    """Whoever adds a setting says in `IMPLIED` what older runs had: else it would make them all stale."""
    known = json.loads((ws.run_folder("student") / "inputs.json").read_text())
    for name in ws.chain:
        now = inputs_of(ws, name)
        assert now.keys() <= known.keys() | record.flatten(record.IMPLIED).keys()
        assert record.changes(json.loads((ws.run_folder(name) / "inputs.json").read_text()), now) == []


def inputs_of(ws: Workspace, name: str) -> dict[str, str]:
    card = load_card(ws.run_folder(name))
    return expected_inputs(
        ws,
        architecture="plain2",
        guides=dict(card.guides),
        live="",
        training=ws.config.training_for(name),
        distillation=ws.config.distillation,
    )


def test_a_later_setting_makes_no_older_run_stale_at_the_value_it_had_by_implication(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting of today stands for one that came later: it is taken out of the older records."""
    key, implied = "training.nesterov", False
    monkeypatch.setitem(record.IMPLIED, key, implied)
    for name in ("teacher", "student"):
        folder = ws.run_folder(name)
        older = json.loads((folder / "inputs.json").read_text())
        assert older.pop(key) == "false"
        record.write_inputs(folder, older)
        card = json.loads((folder / "card.json").read_text()) | {"inputs_digest": record.digest(older)}
        (folder / "card.json").write_text(json.dumps(card))
    assert {row.state for row in run(ws)} == {"done"}
    other = ws.with_config(with_overrides(ws.config, {"training.nesterov": True}))
    assert {row.why for row in chain_rows(other, device="cpu")} == {"training.nesterov was not set, is true"}
    with pytest.raises(Mismatch, match="training.nesterov was not set, is true"):
        run(other)
    train(ws, "later", training=ws.config.training)
    assert key not in json.loads((ws.run_folder("later") / "inputs.json").read_text())
