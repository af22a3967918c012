"""`ls`, `run --dry-run` and `run` agree about a chain whose settings, data or guides have changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tiny_chain import MODULE, Lines, content, run, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Damaged, Interrupted, InvalidInput, Mismatch
from dgkd_cache.progress import Silent
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.chain_preview import ModelPreview, preview_chain
from dgkd_cache.workspace.listing import list_runs, list_stores
from dgkd_cache.workspace.workspace import Workspace
from dgkd_cli.main import main

ALL = ("teacher", "ta1", "student")


def preview(ws: Workspace) -> dict[str, ModelPreview]:
    return {one.model: one for one in preview_chain(ws, device="cpu", progress=Silent())}


def listed(ws: Workspace) -> dict[str, str]:
    """The state of each model by `ls`; a store that is stale counts for its model, as for `run`."""
    states = {run.name: run.state for run in list_runs(ws)}
    for store in list_stores(ws):
        if states[store.name] == "done" and store.state == "stale":
            states[store.name] = "stale"
    return states


def changed(ws: Workspace, **settings: object) -> Workspace:
    keys = {key.replace("__", "."): value for key, value in settings.items()}
    return ws.with_config(with_overrides(ws.config, keys))


@pytest.mark.parametrize(
    ("settings", "stale", "why"),
    [
        ({"training__lr": 0.05}, ALL, "training.lr was 0.1, is 0.05"),
        ({"training__student__lr": 0.05}, ("student",), "training.lr was 0.1, is 0.05"),
        ({"training__ta1__seed": 7}, ("ta1",), "training.seed was 0, is 7"),
        ({"training__input_size": 12}, ALL, "training.input_size was not set, is 12"),
        ({"distillation__keep": 0.5}, ("ta1", "student"), "distillation.keep was 0.75, is 0.5"),
        ({"distillation__lambda": 0.25}, ("ta1", "student"), "distillation.lambda was 0.5, is 0.25"),
        ({"distillation__method": "kd"}, ("ta1", "student"), 'distillation.method was "dgkd", is "kd"'),
        ({"views__count": 3}, ALL, "views.count was 2, is 3"),
        ({"views__seed": 1}, ALL, "views.seed was 0, is 1"),
        ({"views__transforms": ["hflip"]}, ALL, 'views.transforms was ["crop(1)", "hflip"], is ["hflip"]'),
        ({"cache__encoding": "uint8"}, ("teacher", "ta1"), 'the store\'s encoding was "float16", is "uint8"'),
        ({"cache__batch_size": 16}, ("teacher", "ta1"), "the store's batch_size was 32, is 16"),
        ({"cache__licence": "CC0"}, ("teacher", "ta1"), 'the store\'s licence was "", is "CC0"'),
        ({"cache__precision": "bf16"}, ("teacher", "ta1"), 'the store\'s precision was "float32", is "bf16"'),
        ({"cache__temperature": 2.0}, ALL, "temperature was 4"),
        ({"dataset__validation": 8}, ALL, "dataset.validation was 0, is 8"),
        ({"chain__ta1": "plain4"}, ("ta1",), 'architecture was "plain2", is "plain4"'),
        ({"cache__codec": "zstd", "cache__reader": "pread", "training__workers": 0}, (), ""),
    ],
)
def test_all_three_agree(done, settings: dict[str, object], stale: tuple[str, ...], why: str) -> None:
    ws, _ = done
    other, before = changed(ws, **settings), content(ws.folder)
    assert {name for name, state in listed(other).items() if state == "stale"} == set(stale)
    shown = preview(other)
    assert {name for name, one in shown.items() if one.exit_code} == set(stale)
    if not stale:
        assert {row.state for row in run(other)} == {"done"}
        return
    told = {one.name: one.why for one in (*list_stores(other), *list_runs(other)) if one.state == "stale"}
    assert why in told[stale[0]] and why in shown[stale[0]].why and " stale because " in f" {shown[stale[0]].line}"
    with pytest.raises(Mismatch, match=rf"^(the store of )?{stale[0]} is stale") as caught:
        run(other)
    assert {one.exit_code for one in shown.values() if one.exit_code} == {caught.value.exit_code} == {13}
    assert content(ws.folder) == before


def test_the_commands_agree(done, tmp_path: Path) -> None:
    ws = copied(done[0], tmp_path)
    before = content(ws.folder)

    def said(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["-w", str(ws.folder), *words])
        return result.exit_code, " ".join(result.output.split())

    assert said("run", "--dry-run")[0] == 0
    text = (ws.folder / "dgkd.toml").read_text()
    (ws.folder / "dgkd.toml").write_text(text.replace("[cache]", '[cache]\nencoding = "uint8"'))
    code, listing = said("ls")
    assert code == 0 and "teacher stale 0:2" in listing
    assert 'teacher: stale: the store\'s encoding was "float16", is "uint8"' in listing
    code, lines = said("run", "--dry-run", "--device", "cpu")
    assert code == 13 and "`run` would stop at teacher" in lines
    assert (
        'teacher: its store is stale because its encoding was "float16", is "uint8": `--remake` would dump it again'
        in lines
    )
    code, error = said("run", "--device", "cpu")
    assert code == 13 and "the store of teacher is stale" in error and 'encoding was "float16", is "uint8"' in error
    assert content(ws.folder) == before
    assert said("run", "--dry-run", "--remake")[0] == 0


@pytest.mark.parametrize(
    ("settings", "again"),
    [
        ({"training__ta1__lr": 0.05}, {"ta1", "student"}),
        ({"cache__licence": "CC0"}, {"teacher", "ta1", "student"}),
        ({"training__student__epochs": 1}, {"student"}),
    ],
)
def test_what_would_be_made_again_is_what_remake_sets_aside(
    done, tmp_path: Path, settings: dict[str, object], again: set[str]
) -> None:
    ws = changed(copied(done[0], tmp_path), **settings)
    foreseen = {name for name, one in preview(ws).items() if "again" in (one.train, one.dump)}
    assert foreseen == again
    assert {row.state for row in run(ws, remake=True)} == {"done"}
    assert {path.name for path in (ws.folder / "aside").iterdir()} == {f"{name}-1" for name in again}
    assert {one.line for one in preview(ws).values()} == {"done, kept"}


def test_other_data_is_stale_for_those_that_read_it(done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_bars.py").write_text(MODULE.replace("split(96, 1)", "split(96, 9)"))
    monkeypatch.syspath_prepend(str(tmp_path))
    other = changed(done[0], dataset__name="other_bars:bars")
    assert set(listed(other).values()) == {"done"}, "`ls` reads no data"
    shown = preview(other)
    assert all(one.exit_code and "dataset.digest was " in one.line for one in shown.values())
    with pytest.raises(Mismatch, match=r"teacher is stale.*dataset.digest") as caught:
        run(other)
    assert caught.value.exit_code == 13


def test_another_guide_is_stale_for_all_three(done, tmp_path: Path) -> None:
    """A teacher of another seed, made elsewhere under the settings of today, takes the place of the old one."""
    ws = changed(copied(done[0], tmp_path), training__teacher__seed=7)
    shutil.rmtree(ws.run_folder("teacher"))
    shutil.rmtree(ws.store_path("teacher"))
    elsewhere = Workspace.init(tmp_path / "elsewhere", (ws.folder / "dgkd.toml").read_text())
    alone = elsewhere.with_config(ws.config.model_copy(update={"chain": {"teacher": "resnet14", "student": "plain2"}}))
    run(alone)
    shutil.copytree(alone.run_folder("teacher"), ws.run_folder("teacher"))
    shutil.copytree(alone.store_path("teacher"), ws.store_path("teacher"))
    assert listed(ws) == {"teacher": "done", "ta1": "stale", "student": "stale"}
    shown = preview(ws)
    assert [one.exit_code for one in shown.values()] == [0, 13, 13]
    assert "guides.teacher was " in shown["ta1"].line
    with pytest.raises(Mismatch, match=r"^ta1 is stale.*guides.teacher"):
        run(ws)


def test_what_is_missing_would_be_made(done, tmp_path: Path) -> None:
    new = workspace(tmp_path / "new")
    assert [one.line for one in preview(new).values()] == [
        "missing: would be trained, then dumped",
        "missing: would be trained under teacher, then dumped",
        "missing: would be trained under teacher, ta1",
    ]
    ws = copied(done[0], tmp_path)
    shutil.rmtree(ws.store_path("ta1"))
    shutil.rmtree(ws.run_folder("student"))
    assert {name: one.line for name, one in preview(ws).items()} == {
        "teacher": "done, kept",
        "ta1": "done, not dumped: would be dumped",
        "student": "missing: would be trained under teacher, ta1",
    }


def test_a_student_of_a_store_that_is_lost_is_kept_if_the_store_comes_back(done, tmp_path: Path) -> None:
    ws = copied(done[0], tmp_path)
    shutil.rmtree(ws.store_path("ta1"))
    line = preview(ws)["student"].line
    assert line.startswith("done: kept if the store of ta1 gets the seal that it was made with, else")
    assert listed(ws)["student"] == "done"
    stale = changed(ws, training__student__lr=0.05)
    assert preview(stale)["student"].exit_code == 13 and listed(stale)["student"] == "stale"
    with pytest.raises(Mismatch, match="^student is stale"):
        run(stale)
    assert not ws.store_path("ta1").exists(), "nothing is dumped for a chain that stops"
    assert {row.state for row in run(ws)} == {"done"}


def test_a_stale_store_is_refused_before_a_missing_one_is_made(done, tmp_path: Path) -> None:
    """Its run waits for the guide's seal, and its store is stale whatever that is."""
    ws = changed(copied(done[0], tmp_path), cache__licence="CC0")
    shutil.rmtree(ws.store_path("teacher"))
    shown = preview(ws)
    assert [one.exit_code for one in shown.values()] == [0, 13, 0]
    assert shown["ta1"].line.startswith('its store is stale because its licence was "", is "CC0"')
    assert listed(ws)["ta1"] == "stale"
    with pytest.raises(Mismatch, match="^the store of ta1 is stale"):
        run(ws)
    assert not ws.store_path("teacher").exists()
    assert {row.state for row in run(ws, remake=True)} == {"done"}


def test_damage_is_told_with_its_exit_code(done, tmp_path: Path) -> None:
    ws = copied(done[0], tmp_path)
    weights = ws.run_folder("teacher") / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    shown = preview(ws)
    assert (shown["teacher"].state, shown["teacher"].exit_code) == ("damaged", 12)
    assert shown["teacher"].line.endswith("`--remake` would train and dump it again")
    assert shown["ta1"].line.startswith("done: kept if the store of teacher gets the seal")
    assert listed(ws)["teacher"] == "damaged"
    with pytest.raises(Damaged):
        run(ws)


def test_what_run_refuses_before_training_is_refused(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", dataset__validation=96)
    for ask in (preview, run):
        with pytest.raises(InvalidInput, match="nothing to train on"):
            ask(ws)


def test_nothing_is_made_or_locked(tmp_path: Path) -> None:
    ws, said = workspace(tmp_path / "ws", views__count=3), Lines()
    before = sorted(ws.folder.rglob("*"))
    preview_chain(ws, device="cpu", progress=said)
    assert sorted(ws.folder.rglob("*")) == before
    assert any("2 epochs: the others are not read" in line for line in said.lines), "warnings are those of `run`"


def copied(ws: Workspace, folder: Path) -> Workspace:
    shutil.copytree(ws.folder, folder / "ws")
    return Workspace(folder / "ws", ws.config)


def test_what_was_begun_would_be_continued(tmp_path: Path) -> None:
    ws, asked = workspace(tmp_path / "ws"), iter([False] * 4)
    with pytest.raises(Interrupted):
        run(ws, stop=lambda: next(asked, True))
    assert preview(ws)["teacher"].line == "begun: its training would be continued, then dumped"
    assert {preview(ws)["teacher"].state, chain_rows(ws)[0].state, listed(ws)["teacher"]} == {"begun"}
    assert preview(changed(ws, training__lr=0.05))["teacher"].exit_code == 13
    assert listed(changed(ws, training__lr=0.05))["teacher"] == "stale"


@pytest.mark.parametrize(
    ("train", "after", "line"),
    [
        ("again", ("ta1",), "done: `--remake` would train it again, after its guide ta1"),
        ("again", ("teacher", "ta1"), "done: `--remake` would train it again, after its guides teacher, ta1"),
        ("keep", ("ta1",), "done: kept if the store of ta1 gets the seal that it was made with, else"),
        (
            "keep",
            ("teacher", "ta1"),
            "done: kept if the stores of teacher, ta1 get the seals that it was made with, else",
        ),
    ],
)
def test_a_line_counts_its_guides(train: str, after: tuple[str, ...], line: str) -> None:
    one = ModelPreview(
        model="student", guides=after, state="done", why="", changes=(), train=train, dump="", exit_code=0, after=after
    )
    assert one.line.startswith(line)
