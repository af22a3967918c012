"""CIFAR batches written here with pickle; nothing is unpickled before its MD5 is the published one."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from torchvision.datasets import CIFAR10, CIFAR100

from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import DataMissing, DataUnreadable

RNG = np.random.default_rng(4)
ROWS = {name: RNG.integers(0, 256, (4, 3_072), dtype=np.uint8) for name in ("a", "b", "test")}
LABELS = {"a": [0, 1, 2, 1], "b": [2, 2, 0, 1], "test": [1, 0, 2, 2]}
CLASSES = ["airplane", "automobile", "bird"]


def publish(monkeypatch: pytest.MonkeyPatch, source: type[CIFAR10], folder: Path, lists: dict[str, list[str]]) -> None:
    """Make the MD5 of the files that are there now the published ones."""

    def md5(name: str) -> str:
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    for attribute, names in lists.items():
        monkeypatch.setattr(source, attribute, [[name, md5(name)] for name in names])
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": md5(source.meta["filename"])})


@pytest.fixture
def ten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny CIFAR-10 of two training batches."""
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    for name, part in (("data_batch_1", "a"), ("data_batch_2", "b"), ("test_batch", "test")):
        (folder / name).write_bytes(pickle.dumps({"data": ROWS[part], "labels": LABELS[part]}, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CLASSES}, protocol=2))
    publish(
        monkeypatch,
        CIFAR10,
        folder,
        {"train_list": ["data_batch_1", "data_batch_2"], "test_list": ["test_batch"]},
    )
    return folder


def test_cifar10_rows_are_planes_of_red_green_blue(ten: Path) -> None:
    dataset = load_dataset("cifar10", root=ten.parent, download=False)
    rows = np.concatenate([ROWS["a"], ROWS["b"]])
    assert dataset.train.pixels_NIHW is not None and dataset.train.pixels_NIHW.shape == (8, 3, 32, 32)
    for sample, channel, y, x in ((0, 0, 0, 0), (5, 1, 3, 31), (7, 2, 31, 0)):
        assert dataset.train.image(sample)[channel, y, x] == rows[sample][channel * 1_024 + y * 32 + x]
    assert dataset.train.labels_N.tolist() == LABELS["a"] + LABELS["b"]
    assert dataset.test.labels_N.tolist() == LABELS["test"]
    assert dataset.classes == tuple(CLASSES) and dataset.mean == ("0.4914", "0.4822", "0.4465")


def test_cifar100_has_its_fine_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / CIFAR100.base_folder
    folder.mkdir()
    for name, part in (("train", "a"), ("test", "test")):
        content = {"data": ROWS[part], "fine_labels": LABELS[part], "coarse_labels": [0] * 4}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": CLASSES, "coarse_label_names": ["x"]}))
    publish(monkeypatch, CIFAR100, folder, {"train_list": ["train"], "test_list": ["test"]})
    dataset = load_dataset("cifar100", root=tmp_path, download=False)
    assert dataset.classes == tuple(CLASSES) and dataset.train.labels_N.tolist() == LABELS["a"]
    assert dataset.name == "cifar100" and dataset.std == ("0.2673", "0.2564", "0.2762")


class Trap:
    """Unpickling it leaves a file behind: the proof that something was run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["data_batch_2", "test_batch", "batches.meta"])
def test_a_changed_file_is_refused_and_nothing_is_unpickled(ten: Path, name: str) -> None:
    mark = ten.parent / "was-run"
    published = hashlib.md5((ten / name).read_bytes()).hexdigest()
    for file in ten.iterdir():
        file.write_bytes(pickle.dumps(Trap(mark)) if file.name == name else file.read_bytes())
    for download in (False, True):
        with pytest.raises(DataUnreadable, match=f"{name} is damaged.*expected MD5 {published}.*delete") as caught:
            load_dataset("cifar10", root=ten.parent, download=download)
    assert caught.value.exit_code == 1 and not mark.exists()
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.exists(), "the trap would have gone off"


def test_the_published_md5_are_torchvision_s_own(tmp_path: Path) -> None:
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"short")
    with pytest.raises(DataUnreadable, match="expected MD5 c99cafc152244af753f735de768cd75f"):
        load_dataset("cifar10", root=tmp_path, download=False)


def test_missing_files_and_a_failed_download_name_the_folder(ten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ten / "data_batch_2").unlink()
    with pytest.raises(DataMissing, match=f"expected data_batch_2 in {ten}, found not all of them") as missing:
        load_dataset("cifar10", root=ten.parent, download=False)
    assert missing.value.exit_code == 2

    def fail(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", fail)
    with pytest.raises(
        DataMissing, match=f"could not be downloaded.*expected data_batch_2 in {ten}.*no network.*put the files"
    ):
        load_dataset("cifar10", root=ten.parent, download=True)
