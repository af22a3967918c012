"""Names: what is known, what is refused and with which hint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dgkd_cache.datasets import Dataset, TensorImages, dataset_names, load_dataset, register_dataset
from dgkd_cache.datasets.registry import PATTERNS, dataset_summaries
from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.workspace.defaults import suggest_config
from dgkd_cli.main import main


def test_the_data_sets_of_the_design_are_known() -> None:
    assert dataset_names() == ("cifar10", "cifar100", "digits", "fashion-mnist", "mnist")


def test_an_unknown_name_is_told_the_closest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown data set 'cifar-10'.*folder:PATH.*did you mean cifar10") as caught:
        load_dataset("cifar-10", root=tmp_path)
    assert caught.value.exit_code == 2


def test_the_path_of_a_folder_is_told_how_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pets").mkdir()
    monkeypatch.chdir(tmp_path)
    for path in ("pets", str(tmp_path / "pets")):
        with pytest.raises(UnknownName, match=f"found the path of a folder; write folder:{path} for images in class"):
            load_dataset(path)
        with pytest.raises(UnknownName, match=f"write folder:{path}"):
            suggest_config(path, ("plain4", "plain2"))
    with pytest.raises(UnknownName, match=r"found a path where no folder is; write folder:\./dogs"):
        load_dataset("./dogs")


def test_each_has_a_line_on_what_it_is() -> None:
    summaries = dataset_summaries()
    assert list(summaries) == list(dataset_names())
    for name, words in (
        ("digits", ("8x8", "1,437 + 360", "no download")),
        ("fashion-mnist", ("28x28", "60,000 + 10,000", "clothes")),
        ("cifar100", ("32x32", "100 (fine) classes")),
    ):
        assert all(word in summaries[name] for word in words)
    assert list(PATTERNS) == ["folder:PATH", "module:factory"]
    for line in (*summaries.values(), *PATTERNS.values()):
        assert 20 < len(line) <= 90 and "`" not in line and not line.endswith(".")


def test_a_name_is_taken_once() -> None:
    def fashion_mnist(*, root: Path, download: bool) -> Dataset:
        raise AssertionError("never called")

    with pytest.raises(InvalidInput, match="'fashion-mnist' is registered twice"):
        register_dataset(fashion_mnist)


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ({"mean": (0.5,)}, r"'mean' cannot be used.*found \(0.5,\) \(tuple\); write mean=\('0.5',\)"),
        ({"mean": ("half",)}, "a tuple of decimal strings, one a channel, found"),
        ({"mean": ("nan",)}, "a tuple of decimal strings, one a channel, found"),
        ({"std": ("0",)}, r"one a channel, each above 0, found \('0',\)"),
        ({"std": "0"}, "one a channel, each above 0, found '0'"),
    ],
)
def test_constants_that_cannot_normalise_are_refused(constants: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        given = {"mean": ("0.5",), "std": ("1",), **constants}
        Dataset(train=split("train", "ab", 1), test=split("test", "ab", 1), **given)


def split(name: str, classes: str, channels: int) -> TensorImages:
    return TensorImages(np.zeros((2, channels, 2, 2), np.uint8), [0, 1], classes=list(classes), name="n", split=name)


@pytest.mark.parametrize(
    ("test", "mean", "message"),
    [
        (("ba", 3), 3, "different classes"),
        (("ab", 1), 3, "different channels: expected 3 as in the training split, found 1"),
        (("ab", 3), 1, "each of 3 channels, found 1 and 3"),
    ],
)
def test_splits_that_do_not_fit_are_refused(test: tuple[str, int], mean: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Dataset(train=split("train", "ab", 3), test=split("test", *test), mean=("0.5",) * mean, std=("0.5",) * 3)


def test_a_folder_without_a_path_is_not_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=r"no folder of images is named: .*folder:\. is the current one"):
        load_dataset("folder:")
    assert CliRunner().invoke(main, ["init", "--dataset", "folder:", "--chain", "plain2", "ws"]).exit_code == 2
    assert not list(tmp_path.iterdir())
