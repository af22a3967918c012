"""The classes of ImageNet's validation images: Kaggle's LOC_val_solution.csv, or the ground truth of the devkit.

The devkit is ILSVRC2012_devkit_t12: data/meta.mat numbers the synsets, data/ILSVRC2012_validation_ground_truth.txt has
the number of each image's synset, a line an image.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dgkd_cache.datasets.synsets import SYNSET, read_lines
from dgkd_cache.errors import DataUnreadable
from dgkd_cache.user_code import convert_errors

__all__ = ["DEVKIT_META", "DEVKIT_TRUTH", "KAGGLE_TRUTH", "Devkit", "read_devkit", "read_kaggle"]

KAGGLE_TRUTH = "LOC_val_solution.csv"
DEVKIT_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
DEVKIT_META = "meta.mat"

_HEADER = ["ImageId", "PredictionString"]
_BOX = 5  # a synset and four corners


@dataclass(frozen=True, kw_only=True)
class Devkit:
    """The content of the devkit that is used."""

    words: Mapping[str, str]
    """The words for each synset that has no children, by its id."""
    class_of: Mapping[str, str] = field(default_factory=dict)
    """The synset of each validation image by its file name."""


def read_kaggle(path: Path) -> dict[str, str]:
    """Returns the synset of each validation image by its file name. Raises DataUnreadable for another form of file."""
    rows = csv.reader(read_lines(path), strict=True)
    class_of = dict[str, str]()
    try:
        if (header := next(rows, [])) != _HEADER:
            raise _other_form(path, f"{','.join(header)[:80]!r}", 1)
        for row in rows:
            image, boxes = row if len(row) == len(_HEADER) else ("", "")
            synsets = set(boxes.split()[::_BOX])
            whole = len(boxes.split()) % _BOX == 0 and len(synsets) == 1 and all(map(SYNSET.fullmatch, synsets))
            if not image or "/" in image or not whole:
                raise _other_form(path, f"{','.join(row)[:80]!r}", rows.line_num)
            if (file := f"{image}.JPEG") in class_of:
                raise _other_form(path, f"{image!r} a second time", rows.line_num)
            class_of[file] = synsets.pop()
    except csv.Error as error:
        raise _other_form(path, str(error), rows.line_num) from error
    return class_of


def read_devkit(meta: Path, truth: Path | None = None) -> Devkit:
    """Returns the words for the synsets in `meta`, and the synsets of the images in `truth`.

    Raises DataUnreadable for a file that is missing or has another form.
    """
    synset_of, words = _read_meta(meta)
    class_of = dict[str, str]()
    for number, line in enumerate(read_lines(truth) if truth else (), start=1):
        if not line.strip().isdecimal() or int(line) not in synset_of:
            raise DataUnreadable(
                f"{truth} is not the ground truth of ILSVRC2012",
                expected=f"the number of one of the {len(synset_of)} synsets of {meta} in each line",
                found=f"{line[:80]!r} in line {number}",
                do="copy the devkit again, both files of it",
            )
        class_of[f"ILSVRC2012_val_{number:08}.JPEG"] = synset_of[int(line)]
    return Devkit(words=words, class_of=class_of)


def _read_meta(path: Path) -> tuple[dict[int, str], dict[str, str]]:
    """Returns the id of each synset without children by its number, and its words by its id."""
    from scipy.io import loadmat

    expected = "the struct array `synsets`, each with ILSVRC2012_ID, WNID, words, gloss and num_children"
    do = f"copy {DEVKIT_META} of ILSVRC2012_devkit_t12 again"
    with convert_errors(f"{path} cannot be read", expected=expected, do=do, into=DataUnreadable):
        synsets = loadmat(str(path), squeeze_me=True, variable_names=["synsets"])["synsets"].reshape(-1)
        fields = ("ILSVRC2012_ID", "WNID", "words", "num_children")
        rows = [(int(number), str(name), str(words), int(below)) for number, name, words, below in synsets[[*fields]]]
    leaves = [(number, name, words) for number, name, words, below in rows if not below]
    numbers, names = ({row[place] for row in leaves} for place in (0, 1))
    if not leaves or not len(numbers) == len(names) == len(leaves) or not all(SYNSET.fullmatch(str(n)) for n in names):
        raise DataUnreadable(
            f"{path} cannot be used", expected=expected, found="synsets that are not unique, or no ids", do=do
        )
    return {number: name for number, name, _ in leaves}, {name: words for _, name, words in leaves}


def _other_form(path: Path, found: str, line: int) -> DataUnreadable:
    return DataUnreadable(
        f"{path} is not Kaggle's {KAGGLE_TRUTH}",
        expected="the header ImageId,PredictionString, then each image once with a synset and the corners of each box",
        found=f"{found} in line {line}",
        do="copy the file again",
    )
