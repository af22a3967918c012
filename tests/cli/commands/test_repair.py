"""`repair`: damage, repair, the same bytes; and what it says where it cannot."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dgkd_cli.main import main

Command = Callable[..., Result]

CONFIG = """
[dataset]
name = "digits"
[views]
transforms = ["crop(1)"]
count = 2
[cache]
precision = "float32"
[chain]
teacher = "plain2"
student = "plain2"
[training]
epochs = 1
precision = "float32"
channels_last = true
"""


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a finished run and its store, made by the commands."""
    folder = tmp_path_factory.mktemp("repair")
    (folder / "dgkd.toml").write_text(CONFIG)
    for verb in ("train", "dump"):
        done = CliRunner().invoke(main, ["-q", "-w", str(folder), verb, "--model", "teacher", "--device", "cpu"])
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def store(dumped: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(dumped)
    return dumped / "guides" / "teacher.zarr"


def files(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def test_damaged_found_repaired_whole(command: Command, store: Path) -> None:
    before = files(store)
    flip(store / "logits" / "c.1.0.0")
    (store / "digest" / "zarr.json").unlink()
    found = command("verify", "--full")
    assert found.exit_code == 12
    hint = re.search("`dgkd-cache (repair [^`]*)`", found.stderr)
    assert hint is not None and hint[1] == "repair teacher"
    result = command(*hint[1].split(), "--device", "cpu")
    assert result.exit_code == 0, result.output
    for words in (
        "digest/zarr.json, logits/c.1.0.0",
        "1,437 samples",
        json.loads(before["zarr.json"])["attributes"]["dgkd_seal"],
    ):
        assert words in result.stdout
    assert files(store) == before and command("verify", "--full").exit_code == 0
    again = command("repair", str(store))
    assert again.exit_code == 0 and "nothing: it is whole" in again.stdout


def test_json(command: Command, store: Path) -> None:
    (store / "logits" / "c.0.0.0").unlink()
    result = command("-q", "repair", "teacher", "--device", "cpu", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    printed: dict[str, Any] = json.loads(result.stdout)
    assert printed["mended"] == ["logits/c.0.0.0"] and printed["samples"] == 1437 and len(printed["seal"]) == 64


def test_what_a_reader_says_of_a_damaged_store_leads_here(command: Command, store: Path) -> None:
    flip(store / "probe" / "c.0.0")
    told = command("info", "teacher")
    assert told.exit_code == 12
    commands = re.findall("`dgkd-cache (.*?)`", told.stderr)
    assert [words.split()[0] for words in commands] == ["verify", "repair"]
    for words in commands:
        command(*words.split())
    assert command("info", "teacher").exit_code == 0


def test_a_path_outside_a_workspace(
    command: Command, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(store)
    shutil.copytree(store, tmp_path / "moved.zarr")
    monkeypatch.chdir(tmp_path)
    moved = Path("moved.zarr")
    flip(moved / "digest" / "c.1.0.0")
    (moved / "label" / "zarr.json").unlink()
    result = command("repair", "moved.zarr", "--device", "cpu")
    assert (result.exit_code, files(moved) == before) == (0, True), result.output
    assert command("-w", "typo", "repair", "moved.zarr").exit_code == 2
    flip(moved / "probe" / "c.0.0")
    (moved / "logits" / "c.1.0.0").unlink()
    (moved / "label" / "zarr.json").unlink()
    lost = command("repair", "moved.zarr", "--device", "cpu")
    assert (lost.exit_code, lost.stdout) == (2, "")
    assert "moved.zarr has lost rows of view 1, array probe, and only the guide teacher gives them again" in lost.stderr
    assert "`dgkd-cache -w WORKSPACE repair moved.zarr`" in lost.stderr
    assert (moved / "label" / "zarr.json").read_bytes() == before["label/zarr.json"]
    result = command("-w", str(store.parent.parent), "repair", "moved.zarr", "--device", "cpu")
    assert (result.exit_code, files(moved) == before) == (0, True), result.output


def test_an_unfinished_store_outside_a_workspace(
    command: Command, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(store, tmp_path / "moved.zarr")
    monkeypatch.chdir(tmp_path)
    group = tmp_path / "moved.zarr" / "zarr.json"
    content = json.loads(group.read_text())
    del content["attributes"]["dgkd_seal"], content["attributes"]["dgkd_digests"]
    group.write_text(json.dumps(content))
    refused = command("repair", "moved.zarr", "--device", "cpu")
    assert refused.exit_code == 2 and "moved.zarr is not finished, and only the guide teacher gives" in refused.stderr


def test_refusals(command: Command, store: Path) -> None:
    (store / "evil.py").write_text("")
    foreign = command("repair", "teacher")
    assert (foreign.exit_code, foreign.stdout) == (15, "") and "found evil.py" in foreign.stderr
    (store / "evil.py").unlink()
    lost = command("repair", "techer")
    assert (lost.exit_code, lost.stdout) == (10, "")
    good = (store / "zarr.json").read_bytes()
    (store / "zarr.json").write_bytes(good[:50])
    header = command("repair", "teacher")
    assert (header.exit_code, header.stdout) == (15, "") and "nothing else tells a header" in header.stderr
    (store / "zarr.json").write_bytes(good)
