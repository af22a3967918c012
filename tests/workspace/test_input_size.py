"""The size that a model's input is resized to: told in the first lines, chosen by a setting, part of the record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tiny_chain import Lines, dump, run, train, workspace

from dgkd_cache.config.file import read_tables
from dgkd_cache.config.template import render_config
from dgkd_cache.config.workspace_config import parse_config, read_config, with_overrides
from dgkd_cache.errors import Mismatch
from dgkd_cache.models.saved import load_model
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.tasks import evaluate_model, plan_chain
from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main

CHAIN = 'teacher = "resnet8"\nstudent = "plain2"'

PLAIN = 'teacher = "plain2"\nstudent = "plain2"'


def told(lines: Lines) -> list[str]:
    return [line for line in lines.lines if " input " in line]


def test_train_dump_and_plan_say_it_once(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN, training__epochs=1)
    tables = {**ws.config.to_dict()}
    tables["training"]["teacher"] = {"input_size": 16}
    ws = ws.with_config(parse_config(tables, source="here"))
    lines = Lines()
    run(ws, progress=lines)
    assert told(lines) == [
        "teacher: input 8 -> 16 (training.input_size)",
        "teacher: input 8 -> 16 (as it was trained)",
    ]
    model, card = load_model(ws.run_folder("teacher"))
    assert card.preprocess.input_size == 16 and (card.height, card.width) == (8, 8)
    assert "input_size" not in card.training
    planned = Lines()
    plan_chain(ws, device="cpu", seconds=0.01, progress=planned)
    assert told(planned) == ["teacher: input 8 -> 16 (training.input_size)"]
    evaluated, live = Lines(), Lines()
    score = evaluate_model(ws, model="teacher", split="test", device="cpu", progress=evaluated)
    assert told(evaluated) == ["teacher: input 8 -> 16 (as it was trained)"]
    train(ws, "alive", live=[ws.run_folder("teacher")], progress=live)
    assert told(live) == told(evaluated)
    assert f"{round(score.accuracy, 6):g}" == card.accuracy["test"]
    assert dump(ws, "teacher").seal


def test_a_model_made_for_one_size_is_told_how_to_choose(tmp_path: Path) -> None:
    planned = Lines()
    chain = 'teacher = "torchvision:squeezenet1_1"\nstudent = "plain2"'
    ws = workspace(tmp_path / "ws", chain=chain, training__batch_size=2, distillation__method="scratch")
    plan_chain(ws, device="cpu", seconds=0.01, progress=planned)
    assert told(planned) == [
        "teacher: input 8 -> 224 (what torchvision:squeezenet1_1 was made for; training.input_size chooses another)"
    ]


def test_it_is_part_of_the_record_and_its_default_is_not(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain=PLAIN, training__epochs=1, distillation__method="scratch")
    run(ws)
    record = ws.run_folder("student") / "inputs.json"
    assert "training.input_size" not in json.loads(record.read_text())
    other = ws.with_config(with_overrides(ws.config, {"training.input_size": 12}))
    assert {row.why for row in chain_rows(other, device="cpu")} == {"training.input_size was not set, is 12"}
    with pytest.raises(Mismatch, match="training.input_size was not set, is 12"):
        train(other, "student", training=other.config.training_for("student"))
    run(other, remake=True)
    assert json.loads(record.read_text())["training.input_size"] == "12"
    assert {row.why for row in chain_rows(ws, device="cpu")} == {"training.input_size was 12, is not set"}


def test_the_template_has_it(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws")
    text = render_config(ws.config)
    assert "# input_size =" in text and "pixels a side that views are resized to" in text
    (tmp_path / "other.toml").write_text(text.replace("# input_size =", "input_size = 20 #"))
    assert read_config(tmp_path / "other.toml").training.input_size == 20
    assert read_tables(tmp_path / "other.toml")["cache"]["accept_probabilities"] is False


def test_on_the_command_line(tmp_path: Path) -> None:
    ws: Workspace = workspace(tmp_path / "ws", chain=PLAIN)
    words = ["-w", str(ws.folder), "train", "--model", "teacher", "--epochs", "1", "--device", "cpu"]
    done = CliRunner().invoke(main, [*words, "--input-size", "16"])
    assert done.exit_code == 0, done.output
    assert "teacher: input 8 -> 16 (training.input_size)" in done.stderr.splitlines()[:5]
