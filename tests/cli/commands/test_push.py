"""`push`: what it says, and its exit codes."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from dgkd_stores import push
from dgkd_stores.disk import ALL_VIEWS, ViewLock

Command = Callable[..., Result]

verb = importlib.import_module("dgkd_cli.commands.push")  # the package has the command by that name


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_published(command: Command, guides: Path, tmp_path: Path) -> None:
    preview = command("push", "ta1", "place", "--dry-run")
    assert preview.exit_code == 0 and not (tmp_path / "place").exists()
    assert "to send  18.3 kB in 23 files" in preview.stdout
    result = command("push", "ta1", "place")
    assert result.exit_code == 0, result.stderr
    assert tree(tmp_path / "place" / "ta1.zarr") == tree(guides / "ta1.zarr")
    files = len(tree(guides / "ta1.zarr"))
    seal = json.loads((guides / "ta1.zarr" / "zarr.json").read_text())["attributes"]["dgkd_seal"]
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert lines[:3] == [["store", "place/ta1.zarr"], ["from", "guides/ta1.zarr"], ["seal", seal]]
    assert lines[-1] == ["beside", "README.md, croissant.json"]
    assert f"in {files} files" in result.stdout
    assert result.stderr.startswith("push ta1.zarr: 18.3 kB") and "done in" in result.stderr
    again = command("push", "guides/ta1.zarr", "place", "--json")
    assert json.loads(again.stdout)["sent_files"] == 0 and "nothing was sent" in again.stderr
    card = command("push", "ta1", "place", "--data-licence", "CC0-1.0")
    assert "already: only README.md, croissant.json came anew" in " ".join(card.stderr.split())
    assert "0 B in 0 files, and README.md, croissant.json" in " ".join(card.stdout.split())


def test_another_store_is_there(command: Command, guides: Path, tmp_path: Path) -> None:
    command("push", "ta1", "place")
    before = tree(tmp_path / "place")
    refused = command("push", "ta2", "place/ta1.zarr")
    assert refused.exit_code == 13 and "choose another place" in refused.stderr
    assert tree(tmp_path / "place") == before


def test_a_place_without_conditional_writes_is_reported(
    command: Command, guides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "push_store", lambda *words, **more: replace(push(*words, **more), conditional=False))
    result = command("push", "ta1", "place", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["conditional"] is False
    assert "Warning: place/ta1.zarr replaces objects" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("ta1", "https://lab:Tell-Tale@host/x"), 2, "credentials come from the environment"),
        (("ta1", "https://host/x"), 2, "push into the folder that the web server serves"),
        (("ta1", "sftp://host/x"), 2, "rsync -a"),
        (("nosuch", "place"), 10, "nosuch"),
        (("./no.zarr", "place"), 10, "no guide store"),
        (("ta1", "place/ta1.h5"), 2, "dgkd-cache export"),
        (("ta1",), 2, "Missing argument 'DEST'"),
    ],
)
def test_refusals(command: Command, guides: Path, words: tuple[str, ...], code: int, text: str) -> None:
    result = command("push", *words)
    assert result.exit_code == code and text in result.stderr and "Tell-Tale" not in result.stderr + result.stdout


def test_a_damaged_store(command: Command, guides: Path, tmp_path: Path) -> None:
    file = guides / "ta1.zarr" / "logits" / "c.1.0.0"
    file.write_bytes(bytes(file.stat().st_size))
    result = command("push", "ta1", "place")
    assert result.exit_code == 12 and "dgkd-cache repair" in result.stderr
    assert not (tmp_path / "place" / "ta1.zarr" / "zarr.json").exists()


def test_a_lock_of_another_host_is_taken_over_on_request(
    command: Command, guides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push or pull killed in a container leaves such a lock: the container is another host when it starts again."""
    for target, words in (("place", ("push", "ta1", "place")), ("got", ("pull", "place", "got"))):
        (tmp_path / target).mkdir()
        with monkeypatch.context() as patch:
            patch.setattr("socket.gethostname", lambda: "another")
            lock = ViewLock(tmp_path / target / "ta1.zarr", ALL_VIEWS, guide="")
        refused = command(*words)
        assert refused.exit_code == 11 and "the same command with `--take-over`" in refused.stderr
        done = command(*words, "--take-over")
        assert done.exit_code == 0, done.stderr
        assert tree(tmp_path / target / "ta1.zarr") == tree(guides / "ta1.zarr")
        lock.release()
        assert not (tmp_path / target / "ta1.zarr.writing").exists()
