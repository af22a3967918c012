"""Loads imagenet:ROOT, ImageNet (ILSVRC2012, arXiv 1409.0575) or a subset of it, as it is unpacked.

The training images are in synset folders under ROOT/train. The validation images are the test split: in synset folders
under ROOT/val, or flat in ROOT/val with Kaggle's LOC_val_solution.csv or the ground truth of the development kit. All
of these forms give the same samples in the same order. ROOT may also be the folder of Kaggle's archive.
"""

from __future__ import annotations

from pathlib import Path

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.decoders import PILLOW, DecoderName
from dgkd_cache.datasets.discovery import find_classes, has_class_folders
from dgkd_cache.datasets.folder import HOLD_BYTES, check_same_classes, load_splits
from dgkd_cache.datasets.imagenet_truth import DEVKIT_META, DEVKIT_TRUTH, KAGGLE_TRUTH, read_devkit, read_kaggle
from dgkd_cache.datasets.labelled_files import LabelledFiles
from dgkd_cache.datasets.normalisation import KNOWN
from dgkd_cache.datasets.remarks import say_source
from dgkd_cache.datasets.synsets import all_words, read_words, require_synsets
from dgkd_cache.errors import InvalidInput
from dgkd_stores.disk import Stop, never

__all__ = ["imagenet_classes", "load_imagenet", "require_splits"]

_NAME = "imagenet"
_KAGGLE_DATA = Path("ILSVRC", "Data", "CLS-LOC")
_DEVKIT_FOLDERS = (Path(), Path("data"), Path("ILSVRC2012_devkit_t12", "data"), Path("devkit", "data"))
_MAPPINGS = ("LOC_synset_mapping.txt", "words.txt")


def load_imagenet(
    root: Path,
    *,
    hold_bytes: int = HOLD_BYTES,
    rehash: bool = False,
    decoder: DecoderName = PILLOW,
    stop: Stop = never,
) -> Dataset:
    """Returns ImageNet in `root`; classes are synset ids in their sorted order, as for all published weights.

    `decoder` decodes plain JPEGs. Raises InvalidInput if there is no train/ or val/, DataUnreadable for class folders,
    ground truth and words that do not fit together, and what `FolderImages` raises.
    """
    classes = imagenet_classes(root)
    data = _data(root)
    train, val = data / "train", data / "val"
    say_source(_NAME, train, val)
    if has_class_folders(val):
        check_same_classes(train, val)
        tests = LabelledFiles.in_class_folders(val)
    else:
        tests = _annotated(root, val, classes)
    files = LabelledFiles.in_class_folders(train, others=("val",))
    words = all_words(classes, _texts(root, classes))
    return load_splits(
        *(_NAME, files, tests),
        hold_bytes=hold_bytes,
        rehash=rehash,
        decoder=decoder,
        stop=stop,
        constants=KNOWN[_NAME],
        class_words=words,
    )


def imagenet_classes(root: Path) -> list[str]:
    """Returns the classes of ImageNet in `root`, by the names of folders. Raises as `load_imagenet`; reads no image."""
    data = _data(root)
    require_splits(root, data, kind=_NAME)
    classes = find_classes(data / "train")
    require_synsets(classes, data / "train")
    return classes


def require_splits(root: Path, data: Path, *, kind: str) -> None:
    """Raises InvalidInput unless `data`, which lies in `root`, has the folders train/ and val/."""
    lacking = [name for name in ("train", "val") if not (data / name).is_dir()]
    if not lacking:
        return
    if not root.is_dir():
        found, do = "no such folder", "check the path"
    else:
        there = ", ".join(sorted(entry.name for entry in root.iterdir())[:8])
        found = there or "an empty folder"
        do = f"unpack {' and '.join(f'{name}/' for name in lacking)} there, or name the folder above train/ and val/"
    raise InvalidInput(
        f"{root} is not the folder of {kind}", expected=f"train/ and val/ in {kind}:ROOT", found=found, do=do
    )


def _data(root: Path) -> Path:
    """Returns the folder of train/ and val/, which in Kaggle's archive lies deeper."""
    return root if (root / "train").is_dir() else root / _KAGGLE_DATA


def _annotated(root: Path, val: Path, classes: list[str]) -> LabelledFiles:
    """Returns the images of a flat val/, with the first ground truth that is found."""
    for folder in (root, val):
        if (path := folder / KAGGLE_TRUTH).is_file():
            return LabelledFiles.annotated(
                val, read_kaggle(path), classes=classes, annotations=path, beside=(KAGGLE_TRUTH,)
            )
    if kit := _devkit(root, DEVKIT_TRUTH):
        truth = read_devkit(kit / DEVKIT_META, kit / DEVKIT_TRUTH).class_of
        return LabelledFiles.annotated(val, truth, classes=classes, annotations=kit / DEVKIT_TRUTH)
    raise InvalidInput(
        f"the images in {val} have no classes",
        expected=f"synset folders in val/; or {KAGGLE_TRUTH}, or {DEVKIT_TRUTH} and {DEVKIT_META}, in the folder above",
        found="images in val/ itself, and none of these files",
        do=f"put one of them into {root}",
    )


def _devkit(root: Path, file: str) -> Path | None:
    """Returns the folder of the development kit that has the file, if there is one."""
    return next((root / place for place in _DEVKIT_FOLDERS if (root / place / file).is_file()), None)


def _texts(root: Path, classes: list[str]) -> list[str] | None:
    """Returns the words for each class from the first file that has them, or None."""
    for name in _MAPPINGS:
        if (path := root / name).is_file():
            return read_words(path, classes)
    if kit := _devkit(root, DEVKIT_META):
        words = read_devkit(kit / DEVKIT_META).words
        return [words[name] for name in classes] if words.keys() >= set(classes) else None
    return None
