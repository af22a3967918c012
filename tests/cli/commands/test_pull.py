"""`pull`: what it says, where it puts a store, and its exit codes."""

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
from support.ssh_keys import key_pair

from dgkd_stores import push, sign_store

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def place(three_guides: list[Path], tmp_path: Path) -> Path:
    push(three_guides[1], str(tmp_path / "place"))
    return tmp_path / "place"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_into_the_workspace(command: Command, workspace: Path, place: Path) -> None:
    name = next(place.glob("*.zarr")).name
    preview = command("pull", "place", "--dry-run", "--json")
    assert preview.exit_code == 0 and not (workspace / "guides").exists()
    assert json.loads(preview.stdout)["path"] == f"guides/{name}"
    told = command("-q", "pull", "place", "--dry-run").stdout.splitlines()
    result = command("pull", "place")
    assert result.exit_code == 0, result.stderr
    shown = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    sizes = [shown[name].strip() for name in ("size", "fetched")]
    assert told[0].endswith(f"guides/{name}: not yet")
    assert [line.partition("  ")[2].strip() for line in told if line.startswith(("size", "to fetch"))] == sizes
    there = command("-q", "pull", "place", "--dry-run").stdout
    assert f"guides/{name}: whole, there already" in there and "0 B in 0 files" in there
    assert tree(workspace / "guides" / name) == tree(place / name)
    lines = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert lines["store"].strip() == f"guides/{name}" and lines["verdict"].strip() == "whole, every row checked"
    assert result.stderr.startswith("pull place: ") and "done in" in result.stderr
    again = command("pull", "place", "--json")
    found = json.loads(again.stdout)
    assert found["fetched_files"] == 0 and "nothing was fetched" in again.stderr
    assert found["verification"]["full"] and found["verification"]["blocks_checked"] == found["verification"]["blocks"]


def test_elsewhere(command: Command, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("pull", "place", "there/teacher.zarr").exit_code == 0
    assert tree(tmp_path / "there" / "teacher.zarr") == tree(next(place.glob("*.zarr")))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert command("pull", "../place").exit_code == 0
    assert [path.name for path in (tmp_path / "empty").iterdir()] == [next(place.glob("*.zarr")).name]


def test_a_signature_that_is_required(
    command: Command, workspace: Path, three_guides: list[Path], tmp_path: Path
) -> None:
    (private, public), (_, other) = key_pair(tmp_path / "keys"), key_pair(tmp_path / "keys", "other")
    shutil.copytree(three_guides[1], store := tmp_path / "made" / three_guides[1].name)
    push(store, str(tmp_path / "unsigned"))
    unsigned = command("-q", "pull", "unsigned", "--key", str(public))
    assert unsigned.exit_code == 13 and "is not signed, and keys are required" in unsigned.stderr
    assert not list(workspace.glob("guides/*.zarr"))
    assert "unsigned" in command("-q", "pull", "unsigned", "elsewhere").stdout
    sign_store(store, private)
    push(store, str(tmp_path / "signed"))
    first = command("-q", "pull", "signed", "first").stdout
    assert "signed by SHA256:" in first and "not checked" in first and "unsigned" not in first
    some = command("-q", "pull", "signed", "some", "--views", "0:1").stdout
    assert "taken from a store that is signed by SHA256:" in some
    assert command("-q", "pull", "signed", "--key", str(other)).exit_code == 13
    with (workspace / "dgkd.toml").open("a") as file:
        file.write(f"[sharing]\nkeys = ['{other}']\n")
    assert command("-q", "pull", "signed").exit_code == 13
    result = command("-q", "pull", "signed", "--key", str(public))
    assert result.exit_code == 0, result.stderr
    assert "signed by lab@example.org on 20" in result.stdout
    assert (workspace / "guides" / f"{store.name}.sig").is_file()


def test_some_views(command: Command, workspace: Path, place: Path) -> None:
    name = next(place.glob("*.zarr")).stem
    result = command("pull", "place", "--views", "0:2", "--json")
    assert result.exit_code == 0, result.stderr
    published = json.loads((place / f"{name}.zarr" / "zarr.json").read_text())["attributes"]["dgkd_seal"]
    assert json.loads(result.stdout)["verification"]["origin_seal"] == published
    assert sorted(path.name for path in (workspace / "guides").iterdir()) == [
        f"{name}-0-2.zarr",
        f"{name}-0-2.zarr.origin",
    ]
    checked = command("verify", f"guides/{name}-0-2.zarr", "--full")
    assert checked.exit_code == 0 and f"as in the published seal {published}" in checked.stdout
    assert command("verify").exit_code == 0 and command("ls").exit_code == 0
    assert command("pull", "place", "--views", "2:9").exit_code == 2


def test_refusals(command: Command, workspace: Path, place: Path, tmp_path: Path) -> None:
    name = next(place.glob("*.zarr")).name
    for words, code, text in (
        (("nowhere",), 10, "no guide store"),
        (("place", "--seal", "0" * 64), 13, "expected seal 0000"),
        (("place", "--seal", "xyz"), 2, "64 lower-case"),
        (("http://lab:Tell-Tale@host/a.zarr",), 2, "credentials come from the environment"),
        (("place", "--jobs", "0"), 2, "--jobs"),
    ):
        result = command("pull", *words)
        assert result.exit_code == code and text in result.stderr and "Tell-Tale" not in result.stderr, result.stderr
    shutil.copytree(place, tmp_path / "worse")
    file = tmp_path / "worse" / name / "logits" / "c.0.0.0"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    result = command("pull", "worse")
    assert result.exit_code == 12 and not (workspace / "guides" / name).exists()
    (tmp_path / "worse" / name / "zarr.json").unlink()
    assert command("pull", "worse").exit_code == 3
    assert command("ls").exit_code == 0 and command("verify").exit_code == 0, "what an unfinished pull leaves is hidden"


def test_no_torch_and_no_extra_for_folders(place: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from dgkd_cli.main import main
try:
    main(["pull", {str(place)!r}, {str(tmp_path / "got")!r}])
except SystemExit as done:
    assert not done.code, done.code
print("LOADED", *sorted({{"torch", "obstore", "zarr", "h5py", "huggingface_hub"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "LOADED", done.stderr
