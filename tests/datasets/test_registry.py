"""Names: what is known, what is refused and with which hint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.imagenet_trees import write_imagenet, write_tiny

from dgkd_cache.datasets import registry
from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.datasets.registry import (
    PATTERNS,
    classes_of_folders,
    dataset_names,
    dataset_summaries,
    load_dataset,
    register_dataset,
)
from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.paths import DATA_FORMS
from dgkd_cache.workspace.defaults import suggest_config
from dgkd_cli.main import main
from dgkd_stores import Registry


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
    assert list(PATTERNS) == ["folder:PATH", "imagenet:ROOT", "tiny-imagenet:ROOT", "module:factory"]
    assert {f"{kind}:{path}" for kind, path in DATA_FORMS.items()} == {*PATTERNS} - {"module:factory"}
    for line in (*summaries.values(), *PATTERNS.values()):
        assert 20 < len(line) <= 90 and "`" not in line and not line.endswith(".")


def test_the_decorator_is_written_with_parentheses_or_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without transforms, `init` chooses by the size of the images: 16 pixels are shifted by an eighth."""
    monkeypatch.setattr(registry, "_REGISTERED", Registry("data set"))
    pixels_NIHW, labels_N = np.zeros((4, 1, 16, 16), np.uint8), [0, 1, 0, 1]
    train, test = (
        TensorImages(pixels_NIHW, labels_N, classes=["a", "b"], name="grey", split=split) for split in ("train", "test")
    )

    def all_grey(*, root: Path | None, download: bool) -> Dataset:
        return Dataset(train=train, test=test, mean=("0.5",), std=("0.25",))

    assert register_dataset(all_grey) is all_grey and registry.usual_transforms("all-grey") == ()
    assert suggest_config("all-grey", ("plain4", "plain2")).views.transforms == ("crop(2)", "hflip")
    for wrong in ("grey", 3):
        with pytest.raises(InvalidInput, match="'loader' cannot be used: expected a function of root and download"):
            register_dataset(wrong)
    with pytest.raises(InvalidInput, match=r"write transforms=\[\"crop"):
        register_dataset(transforms=[])


def test_a_name_is_taken_once() -> None:
    def fashion_mnist(*, root: Path, download: bool) -> Dataset:
        raise AssertionError("never called")

    with pytest.raises(InvalidInput, match="'fashion-mnist' is registered already"):
        register_dataset(transforms=["none"])(fashion_mnist)


def test_the_classes_of_folders_are_those_of_the_loaded_data_set(tmp_path: Path) -> None:
    write_imagenet(tmp_path / "imagenet", "kaggle")
    write_imagenet(tmp_path / "folder", "folders")
    write_tiny(tmp_path / "tiny-imagenet")
    for kind in ("folder", "imagenet", "tiny-imagenet"):
        name = f"{kind}:{tmp_path / kind}"
        assert classes_of_folders(name) == load_dataset(name).classes
    (inner := tmp_path / "archive" / "ILSVRC" / "Data").mkdir(parents=True)
    (tmp_path / "imagenet").rename(inner / "CLS-LOC")
    assert len(classes_of_folders(f"imagenet:{tmp_path / 'archive'}") or ()) == 3
    assert classes_of_folders("digits") is None and classes_of_folders("mynets:make") is None
    with pytest.raises(InvalidInput, match="expected train/ and val/ in tiny-imagenet:ROOT"):
        classes_of_folders(f"tiny-imagenet:{tmp_path / 'nowhere'}")


def test_a_folder_without_a_path_is_not_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, path in (("folder", "PATH"), ("imagenet", "ROOT"), ("tiny-imagenet", "ROOT")):
        said = rf"no folder of images is named: expected {kind}:{path}, .*{kind}:\. is the current one"
        with pytest.raises(InvalidInput, match=said):
            load_dataset(f"{kind}:")
    with pytest.raises(UnknownName, match=r"did you mean imagenet:ROOT"):
        load_dataset("imagenet")
    assert CliRunner().invoke(main, ["init", "--dataset", "folder:", "--chain", "plain2", "ws"]).exit_code == 2
    assert not list(tmp_path.iterdir())
