"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their own format, through torchvision."""

from __future__ import annotations

from pathlib import Path

from torchvision.datasets import CIFAR10, CIFAR100

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.download import no_data, require_published, run_download
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.datasets.normalisation import KNOWN
from dgkd_cache.datasets.registry import register_dataset
from dgkd_cache.datasets.remarks import say_source
from dgkd_cache.paths import data_root

__all__ = ["cifar10", "cifar100"]


@register_dataset(transforms=["crop(4)", "hflip"])
def cifar10(*, root: Path | None, download: bool) -> Dataset:
    """32x32 colour photographs, 50,000 + 10,000, in 10 classes; 170 MB to download

    From `root`/cifar-10-batches-py. Raises DataUnreadable for files that are missing or differ from their published
    MD5.
    """
    return _load("cifar10", CIFAR10, root=root, download=download)


@register_dataset(transforms=["crop(4)", "hflip"])
def cifar100(*, root: Path | None, download: bool) -> Dataset:
    """32x32 colour photographs, 50,000 + 10,000, in 100 (fine) classes; 170 MB to download

    From `root`/cifar-100-python. Raises DataUnreadable for files that are missing or differ from their published MD5.
    """
    return _load("cifar100", CIFAR100, root=root, download=download)


def _load(name: str, source: type[CIFAR10], *, root: Path | None, download: bool) -> Dataset:
    root = data_root(root)
    folder = root / source.base_folder
    # The batch files are pickles, and unpickling a changed one can run anything. So all of them are compared
    # with their published MD5 BEFORE torchvision opens any (it compares again itself, then unpickles).
    missing = _find_missing(source, folder)
    if missing and download:
        run_download(name, lambda: source(str(root), download=True), folders=[folder], files=missing)
        missing = _find_missing(source, folder)
    if missing:
        raise no_data(name, folders=[folder], files=missing)
    say_source(name, folder)
    train, test = (_split(name, source, root, split) for split in ("train", "test"))
    mean, std = KNOWN[name]
    return Dataset(train=train, test=test, mean=mean, std=std)


def _find_missing(source: type[CIFAR10], folder: Path) -> list[str]:
    """Returns the missing files. Raises DataUnreadable for one that has changed."""
    published = [*source.train_list, *source.test_list, [source.meta["filename"], source.meta["md5"]]]
    missing = [file for file, _ in published if not (folder / file).is_file()]
    for file, md5 in published:
        if file not in missing:
            require_published(folder / file, md5)
    return missing


def _split(name: str, source: type[CIFAR10], root: Path, split: str) -> TensorImages:
    batches = source(str(root), train=split == "train")
    pixels_NIHW = batches.data.transpose(0, 3, 1, 2)
    return TensorImages(pixels_NIHW, batches.targets, classes=batches.classes, name=name, split=split)
