"""LabelledFiles: the image files of a split with their classes, from class folders or from a list of annotations.

Both forms of the same split give the same samples in the same order: where files lie in one flat folder, their order is
that of CLASS/FILE.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension

from dgkd_cache.datasets.discovery import find_images
from dgkd_cache.datasets.remarks import warn
from dgkd_cache.errors import DataUnreadable

__all__ = ["LabelledFiles"]

_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class LabelledFiles:
    """The image files of a split, with the class of each."""

    folder: Path
    """The folder that holds them."""
    classes: tuple[str, ...]
    """The names of the classes, in the order of labels."""
    label_of: Mapping[str, int]
    """The label of each file by its posix path below the folder; of a flat folder by CLASS/FILE."""
    flat: bool = False
    """True if the files lie in the folder itself."""

    def path(self, key: str) -> str:
        """Returns the posix path below the folder of a key of `label_of`."""
        return key.partition("/")[2] if self.flat else key

    @classmethod
    def in_class_folders(
        cls, folder: Path, *, others: Sequence[str] | None = None, beside: str | None = None
    ) -> LabelledFiles:
        """Returns the images in the class folders of `folder`, as `find_images`, which also says what is raised."""
        classes, label_of = find_images(folder, others=others, beside=beside)
        return cls(folder=folder, classes=tuple(classes), label_of=label_of)

    @classmethod
    def annotated(
        cls,
        folder: Path,
        class_of: Mapping[str, str],
        *,
        classes: Sequence[str],
        annotations: Path,
        beside: Collection[str] = (),
    ) -> LabelledFiles:
        """Returns the images that lie in `folder` itself; `class_of` each file is what `annotations` says.

        Other files are counted in one line, except those named in `beside`. Raises DataUnreadable for a class that is
        not among `classes`, for a file without annotation, an annotation without file, and a class without images.
        """
        number_of = {name: number for number, name in enumerate(classes)}
        unknown = sorted(set(class_of.values()) - set(number_of))
        _require_none(
            unknown,
            f"{annotations} names classes that the training images do not have",
            expected=f"some of the {len(classes)} class folders of train/",
            do="complete the training images, or remove these lines and their images",
        )
        present = _image_files(folder, beside)
        _require_none(
            sorted(set(class_of) - present),
            f"{annotations} names files that are not in {folder}",
            expected="each annotated file",
            do="copy the missing files, or remove their lines",
        )
        _require_none(
            sorted(present - set(class_of)),
            f"{folder} has images without a class",
            expected=f"each image in {annotations}",
            do="complete that file, or remove the images",
        )
        _require_none(
            sorted(set(classes) - set(class_of.values())),
            f"{annotations} leaves classes without images",
            expected=f"an image of each of the {len(classes)} class folders of train/",
            do="complete that file and its images, or remove these classes from train/",
        )
        label_of = {f"{name}/{file}": number_of[name] for file, name in class_of.items()}
        return cls(folder=folder, classes=tuple(classes), label_of=label_of, flat=True)


def _image_files(folder: Path, beside: Collection[str]) -> set[str]:
    """Returns the names of the image files in a folder; counts other files and folders in one line."""
    found, other = set[str](), Counter[str]()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("._") or entry.name in beside:
                    continue
                if has_file_allowed_extension(entry.name, IMG_EXTENSIONS):
                    found.add(entry.name)
                else:
                    other[os.path.splitext(entry.name)[1].lower() or "without extension"] += 1
    except OSError as error:
        raise DataUnreadable(
            f"{folder} cannot be listed", expected="a folder of images", found=str(error.strerror), do="check the path"
        ) from error
    if other:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(other.items()))
        warn(f"{folder}: left out what is no image: {other.total()} ({counts})")
    return found


def _require_none(names: Sequence[str], problem: str, *, expected: str, do: str) -> None:
    """Raises DataUnreadable, with the number of the names and the first of them, if there are any."""
    if names:
        listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        raise DataUnreadable(problem, expected=expected, found=f"{len(names)}: {listed}", do=do)
