"""Names and places of files."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

from dgkd_cache.paths import (
    CARD_FILE,
    CHECKPOINT_FILE,
    DUMP_SECONDS_FILE,
    INPUTS_FILE,
    METRICS_FILE,
    RUN_FILES,
    WEIGHTS_FILE,
    best_file,
    cache_folder,
    data_folder,
    data_root,
    dump_seconds_file,
    folders_in,
    leftovers,
)


def test_leftovers_are_checkpoints_and_nothing_of_anyone_else(tmp_path: Path) -> None:
    mine = ["best-12.safetensors", "best-3.safetensors.partial", "checkpoint.safetensors"]
    others = ["best-of.safetensors", "best-1.txt", "weights.safetensors", "events.out.tfevents.1", "card.json"]
    for name in (*mine, *others):
        (tmp_path / name).touch()
    (tmp_path / "best-7.safetensors").mkdir()
    (tmp_path / "best-8.safetensors").symlink_to("nothing")
    assert [path.name for path in leftovers(tmp_path)] == sorted([*mine, "best-8.safetensors"])


def test_every_file_of_a_run_is_among_its_patterns() -> None:
    files = [CARD_FILE, INPUTS_FILE, METRICS_FILE, WEIGHTS_FILE, CHECKPOINT_FILE, best_file(12)]
    files += [DUMP_SECONDS_FILE, dump_seconds_file(3)]
    assert dump_seconds_file() == DUMP_SECONDS_FILE
    for name in files:
        assert sum(fnmatch(name, pattern) for pattern in RUN_FILES) == 1, name
    assert len(RUN_FILES) == len(files)


def test_the_folder_of_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root(None) == tmp_path / ".cache" / "dgkd-cache"
    assert data_root(Path("here")) == Path("here")


def test_a_data_set_may_be_named_with_its_folder() -> None:
    assert data_folder("tiny-imagenet:a:b") == ("tiny-imagenet", "a:b")
    assert data_folder("folder:") == ("folder", "")
    for other in ("imagenet", "mynets:make", "digits", ":x"):
        assert data_folder(other) is None


def test_the_environment_may_name_the_folder_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DGKD_CACHE_DIR", "")
    assert cache_folder() == tmp_path / ".cache" / "dgkd-cache" / "cache"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DGKD_CACHE_DIR", "kept")
    assert cache_folder() == tmp_path / "kept"


def test_folders_are_sorted_and_files_are_none(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "aa").write_text("")
    assert [path.name for path in folders_in(tmp_path)] == ["a", "b", "c"]
    assert folders_in(tmp_path / "nowhere") == folders_in(tmp_path / "aa") == []
