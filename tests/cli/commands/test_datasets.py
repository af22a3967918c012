"""`datasets`: the known data sets, and one of them described."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from support.imagenet_trees import WORDS, write_tiny

Command = Callable[..., Result]


def test_datasets(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = command("datasets")
    assert listed.exit_code == 0
    for name in (
        "digits",
        "mnist",
        "fashion-mnist",
        "cifar10",
        "cifar100",
        "folder:PATH",
        "imagenet:ROOT",
        "module:factory",
    ):
        assert name in listed.stdout
    about = {row["name"]: row["about"] for row in json.loads(command("datasets", "--json").stdout)["datasets"]}
    assert "8x8" in about["digits"] and "32x32" in about["cifar100"]
    assert all(line in " ".join(listed.stdout.split()) for line in about.values())
    assert max(map(len, listed.stdout.splitlines())) <= 80


def test_classes_have_their_words(command: Command, tmp_path: Path) -> None:
    root = write_tiny(tmp_path)
    name = f"tiny-imagenet:{root}"
    printed = json.loads(command("datasets", name, "--json").stdout)
    assert printed["classes"] == sorted(WORDS)
    assert printed["class_words"][0] == ["tench, Tinca tinca", "tench", "Tinca tinca"]
    shown = " ".join(command("datasets", name).stdout.split())
    assert "3: n01440764 (tench, Tinca tinca), n02012849 (crane), n03126707 (crane)" in shown
    assert "class_words" not in json.loads(command("datasets", "digits", "--json").stdout)


def test_one_data_set(command: Command) -> None:
    from sklearn.datasets import load_digits

    printed = json.loads(command("datasets", "digits", "--json").stdout)
    assert printed["train"]["samples"] + printed["test"]["samples"] == len(load_digits().target)
    assert printed["image"] == [1, 8, 8]
    assert "1 x 8 x 8" in command("datasets", "digits").stdout
    unknown = command("datasets", "digit")
    assert (unknown.exit_code, unknown.stdout) == (2, "")


def test_what_is_kept_of_images_is_removed(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGKD_CACHE_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr("dgkd_cache.datasets.file_index.RACY_NS", -(10**12))  # new files count as old
    name = f"tiny-imagenet:{write_tiny(tmp_path / 'data')}"
    first = json.loads(command("datasets", name, "--json").stdout)
    kept = list((tmp_path / "kept").rglob("*.files"))
    assert len(kept) == 2, "an index for each split"
    assert json.loads(command("datasets", name, "--rehash", "--json").stdout) == first
    again = list((tmp_path / "kept").rglob("*.files"))
    assert len(again) == 2 and not {*again} & {*kept}, "they were made again"
    nbytes = sum(path.stat().st_size for path in again)
    printed = json.loads(command("datasets", "--forget", "--json").stdout)
    assert printed == {"folder": str(tmp_path / "kept"), "removed_bytes": nbytes, "removed_files": 2}
    assert not list((tmp_path / "kept").rglob("*.files"))
    assert "removed" in command("datasets", "--forget").stdout


def test_options_for_files_are_refused_elsewhere(command: Command) -> None:
    assert "--forget goes alone" in command("datasets", "digits", "--forget").stderr
    assert "go with NAME" in command("datasets", "--rehash").stderr
    refused = command("datasets", "digits", "--rehash")
    assert refused.exit_code == 2 and "digits has no index of files that could be made again" in refused.stderr
