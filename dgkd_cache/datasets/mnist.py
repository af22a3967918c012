"""MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (arXiv 1708.07747) from their four idx files.

The files, gzipped or plain, are searched in torchvision's folder under the root and, if no root is named, in the folder
of Debian's package; otherwise torchvision downloads them. The MD5 of the gzipped files is published, so these are
preferred if both exist, and checked. For plain files, and for Debian's, which are packed again, nothing is published:
only gzip's checksum and the format are checked.
"""

from __future__ import annotations

from pathlib import Path

from torchvision.datasets import MNIST, FashionMNIST

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.download import no_data, require_published, run_download
from dgkd_cache.datasets.idx import read_idx
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.datasets.normalisation import KNOWN
from dgkd_cache.datasets.registry import register_dataset
from dgkd_cache.datasets.remarks import say_source
from dgkd_cache.errors import DataUnreadable, InvalidInput
from dgkd_cache.paths import data_root

__all__ = ["DEBIAN_FASHION_MNIST", "fashion_mnist", "mnist"]

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""The folder in which Debian's package dataset-fashion-mnist puts the four files."""

_STEMS = {"train": "train", "test": "t10k"}


@register_dataset(transforms=["crop(2)"])  # a mirrored digit is not a digit
def mnist(*, root: Path | None, download: bool) -> Dataset:
    """28x28 grey handwritten digits, 60,000 + 10,000, in 10 classes; 12 MB to download

    From `root`/MNIST/raw. Raises DataUnreadable for files that are missing, damaged or, where gzipped, not the
    published ones.
    """
    return _load("mnist", MNIST, root=root, others=[], download=download)


@register_dataset(transforms=["crop(2)", "hflip"])
def fashion_mnist(*, root: Path | None, download: bool) -> Dataset:
    """28x28 grey pictures of clothes, 60,000 + 10,000, in 10 classes; 31 MB to download

    From `root`/FashionMNIST/raw or, where `root` is None, Debian's folder. Raises DataUnreadable as `mnist`
    does.
    """
    others = [DEBIAN_FASHION_MNIST] if root is None else []
    return _load("fashion-mnist", FashionMNIST, root=root, others=others, download=download)


def _load(name: str, source: type[MNIST], *, root: Path | None, others: list[Path], download: bool) -> Dataset:
    root = data_root(root)
    folders = [root / source.__name__ / "raw", *others]
    found = _find_complete(folders)
    if found is None and download:
        run_download(name, lambda: source(str(root), download=True), folders=folders, files=_FILES)
        found = _find_complete(folders)
    if found is None:
        raise no_data(name, folders=folders, files=_FILES)
    say_source(name, found)
    if found == folders[0]:
        for file, md5 in source.resources:
            if (found / file).is_file():
                require_published(found / file, md5)
    train, test = (_split(found, name, source, split) for split in _STEMS)
    mean, std = KNOWN[name]
    return Dataset(train=train, test=test, mean=mean, std=std)


_KINDS = {"images": 3, "labels": 1}


def _file(split: str, kind: str) -> str:
    return f"{_STEMS[split]}-{kind}-idx{_KINDS[kind]}-ubyte"


_FILES = [_file(split, kind) for split in _STEMS for kind in _KINDS]


def _find_file(folder: Path, file: str) -> Path | None:
    """Returns the gzipped file, else the plain one."""
    return next((path for path in (folder / f"{file}.gz", folder / file) if path.is_file()), None)


def _find_complete(folders: list[Path]) -> Path | None:
    """Returns the first folder with all four files."""
    return next((folder for folder in folders if all(_find_file(folder, file) for file in _FILES)), None)


def _split(folder: Path, name: str, source: type[MNIST], split: str) -> TensorImages:
    arrays = {}
    for kind, dimensions in _KINDS.items():
        path = _find_file(folder, _file(split, kind))
        assert path is not None, "the folder was complete a moment ago"
        arrays[kind] = read_idx(path, dimensions=dimensions)
    try:
        return TensorImages(arrays["images"][:, None], arrays["labels"], classes=source.classes, name=name, split=split)
    except InvalidInput as error:
        raise DataUnreadable(f"{folder} does not hold {name}", found=str(error), do="get its files again") from error
