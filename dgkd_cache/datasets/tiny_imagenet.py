"""Loads tiny-imagenet:ROOT, Tiny ImageNet (Stanford CS231n, 2015) as it is shipped in tiny-imagenet-200.zip.

Training images are in ROOT/train/SYNSET/images; validation images, the test split, in ROOT/val/images with
ROOT/val/val_annotations.txt. The images in ROOT/test have no labels and are ignored. A ROOT/val that was sorted into
synset folders gives the same samples in the same order.
"""

from __future__ import annotations

from pathlib import Path

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.decoders import PILLOW, DecoderName
from dgkd_cache.datasets.discovery import find_classes
from dgkd_cache.datasets.folder import HOLD_BYTES, check_same_classes, load_splits
from dgkd_cache.datasets.imagenet import require_splits
from dgkd_cache.datasets.labelled_files import LabelledFiles
from dgkd_cache.datasets.remarks import say_source
from dgkd_cache.datasets.synsets import SYNSET, all_words, read_lines, read_words, require_synsets
from dgkd_cache.errors import DataUnreadable, InvalidInput
from dgkd_stores.disk import Stop, never

__all__ = ["load_tiny_imagenet", "tiny_imagenet_classes"]

_NAME = "tiny-imagenet"
_ANNOTATIONS = "val_annotations.txt"
_CORNERS = 4
_BOXES = "_boxes.txt"


def load_tiny_imagenet(
    root: Path,
    *,
    hold_bytes: int = HOLD_BYTES,
    rehash: bool = False,
    decoder: DecoderName = PILLOW,
    stop: Stop = never,
) -> Dataset:
    """Returns Tiny ImageNet in `root`; classes are synset ids in their sorted order.

    `decoder` decodes plain JPEGs. Raises InvalidInput if there is no train/ or val/, or no annotations, DataUnreadable
    for class folders, wnids.txt, annotations and words that do not fit together, and what `FolderImages` raises.
    """
    classes = tiny_imagenet_classes(root)
    train, val = root / "train", root / "val"
    say_source(_NAME, train, val)
    images, sorted_ = val / "images", any(SYNSET.fullmatch(entry.name) for entry in val.iterdir())
    if sorted_ and images.is_dir() and not any(images.iterdir()):
        raise InvalidInput(
            f"{val} has synset folders, and an empty folder of images",
            expected=f"images/ and {_ANNOTATIONS} in val/, or synset folders alone",
            found="images/ without an image",
            do=f"remove {images}, since its images were sorted into the synset folders",
        )
    if (path := val / _ANNOTATIONS).is_file() and images.is_dir():
        tests = LabelledFiles.annotated(images, _read_annotations(path), classes=classes, annotations=path)
    elif sorted_:
        check_same_classes(train, val)
        tests = LabelledFiles.in_class_folders(val)
    else:
        raise InvalidInput(
            f"the images in {val} have no classes",
            expected=f"images/ and {_ANNOTATIONS} in val/, or synset folders",
            found=", ".join(sorted(entry.name for entry in val.iterdir())[:8]) or "an empty folder",
            do=f"put {_ANNOTATIONS} and images/ of tiny-imagenet-200.zip there",
        )
    files = LabelledFiles.in_class_folders(train, others=("val",), beside=_BOXES)
    texts = read_words(path, classes) if (path := root / "words.txt").is_file() else None
    words = all_words(classes, texts)
    return load_splits(
        *(_NAME, files, tests),
        hold_bytes=hold_bytes,
        rehash=rehash,
        decoder=decoder,
        stop=stop,
        class_words=words,
    )


def tiny_imagenet_classes(root: Path) -> list[str]:
    """Returns the classes in `root`, by the names of folders. Raises as `load_tiny_imagenet`; reads no image."""
    require_splits(root, root, kind=_NAME)
    classes = find_classes(root / "train")
    require_synsets(classes, root / "train")
    _check_ids(root / "wnids.txt", root / "train", classes)
    return classes


def _check_ids(path: Path, train: Path, classes: list[str]) -> None:
    """Raises DataUnreadable unless the class folders are those that wnids.txt lists, where it is there."""
    if not path.is_file():
        return
    listed = {line.strip() for line in read_lines(path)}
    if listed != set(classes):
        lacking, more = sorted(listed - set(classes)), sorted(set(classes) - listed)
        found = [f"no folder {', '.join(lacking[:5])} ({len(lacking)} in all)"] * bool(lacking)
        found += [f"{', '.join(more[:5])} beside them ({len(more)} in all)"] * bool(more)
        raise DataUnreadable(
            f"the class folders of {train} are not those of {path}",
            expected=f"the {len(listed)} that it lists",
            found="; ".join(found),
            do="unpack the archive again, or list the classes that are meant",
        )


def _read_annotations(path: Path) -> dict[str, str]:
    """Returns the synset of each validation image by its file name."""
    class_of = dict[str, str]()
    for number, line in enumerate(read_lines(path), start=1):
        file, _, rest = line.partition("\t")
        synset, *corners = rest.split("\t")
        whole = file and "/" not in file and SYNSET.fullmatch(synset) and len(corners) == _CORNERS
        if not whole or file in class_of:
            raise DataUnreadable(
                f"{path} is not Tiny ImageNet's",
                expected="each image once: its file, its synset and the four corners of its box, with tabs between",
                found=f"{line[:80]!r} in line {number}",
                do=f"copy {_ANNOTATIONS} of tiny-imagenet-200.zip again",
            )
        class_of[file] = synset
    return class_of
