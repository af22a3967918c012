"""Finds image files in class folders: the samples of torchvision's ImageFolder, without hidden files.

Folders that begin with a dot, `__MACOSX` and files that begin with `._` are skipped, and each real folder is visited
once. One line reports how many were skipped, and how many files have other formats.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from torchvision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension

from dgkd_cache.datasets.remarks import warn
from dgkd_cache.errors import DataUnreadable
from dgkd_stores import is_utf8

__all__ = ["find_classes", "find_images", "has_class_folders"]

_EXTENSIONS_SHOWN = 8


def find_classes(folder: Path) -> list[str]:
    """Returns the names of the class folders, sorted. Raises DataUnreadable if there are none or one is not UTF-8."""
    if not folder.is_dir():
        raise _no_images(folder, "no such folder", do="name the folder above train/")
    with os.scandir(folder) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir() and not _is_aside(entry.name))
    if not classes:
        raise _no_images(folder, "no class folder", do="put the images of each class into a folder of its own")
    for name in classes:
        if not is_utf8(name):
            raise DataUnreadable(
                f"a class folder in {folder} has a name that is not UTF-8",
                expected="UTF-8, in which stores and cards hold the names of classes",
                found=f"the bytes {os.fsencode(name)!r}",
                do="rename that folder",
            )
    return classes


def has_class_folders(folder: Path) -> bool:
    """Returns True if `folder` has folders that `find_classes` takes for classes."""
    with os.scandir(folder) as entries:
        return any(entry.is_dir() and not _is_aside(entry.name) for entry in entries)


def find_images(
    folder: Path, *, others: Sequence[str] | None = None, beside: str | None = None
) -> tuple[list[str], dict[str, int]]:
    """Returns (class names, the label of each image file by its posix path below `folder`), in no order.

    `others` are the names of the folder of the other split, of which the first that exists is taken; links into it are
    refused. Files that end with `beside` belong to the data set and are not counted as left out. Raises DataUnreadable
    for a class without images and for a folder that cannot be listed.
    """
    classes, walk = find_classes(folder), _Walk(folder, others, beside)
    labels = dict(walk.label_files(classes))
    walk.tell()
    with_images = set(labels.values())
    if empty := [name for label, name in enumerate(classes) if label not in with_images]:
        found = f"no valid file for the classes {', '.join(empty)}; valid are {', '.join(IMG_EXTENSIONS)}"
        raise _no_images(folder, found, do="add images, or remove the empty folders")
    return classes, labels


class _Walk:
    """A walk through the class folders of one split, each real folder once; it counts what it skips."""

    def __init__(self, folder: Path, others: Sequence[str] | None = None, beside: str | None = None) -> None:
        self._folder, self._ending = folder, beside
        self._extensions, self._beside = Counter[str](), Counter[str]()
        self._macos = self._aside = self._again = 0
        self._nowhere: list[str] = []
        above = Path(os.path.realpath(folder))
        self._visited = {_identity(place) for place in (above, *above.parents)}  # a link up would lead to all splits
        self._other_split = _other_split(above, others)
        with os.scandir(folder) as entries:
            for entry in entries:
                self._count(entry)

    def label_files(self, classes: Sequence[str]) -> Iterator[tuple[str, int]]:
        """Yields the posix path of each image file, relative to the folder of all classes, and its label."""
        tops = [(os.path.join(self._folder, name), label) for label, name in enumerate(classes)]
        self._refuse_overlap(classes)
        while tops:
            links = list[tuple[str, int]]()
            for top, label in tops:
                if not self._enter(top):
                    continue
                for place, folders, files in os.walk(top, onerror=_refuse):
                    # Sorted, because of two links to one folder the first is followed.
                    inside = {name: os.path.join(place, name) for name in sorted(folders) if not self._skip(name)}
                    # Links come last: files in a class folder itself have the label of that class.
                    linked = {name for name, path in inside.items() if os.path.islink(path)}
                    links += [(path, label) for name, path in inside.items() if name in linked]
                    folders[:] = [name for name in inside if name not in linked and self._enter(inside[name])]
                    relative = Path(place).relative_to(self._folder).as_posix()
                    yield from ((f"{relative}/{file}", label) for file in files if self._take(relative, file))
            tops = links

    def _refuse_overlap(self, classes: Sequence[str]) -> None:
        """Raises DataUnreadable if one class folder is another one or inside it: the labels are ambiguous."""
        real = dict[str, str]()
        for name in classes:
            place = os.path.realpath(os.path.join(self._folder, name))
            if place in real:
                raise self._overlap(name, f"the folder of {real[place]!r}, too")
            real[place] = name
        for place, name in real.items():
            for above in map(str, Path(place).parents):
                if above in real:
                    raise self._overlap(name, f"within the folder of {real[above]!r}")

    def _overlap(self, name: str, found: str) -> DataUnreadable:
        return DataUnreadable(
            f"the same images of {self._folder} would have two labels",
            expected="a folder of its own for each class",
            found=f"{name!r}, which is {found}",
            do="remove the link, or move the images of each class into a folder of its own",
        )

    def tell(self) -> None:
        """Logs one line for all that was skipped, if anything was."""
        counted = (
            ("files of other formats", self._extensions.total(), self._extensions),
            ("files beside the class folders", self._beside.total(), self._beside),
            ("files that begin with ._", self._macos, None),
            ("folders that begin with a dot or are __MACOSX", self._aside, None),
            ("links to folders that are read already, or that lie above", self._again, None),
        )
        left = [f"{what}: {count}{_list_counts(extensions)}" for what, count, extensions in counted if count]
        if self._nowhere:
            shown = [*map(repr, sorted(self._nowhere)[:_EXTENSIONS_SHOWN])]
            shown += ["..."] * (len(self._nowhere) > len(shown))
            left.append(f"links that lead nowhere: {len(self._nowhere)} ({', '.join(shown)})")
        if left:
            warn(f"{self._folder}: left out {'; '.join(left)}")

    def _count(self, entry: os.DirEntry[str]) -> None:
        """Counts entries beside the class folders."""
        if entry.is_dir():
            self._skip(entry.name)
        elif entry.name.startswith("._"):
            self._macos += 1
        elif _leads_nowhere(entry.path):
            self._nowhere.append(entry.name)
        else:
            self._beside[_extension(entry.name)] += 1

    def _skip(self, name: str) -> bool:
        """Returns True for a folder to skip, and counts it."""
        self._aside += _is_aside(name)
        return _is_aside(name)

    def _enter(self, folder: str) -> bool:
        """Returns True for a folder not visited yet, and marks it as visited; another link to it is counted."""
        place = Path(os.path.realpath(folder))
        if self._other_split is not None and place.is_relative_to(self._other_split):
            raise DataUnreadable(
                f"{folder} leads into the other split",
                expected=f"images of {self._folder.name}/ alone, or links to folders outside of {self._other_split}",
                found=f"a link to {place}",
                do="remove that link: a model must not be trained on the images that it is tested with",
            )
        identity = _identity(folder)
        again = identity in self._visited
        self._visited.add(identity)
        self._again += again
        return not again

    def _take(self, relative: str, file: str) -> bool:
        """Returns True for an image file or a link with an image's name; counts anything else."""
        if file.startswith("._"):
            self._macos += 1
            return False
        if not has_file_allowed_extension(file, IMG_EXTENSIONS):
            if self._ending is not None and file.endswith(self._ending):
                return False
            if _leads_nowhere(os.path.join(self._folder, relative, file)):
                self._nowhere.append(f"{relative}/{file}")
            else:
                self._extensions[_extension(file)] += 1
            return False
        return True


def _other_split(folder: Path, others: Sequence[str] | None) -> Path | None:
    """Returns the folder of the other split beside this one, if there is one."""
    for name in others or (("test", "val") if folder.name == "train" else ("train",)):
        if (folder.parent / name).is_dir():
            place = Path(os.path.realpath(folder.parent / name))
            return None if place == folder else place
    return None


def _leads_nowhere(path: str) -> bool:
    return os.path.islink(path) and not os.path.exists(path)


def _is_aside(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _identity(folder: str | Path) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _extension(file: str) -> str:
    return os.path.splitext(file)[1].lower() or "without extension"


def _list_counts(extensions: Counter[str] | None) -> str:
    if extensions is None:
        return ""
    shown = [f"{count} {name}" for name, count in sorted(extensions.items(), key=lambda one: (-one[1], one[0]))]
    more = ["..."] if len(shown) > _EXTENSIONS_SHOWN else []
    return f" ({', '.join(shown[:_EXTENSIONS_SHOWN] + more)})"


def _refuse(error: OSError) -> NoReturn:
    raise DataUnreadable(
        f"{error.filename} cannot be listed",
        expected="a folder that may be read",
        found=str(error.strerror),
        do="change its permissions, or move it away",
    ) from error


def _no_images(folder: Path, found: str, *, do: str) -> DataUnreadable:
    expected = "one folder a class with at least one image in it"
    return DataUnreadable(f"{folder} does not hold images by class", expected=expected, found=found, do=do)
