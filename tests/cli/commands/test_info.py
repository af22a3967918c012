"""`info`: a run or a store described, by its name or its path."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from support.given_logits import IDENTITY, Program, writer_of
from support.tiny_chain import train
from torch import nn

from dgkd_cache.errors import Interrupted
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, GuideStoreWriter, IdentityArrays

Command = Callable[..., Result]


def words(text: str) -> str:
    return " ".join(text.split())


def rows(result: Result) -> list[list[str]]:
    """Names and values; those that go on in another line, without what stands there."""
    return [re.split(r"  +", line.strip()) for line in result.stdout.splitlines()]


def test_info_says_what_has_become_of_the_weights(command: Command, workspace: Path, teacher: Path) -> None:
    assert ["state", "done"] in rows(command("info", str(teacher)))
    (teacher / "weights.safetensors").unlink()
    result = command("info", "teacher")
    assert result.exit_code == 0 and "damaged: runs/teacher/weights.safetensors cannot be read" in words(result.stdout)
    printed = json.loads(command("info", "teacher", "--json").stdout)["run_state"]
    assert printed["state"] == "damaged" and "no such file" in printed["why"]


def test_a_run_that_is_named_has_the_state_of_the_list(command: Command, workspace: Path, teacher: Path) -> None:
    """Its inputs are not known, so `run` would refuse it; of a path, only the files are looked at."""
    printed = json.loads(command("info", "teacher", "--json").stdout)["run_state"]
    assert printed == {"state": "stale", "why": "a model of unknown inputs"}
    views = {"views.transforms": ["crop(1)"], "views.scheme": "sampled", "views.count": 3, "views.schedule": "cycle"}
    record = {"dataset.validation": 0, "views.seed": 0, **views}
    other = teacher.rename(teacher.with_name("other"))
    (other / "inputs.json").write_text(json.dumps({key: json.dumps(value) for key, value in record.items()}))
    assert ["state", "stale: views.count was 3, is 2"] in rows(command("info", "other"))
    assert json.loads(command("info", str(other), "--json").stdout)["run_state"]["state"] == "done"


def test_a_guide_without_a_model_shows_whose_logits_it_has(command: Command, bars, plan, tmp_path: Path) -> None:
    """And what is damaged in it is not said to be mended by a run."""
    path = writer_of(tmp_path / "given.zarr", Program(bars, plan), tests=False).run().path
    result = command("info", str(path))
    shown = rows(result)
    for row in (
        ["weights", "none: a program gave the logits"],
        ["identity, service", "bars"],
        ["identity, version", "3"],
        ["accuracy (test)", "-"],
    ):
        assert row in shown
    assert not [row for row in shown if row[0] == "parameters"]
    printed = json.loads(command("info", str(path), "--json").stdout)["store"]
    assert printed["header"]["guide"]["training"]["identity"] == IDENTITY and printed["accuracy"] is None
    (path / "logits" / "c.1.0.0").unlink()
    result = command("verify", str(path))
    assert result.exit_code == 12
    assert "mends what needs no logits; repair() of its GuideWriter, in the program" in words(result.stderr)


def test_info_of_a_run_by_name_and_by_path(command: Command, workspace: Path, teacher: Path) -> None:
    result = command("info", "teacher")
    assert (result.exit_code, result.stderr) == (0, "")
    for word in ("plain6", "88.12 %", "1 min 15 s", "method scratch"):
        assert word in words(result.stdout)
    assert "\x1b" not in result.stdout and "[bold]" not in result.stdout
    printed = json.loads(command("info", str(teacher), "--json").stdout)
    assert (printed["run"]["name"], printed["store"]) == ("teacher", None)


def test_info_of_a_store_needs_neither_torch_nor_a_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, three_guides: list[Path]
) -> None:
    script = f"""
import sys
from dgkd_cli.main import main
for arguments in (["info", {str(three_guides[0])!r}], ["info", {str(three_guides[0])!r}, "--json"]):
    main.main(arguments, standalone_mode=False)
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text, brace, printed = done.stdout.partition("{")
    store = json.loads(brace + printed)["store"]
    attributes = json.loads((three_guides[0] / "zarr.json").read_text())["attributes"]
    assert store["header"] == attributes["dgkd"]
    assert store["seal"] == attributes["dgkd_seal"]
    assert (store["complete"], store["views_done"], store["blocks_missing"]) == (True, 3, 0)
    for word in ("sealed", attributes["dgkd_seal"], "data set bars, train samples 100 classes 4", "range 0:3"):
        assert word in words(text)


def test_info_of_a_run_that_is_begun(command: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """96 samples in batches of 32, three times: it is stopped after step 4 of 9."""
    monkeypatch.syspath_prepend(str(here))
    ws, calls = Workspace.open(Path(".")), itertools.count()
    recipe = ws.config.training_for("teacher")
    with pytest.raises(Interrupted):
        train(ws, "teacher", architecture="plain4", training=recipe, stop=lambda: next(calls) == 3)
    for what in ("teacher", "runs/teacher"):
        result = command("info", what)
        assert (result.exit_code, result.stderr) == (0, "")
        found = rows(result)
        assert ["state", "begun"] in found and ["reached", "step 4 of 9, in epoch 2 of 3"] in found
        assert ["next", "the same command continues it, with the settings below"] in found
        assert [word for (word, *more) in found if not more] == ["run", "model", "dataset", "views", "training"]
        assert (
            ["architecture", "plain4"] in found
            and ["epochs", "3"] in found
            and ["transforms", "crop(1), hflip"] in found
        )
    (here / "dgkd.toml").write_text((here / "dgkd.toml").read_text().replace("epochs = 3", "epochs = 5"))
    assert ["state", "stale: training.epochs was 3, is 5"] in rows(command("info", "teacher"))
    (here / "runs" / "teacher" / "checkpoint.safetensors").unlink()
    assert ["reached", "no step is saved yet"] in rows(command("info", "teacher"))
    printed = json.loads(command("info", "teacher", "--json").stdout)
    assert (printed["run"], printed["run_state"]["state"], printed["begun"]["step"]) == (None, "stale", 0)
    assert printed["begun"]["settings"]["training.epochs"] == 3


def test_info_of_a_model_that_is_not_begun_names_what_trains_it(command: Command, workspace: Path) -> None:
    result = command("info", "ta1")
    assert result.exit_code == 10 and "no run and no guide store for 'ta1'" in result.stderr
    assert result.stderr.endswith("`dgkd-cache run` trains and dumps the whole chain\n")


def test_info_of_an_unfinished_store(
    command: Command, workspace: Path, dump: Callable[..., Path], make_tiny: Callable[..., nn.Module]
) -> None:
    dump(workspace / "guides" / "ta1.zarr", make_tiny(1), mine=range(1))
    result = command("info", "ta1")
    assert result.exit_code == 0, result.stderr
    assert ["state", "incomplete: 1 of 3 views are done"] in rows(result)
    assert ["next", "the same command continues it: the other views are dumped"] in rows(result)
    printed = json.loads(command("ls", "--json").stdout)["stores"]
    assert [(one["name"], one["state"], one["views_done"]) for one in printed] == [("ta1", "incomplete", 1)]


def test_info_of_a_guide_of_unknown_accuracy(command: Command, tmp_path: Path, three_guides: list[Path]) -> None:
    with GuideStore.open(three_guides[0]) as store:
        header = dataclasses.replace(store.header, guide=dataclasses.replace(store.header.guide, accuracy=""))
        names = {field.name for field in dataclasses.fields(IdentityArrays)} - {"condensed"}
        arrays = {name: getattr(store, name) for name in names}
        with GuideStoreWriter(tmp_path / "g.zarr", header, IdentityArrays(**arrays)):
            pass
    result = command("info", str(tmp_path / "g.zarr"))
    assert result.exit_code == 0, result.stderr
    assert ["accuracy (test)", "-"] in rows(result)


def test_info_of_nothing_names_what_is_there(command: Command, workspace: Path, teacher: Path) -> None:
    result = command("info", "techer")
    assert (result.exit_code, result.stdout) == (10, "")
    assert "'techer': expected one of teacher; `dgkd-cache ls`" in result.stderr


@pytest.mark.parametrize("width", [80, 120])
def test_at_any_width_no_line_is_longer_and_every_setting_has_its_own(
    command: Command,
    save_teacher: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
) -> None:
    """The long text of a state and the list of guides are broken between words; a digest stays whole."""
    training = {"epochs": 3, "lr_steps": [0.5, 0.75], "nesterov": False, "lambda": 0.5, "always": [], "method": "dgkd"}
    guides = {f"ta{i}": f"{i:x}" * 64 for i in range(1, 8)}
    folder = save_teacher(training=training, guides=guides, accuracy={"test": "0.5"}, compute={"device": "cpu"})
    (folder / "weights.safetensors").unlink()
    monkeypatch.setenv("COLUMNS", str(width))
    result = command("info", "teacher")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= width
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles == ["run", "model", "data", "views", "training", "distillation", "computed with"]
    found = rows(result)
    for row in (["epochs", "3"], ["lr_steps", "0.5, 0.75"], ["nesterov", "false"], ["lambda", "0.5"]):
        assert found.count(row) == 1
    assert lines.index("distillation") < found.index(["method", "dgkd"])
    assert lines.index("training") < found.index(["epochs", "3"]) < lines.index("distillation")
    for word in (
        *(seal[:16] for seal in guides.values()),
        json.loads((folder / "card.json").read_text())["weights_digest"],
    ):
        assert sum(bool(re.search(rf"\b{word}\b", line)) for line in lines) == 1
