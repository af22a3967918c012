"""MNIST and Fashion-MNIST from idx files written here with struct; every damage is refused by file."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import DataUnreadable

PIXELS = {
    "train": np.random.default_rng(3).integers(0, 256, (7, 28, 28), np.uint8),
    "t10k": np.eye(28, dtype=np.uint8)[None] * 9,
}

LABELS = {"train": [3, 1, 4, 1, 5, 9, 2], "t10k": [6]}

TRAIN_IMAGES = "train-images-idx3-ubyte"


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + b"".join(struct.pack(">i", size) for size in array.shape)
    return head + array.astype(np.uint8).tobytes()


def write(folder: Path, *, zipped: bool = False) -> Path:
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        for name, array in (("images-idx3", PIXELS[part]), ("labels-idx1", np.array(LABELS[part]))):
            content = idx(array)
            suffix = ".gz" if zipped else ""
            (folder / f"{part}-{name}-ubyte{suffix}").write_bytes(gzip.compress(content) if zipped else content)
    return folder


def check(name: str, root: Path | None) -> None:
    dataset = load_dataset(name, root=root, download=False)
    for images, part in ((dataset.train, "train"), (dataset.test, "t10k")):
        assert images.pixels_NIHW is not None
        assert np.array_equal(images.pixels_NIHW.numpy()[:, 0], PIXELS[part])
        assert images.labels_N.tolist() == LABELS[part]
    assert dataset.name == name and len(dataset.classes) == 10


def publish(monkeypatch: pytest.MonkeyPatch, source: type[torchvision.datasets.MNIST], folder: Path) -> None:
    """Make the MD5 of the gzipped files that are there now the published ones."""
    md5 = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(folder.glob("*.gz"))]
    monkeypatch.setattr(source, "resources", md5)


@pytest.mark.parametrize("zipped", [False, True])
def test_torchvision_s_files_are_read_plain_or_zipped(
    tmp_path: Path, no_debian: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    for name, source in (("mnist", torchvision.datasets.MNIST), ("fashion-mnist", torchvision.datasets.FashionMNIST)):
        publish(monkeypatch, source, write(tmp_path / source.__name__ / "raw", zipped=zipped))
        check(name, tmp_path)


def test_gzipped_files_are_the_published_ones_and_are_what_is_read(
    tmp_path: Path, no_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write(tmp_path / "MNIST" / "raw", zipped=True)
    labels = raw / "train-labels-idx1-ubyte.gz"
    with pytest.raises(DataUnreadable, match="train-images-idx3-ubyte.gz is .* not the published file") as caught:
        load_dataset("mnist", root=tmp_path, download=False)
    assert "expected MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873" in str(caught.value), "LeCun's file"
    publish(monkeypatch, torchvision.datasets.MNIST, raw)
    (raw / labels.stem).write_bytes(idx(np.zeros(7)))  # beside the zipped file that was checked
    check("mnist", tmp_path)
    published = hashlib.md5(labels.read_bytes()).hexdigest()
    labels.write_bytes(gzip.compress(idx(np.array([0, 1, 4, 1, 5, 9, 2]))))  # whole, and of the right form
    with pytest.raises(DataUnreadable, match=f"{labels} is damaged .*expected MD5 {published}, found another; delete"):
        load_dataset("mnist", root=tmp_path, download=False)


def test_the_same_as_torchvision_reads(tmp_path: Path, no_debian: Path) -> None:
    write(tmp_path / "FashionMNIST" / "raw")
    ours = load_dataset("fashion-mnist", root=tmp_path, download=False).train
    theirs = torchvision.datasets.FashionMNIST(str(tmp_path), train=True)
    assert ours.pixels_NIHW is not None and np.array_equal(ours.pixels_NIHW.numpy()[:, 0], theirs.data.numpy())
    assert ours.labels_N.tolist() == theirs.targets.tolist() and ours.classes == tuple(theirs.classes)


def test_debian_s_folder_is_looked_in_for_fashion_mnist(
    default_root: Path, no_debian: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(no_debian, zipped=True)
    caplog.set_level("INFO")
    check("fashion-mnist", None)
    assert caplog.messages == ["data set fashion-mnist: loading", f"data set fashion-mnist: read from {no_debian}"]
    write(default_root / "FashionMNIST" / "raw")
    check("fashion-mnist", None)
    assert caplog.messages[3:] == [f"data set fashion-mnist: read from {default_root}/FashionMNIST/raw"]
    with pytest.raises(DataUnreadable, match="mnist is not on this machine"):
        load_dataset("mnist", download=False)


def test_a_failed_download_names_the_files_and_the_folder(
    tmp_path: Path, no_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object, **named: object) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", fail)
    expected = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte in "
    with pytest.raises(DataUnreadable, match=f"expected {expected}{tmp_path}/FashionMNIST/raw, found .*no network"):
        load_dataset("fashion-mnist", root=tmp_path)


def test_another_root_is_the_only_place(tmp_path: Path, default_root: Path, no_debian: Path) -> None:
    """Neither the system's copy nor the default root's is taken for it."""
    write(no_debian, zipped=True)
    write(default_root / "FashionMNIST" / "raw")
    with pytest.raises(DataUnreadable, match=f"expected {TRAIN_IMAGES}.* in {tmp_path}/no/FashionMNIST/raw, found"):
        load_dataset("fashion-mnist", root=tmp_path / "no", download=False)


def test_the_default_root_that_is_named_is_the_only_place(default_root: Path, no_debian: Path) -> None:
    write(no_debian, zipped=True)
    for root in (default_root, Path("~/.cache/dgkd-cache"), "~/.cache/dgkd-cache"):
        with pytest.raises(DataUnreadable, match=f"in {default_root}/FashionMNIST/raw, found"):
            load_dataset("fashion-mnist", root=root, download=False)


def test_a_download_is_read(tmp_path: Path, no_debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", lambda self: write(Path(self.raw_folder)))
    assert load_dataset("mnist", root=tmp_path, download=True).train.labels_N.tolist() == LABELS["train"]


def test_a_damaged_file_is_refused_by_name(tmp_path: Path, no_debian: Path) -> None:
    path = write(tmp_path / "MNIST" / "raw") / TRAIN_IMAGES
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataUnreadable, match=r"expected 5488 elements .*, found 5487") as caught:
        load_dataset("mnist", root=tmp_path, download=False)
    assert str(path) in str(caught.value)


def test_labels_that_do_not_fit_the_images_are_refused(tmp_path: Path, no_debian: Path) -> None:
    folder = write(tmp_path / "MNIST" / "raw")
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.array([1, 2, 3])))
    with pytest.raises(DataUnreadable, match="one label for each of 7 images, found shape"):
        load_dataset("mnist", root=tmp_path, download=False)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.array([1, 2, 3, 4, 5, 6, 10])))
    with pytest.raises(DataUnreadable, match="labels from 0 to 9, found 10 at sample 6"):
        load_dataset("mnist", root=tmp_path, download=False)
