"""The ground truth of ImageNet's validation images: what is read, and files of another form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from support.imagenet_trees import KAGGLE, NUMBERS, TRUTH, VAL, WORDS, val_name, write_meta, write_solution

from dgkd_cache.datasets.imagenet_truth import read_devkit, read_kaggle
from dgkd_cache.errors import DataUnreadable

WANTED = {val_name(number): synset for number, synset in enumerate(VAL, start=1)}


def test_kaggles_solution(tmp_path: Path) -> None:
    write_solution(tmp_path, VAL)
    assert read_kaggle(tmp_path / KAGGLE) == WANTED
    text = (tmp_path / KAGGLE).read_text()
    (tmp_path / KAGGLE).write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert read_kaggle(tmp_path / KAGGLE) == WANTED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "found '' in line 1"),
        ("ImageId,Label\na,n01440764\n", "found 'ImageId,Label' in line 1"),
        ("ImageId,PredictionString\na,n01440764\n", "found 'a,n01440764' in line 2"),
        ("ImageId,PredictionString\na\n", "found 'a' in line 2"),
        ("ImageId,PredictionString\na,n01440764 1 2 3 4,5\n", "in line 2"),
        ("ImageId,PredictionString\n\na,n01440764 1 2 3 4\n", "found '' in line 2"),
        ("ImageId,PredictionString\na,tench 1 2 3 4\n", "found 'a,tench 1 2 3 4' in line 2"),
        ("ImageId,PredictionString\n../a,n01440764 1 2 3 4\n", "in line 2"),
        ("ImageId,PredictionString\na,n01440764 1 2 3 4 n02012849 1 2 3 4\n", "in line 2"),
        ("ImageId,PredictionString\n" + "a,n01440764 1 2 3 4\n" * 2, "found 'a' a second time in line 3"),
        ('ImageId,PredictionString\na,"n01440764 1 2 3 4\n', "in line 2"),
    ],
)
def test_a_csv_of_another_form_is_refused(tmp_path: Path, text: str, found: str) -> None:
    (path := tmp_path / KAGGLE).write_text(text)
    with pytest.raises(DataUnreadable, match=rf"is not Kaggle's {KAGGLE}: .*{found}"):
        read_kaggle(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (path := tmp_path / KAGGLE).write_bytes(b"\xff\xfe")
    with pytest.raises(DataUnreadable, match="cannot be read: expected a text file in UTF-8"):
        read_kaggle(path)


def test_the_devkit(tmp_path: Path) -> None:
    write_meta(tmp_path / "meta.mat")
    (tmp_path / TRUTH).write_text("".join(f"{NUMBERS[synset]}\n" for synset in VAL))
    kit = read_devkit(tmp_path / "meta.mat", tmp_path / TRUTH)
    assert (kit.class_of, kit.words) == (WANTED, WORDS)
    assert read_devkit(tmp_path / "meta.mat").class_of == {}


@pytest.mark.parametrize("line", ["1001", "0", "-1", "n01440764", "", "1e3"])
def test_numbers_that_no_leaf_has_are_refused(tmp_path: Path, line: str) -> None:
    """1001 is a synset that has others below it; an empty line would shift all images after it."""
    write_meta(tmp_path / "meta.mat")
    (tmp_path / TRUTH).write_text(f"23\n{line}\n23\n")
    with pytest.raises(DataUnreadable, match=f"is not the ground truth.*found '{line}' in line 2"):
        read_devkit(tmp_path / "meta.mat", tmp_path / TRUTH)


def test_another_meta_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "meta.mat"
    savemat(path, {"other": np.zeros(3)})
    with pytest.raises(DataUnreadable, match="meta.mat cannot be read: expected the struct array"):
        read_devkit(path)
    savemat(path, {"synsets": np.zeros(3)})
    with pytest.raises(DataUnreadable, match="meta.mat cannot be read"):
        read_devkit(path)
    path.write_bytes(b"no matrices")
    with pytest.raises(DataUnreadable, match="meta.mat cannot be read"):
        read_devkit(path)
    write_meta(path, {"n01440764": 5, "n02012849": 5})
    with pytest.raises(DataUnreadable, match="meta.mat cannot be used.*not unique"):
        read_devkit(path)
