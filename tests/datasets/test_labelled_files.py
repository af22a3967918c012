"""Files and their classes, from class folders or annotations: paths, order, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_cache.datasets.discovery import find_images
from dgkd_cache.datasets.labelled_files import LabelledFiles
from dgkd_cache.errors import DataUnreadable


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_class_folders_are_as_they_are_found(tmp_path: Path) -> None:
    folder = touch(tmp_path / "train", "cat/1.png", "dog/deep/2.png")
    files = LabelledFiles.in_class_folders(folder)
    assert (list(files.classes), files.label_of) == find_images(folder)
    assert files.path("dog/deep/2.png") == "dog/deep/2.png"


def test_annotated_files_have_the_order_of_class_folders(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = touch(tmp_path / "val", "1.png", "2.JPEG", "notes.txt", "truth.csv", "._1.png", "more/3.png")
    files = LabelledFiles.annotated(
        folder,
        {"1.png": "dog", "2.JPEG": "cat"},
        classes=["cat", "dog"],
        annotations=folder / "truth.csv",
        beside=["truth.csv"],
    )
    assert files.label_of == {"cat/2.JPEG": 0, "dog/1.png": 1}
    assert [files.path(key) for key in files.label_of] == ["1.png", "2.JPEG"]
    assert caplog.messages == [f"{folder}: left out what is no image: 2 (1 .txt, 1 without extension)"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match="val cannot be listed: expected a folder of images, found No such file"):
        LabelledFiles.annotated(tmp_path / "val", {"1": "a"}, classes=["a"], annotations=tmp_path)
