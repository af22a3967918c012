"""`verify`: one line a whole store, the places of what is damaged, and the gravest exit code of several."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from torch import nn

Command = Callable[..., Result]
SaveTeacher = Callable[..., Path]


def flip(file: Path, at: int = 0) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def seal_of(store: Path) -> str:
    return json.loads((store / "zarr.json").read_text())["attributes"]["dgkd_seal"]


def test_all_stores_of_a_workspace(command: Command, guides: Path) -> None:
    result = command("verify")
    assert (result.exit_code, result.stderr.count("done in")) == (0, 3)
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["teacher", "ta1", "ta2"]
    assert all("whole, rows not read" in line for line in lines) and seal_of(guides / "ta1.zarr") in lines[1]
    full = command("-q", "verify", "--full", "ta1")
    assert (full.exit_code, full.stderr) == (0, "") and "ta1: whole, every row checked: 3 views" in full.stdout


def test_all_that_lies_in_guides(command: Command, guides: Path) -> None:
    assert command("export", "ta2", "guides/ta2.h5").exit_code == 0
    shutil.rmtree(guides / "ta2.zarr")
    (guides / "teacher.zarr").rename(guides / "Teacher 1.zarr")
    (guides / "teacher.zarr").symlink_to("nowhere.zarr")
    (guides / "begun.zarr").write_text("not yet")
    (guides / "notes").mkdir()
    (guides / "ta1.zarr.writing").mkdir()
    (guides / ".hidden.zarr").mkdir()
    printed = json.loads(command("-q", "verify", "--json").stdout)
    assert {one["store"]: one["exit_code"] for one in printed} == {
        "ta1": 0,
        "guides/Teacher 1.zarr": 0,
        "guides/begun.zarr": 15,
        "guides/notes": 10,
        "guides/ta2.h5": 0,
        "guides/teacher.zarr": 10,
    }
    assert command("verify").exit_code == 15
    listed = json.loads(command("ls", "--json").stdout)["stores"]
    assert [(one["name"], one["state"] == "refused") for one in listed] == [
        (one["store"], bool(one["refused"])) for one in printed
    ]
    for one in printed:
        assert command("verify", one["store"]).exit_code == one["exit_code"]


def test_damage_is_placed(command: Command, guides: Path) -> None:
    flip(guides / "ta1.zarr" / "logits" / "c.2.0.0")
    assert command("verify").exit_code == 0
    result = command("verify", "--full")
    assert result.exit_code == 12
    lines = result.stdout.splitlines()
    assert lines[1].startswith("ta1: damaged in 1 place: 3 views")
    assert lines[2].startswith("  logits/c.2.0.0: digest, view 2, samples 0 to 99: expected SHA-256 ")
    assert [line.split(",")[0] for line in (lines[0], lines[3])] == ["teacher: whole", "ta2: whole"]
    printed = json.loads(command("verify", "--full", "--json").stdout)
    assert [(one["store"], one["exit_code"]) for one in printed] == [("teacher", 0), ("ta1", 12), ("ta2", 0)]
    (damage,) = printed[1]["damage"]
    assert (damage["kind"], damage["files"], damage["view"], damage["samples"]) == (
        "digest",
        ["logits/c.2.0.0"],
        2,
        [0, 100],
    )
    assert printed[0]["seal"] == seal_of(guides / "teacher.zarr") and printed[0]["blocks_checked"] == 3


def test_a_header_that_lies_does_not_flood_the_terminal(command: Command, guides: Path) -> None:
    group = guides / "ta1.zarr" / "zarr.json"
    group.write_text(group.read_text().replace('"views": 3', '"views": 1000'))
    result = command("verify", "ta1", "teacher")
    assert result.exit_code == 12
    first, *places, more, last = result.stdout.splitlines()
    printed = json.loads(command("verify", "ta1", "--json").stdout)[0]["damage"]
    assert len(printed) > 1000 and (printed[0]["kind"], printed[0]["files"]) == ("seal", ["zarr.json"])
    assert first.startswith("ta1: damaged in ") and places[0].startswith("  zarr.json: seal: expected seal ")
    assert len(places) == 10
    assert more == f"  and {len(printed) - 10:,} more; --json has them all" and last.startswith("teacher: whole")


def test_the_gravest_exit_code(
    command: Command, guides: Path, dump: Callable[..., Path], make_tiny: Callable[..., nn.Module]
) -> None:
    dump(guides / "begun.zarr", make_tiny(1), name="begun", mine=range(1))
    assert command("verify", "teacher", "begun").exit_code == 3
    assert "begun: incomplete, 1 of 3 blocks" in command("verify", "begun").stdout
    assert command("verify", "teacher", "begun", "nothing").exit_code == 10
    newer = guides / "ta2.zarr" / "zarr.json"
    newer.write_text(newer.read_text().replace('"version": 1', '"version": 3'))
    assert command("verify", "nothing", "ta2", "begun").exit_code == 13
    flip(guides / "ta1.zarr" / "label" / "c.0")
    assert command("verify", "nothing", "ta2", "ta1").exit_code == 12
    (guides / "teacher.zarr" / "evil.py").write_text("")
    result = command("verify", "nothing", "begun", "ta2", "ta1", "teacher", "--json")
    printed = json.loads(result.stdout)
    assert (result.exit_code, [one["exit_code"] for one in printed]) == (15, [10, 3, 13, 12, 15])
    assert [one["store"] for one in printed] == ["nothing", "begun", "ta2", "ta1", "teacher"]
    assert [bool(one["refused"]) for one in printed] == [True, False, True, False, False]
    assert printed[4]["damage"][0]["kind"] == "foreign" and printed[0]["damage"] == []


@pytest.mark.parametrize("change", ["cut", "json", "gone", "link"])
def test_a_damaged_header_is_said_and_no_traceback(command: Command, guides: Path, change: str) -> None:
    file = guides / "ta1.zarr" / "zarr.json"
    if change == "cut":
        os.truncate(file, 100)
    elif change == "json":
        flip(file)
    else:
        file.unlink()
        if change == "link":
            file.symlink_to("logits/zarr.json")
    for name in ("ta1", str(guides / "ta1.zarr")):
        result = command("verify", name)
        assert result.exit_code == (10 if change == "gone" else 15)
        assert result.stdout.startswith(f"{name}: refused: ") and len(result.stdout.splitlines()) == 1


def test_a_file_that_may_not_be_read(command: Command, guides: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.scandir

    def denied(folder: object) -> object:
        if str(folder).endswith("ta1.zarr"):
            raise PermissionError(13, "Permission denied", str(folder))
        return really(folder)

    monkeypatch.setattr(os, "scandir", denied)
    result = command("verify", "teacher", "ta1", "ta2")
    assert result.exit_code == 1
    assert [line.split()[1].strip(",:") for line in result.stdout.splitlines()] == ["whole", "refused", "whole"]
    assert "Permission denied" in result.stdout


def test_no_stores(command: Command, workspace: Path) -> None:
    result = command("verify", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    assert "no guide stores here" in result.stderr


def test_a_path_needs_neither_torch_nor_a_workspace(tmp_path: Path, three_guides: list[Path]) -> None:
    script = f"""
import sys
from dgkd_cli.main import main
main.main(["verify", "--full", {str(three_guides[0])!r}], standalone_mode=False)
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{three_guides[0]}: whole, every row checked" in done.stdout


def test_text_from_a_store_is_cleaned(command: Command, guides: Path) -> None:
    (guides / "ta1.zarr" / "\x1b[31mevil").write_text("")
    result = command("verify", "ta1")
    assert result.exit_code == 15 and "\x1b" not in result.stdout and "evil" in result.stdout


@pytest.fixture
def run(save_teacher: SaveTeacher) -> Path:
    """A finished run of the teacher."""
    return save_teacher()


def test_runs_are_verified_with_the_stores(command: Command, guides: Path, run: Path) -> None:
    """Without a name all runs and stores; a name is its run and its store; a path is what lies there."""
    assert [line.partition(":")[0] for line in command("-q", "verify").stdout.splitlines()] == [
        "run teacher",
        "teacher",
        "ta1",
        "ta2",
    ]
    both = command("-q", "verify", "teacher")
    assert both.exit_code == 0
    assert both.stdout.startswith("run teacher: whole, every file that its card covers checked\nteacher: whole")
    flip(run / "weights.safetensors", -1)
    for name, others in (("teacher", 1), ("runs/teacher", 0)):
        result = command("-q", "verify", name)
        assert result.exit_code == 12 and len(result.stdout.splitlines()) == 2 + others
        assert "  runs/teacher/weights.safetensors has changed since its card was written" in result.stdout
    printed = json.loads(command("-q", "verify", "--json").stdout)
    assert [one.get("run", one.get("store")) for one in printed] == ["teacher", "teacher", "ta1", "ta2"]
    assert (printed[0]["exit_code"], printed[0]["state"], len(printed[0]["damage"])) == (12, "damaged", 1)
    assert command("verify", "ta1").exit_code == 0


def test_all_that_is_wrong_with_a_run_is_named_and_the_gravest_wins(command: Command, run: Path) -> None:
    (run.parent / "begun").mkdir()
    (run.parent / "begun" / "inputs.json").write_text("{}")
    result = command("-q", "verify")
    assert (result.exit_code, result.stdout.splitlines()[1][:21]) == (3, "run begun: begun and ")
    flip(run / "weights.safetensors", -1)
    (run / "inputs.json").symlink_to("/etc/passwd")
    result = command("-q", "verify", "--json")
    refused = json.loads(result.stdout)[0]
    assert (result.exit_code, refused["exit_code"], refused["state"]) == (15, 15, "refused")
    assert "a link" in refused["refused"] and "weights.safetensors" in refused["damage"][0]["problem"]
    (run / "inputs.json").unlink()
    (run / "card.json").write_text("{")
    result = command("-q", "verify", "teacher")
    assert result.exit_code == 12 and "card.json cannot be read" in result.stdout


def test_a_run_by_its_path_needs_neither_torch_nor_a_workspace(tmp_path: Path, run: Path) -> None:
    script = f"""
import sys
from dgkd_cli.main import main
main.main(["verify", {str(run)!r}], standalone_mode=False)
assert "torch" not in sys.modules
"""
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert f"run {run}: whole" in done.stdout


def test_some_views_whose_origin_is_lost_are_said_to_be_compared_with_nothing(
    command: Command, guides: Path, tmp_path: Path
) -> None:
    assert command("subset", "ta1", "--views", "0:1", "-o", "part.zarr").exit_code == 0
    published = seal_of(guides / "ta1.zarr")
    assert f"as in the published seal {published}" in command("verify", "part.zarr").stdout
    flip(tmp_path / "part.zarr.origin" / "digest" / "c.0.0.0")
    damaged = command("verify", "part.zarr")
    assert damaged.exit_code == 12 and "makes it again" in damaged.stderr and "repair" not in damaged.stderr
    shutil.rmtree("part.zarr.origin")
    result = command("verify", "part.zarr")
    assert result.exit_code == 0
    assert f"not compared with the published seal {published}: part.zarr.origin is not here" in result.stdout
