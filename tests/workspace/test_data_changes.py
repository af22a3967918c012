"""A changed folder of images makes runs stale with the sample that differs, where a store knows the old ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.picture_folders import pictures, relative, train_of
from support.tiny_chain import run

from dgkd_cache.datasets.folder import load_folder
from dgkd_cache.errors import Mismatch
from dgkd_cache.workspace.data_changes import explain_data
from dgkd_cache.workspace.run_inputs import read_inputs
from dgkd_cache.workspace.workspace import Workspace

CONFIG = """
[dataset]
name = "folder:../pictures"
[views]
transforms = ["hflip"]
count = 1
[chain]
teacher = "plain2"
student = "plain2"
[training]
epochs = 1
batch_size = 6
precision = "float32"
channels_last = true
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 18 + 6 pictures, and beside it a finished chain on them."""
    root = tmp_path_factory.mktemp("finished")
    for name, pixels in pictures().items():
        path = root / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    run(Workspace.init(root / "ws", CONFIG))
    return root


def change(folder: Path) -> str:
    Image.new("RGB", (7, 6)).save(folder / "train/cat/04.png")
    place = relative(train_of(folder)).index("train/cat/04.png")
    return f"train images: 1 of 18 samples differ, the first is sample {place} (train/cat/04.png), with other content"


def remove(folder: Path) -> str:
    place = relative(train_of(folder)).index("train/dog/05.png")
    (folder / "train/dog/05.png").unlink()
    return f"train images: 17 samples here, 18 recorded; 1 gone, the first was sample {place}"


def add(folder: Path) -> str:
    for number in range(2):
        Image.fromarray(np.full((6, 7, 3), number, np.uint8)).save(folder / f"train/dog/new{number}.png")
    place, name = next(one for one in enumerate(relative(train_of(folder))) if "new" in one[1])
    return f"train images: 20 samples here, 18 recorded; 2 new, the first is sample {place} ({name})"


def replace(folder: Path) -> str:
    """Others come to stand at other places: the numbers tell what that is."""
    place = relative(train_of(folder)).index("train/cat/04.png")
    (folder / "train/cat/04.png").unlink()
    Image.new("RGB", (7, 6)).save(folder / "train/dog/new.png")
    new = relative(train_of(folder)).index("train/dog/new.png")
    return f"; 1 new, the first is sample {new} (train/dog/new.png); 1 gone, the first was sample {place}"


def change_test(folder: Path) -> str:
    Image.new("RGB", (7, 6)).save(folder / "test/dog/02.png")
    tests = load_folder(folder).test
    place = next(i for i in range(6) if "test/dog/02.png" in tests.describe(i))
    return f"test images: 1 of 6 samples differ, the first is sample {place} (test/dog/02.png), with other content"


@pytest.mark.parametrize("changing", [change, remove, add, replace, change_test])
def test_run_names_what_is_not_as_it_was(finished: Path, tmp_path: Path, changing: Callable[[Path], str]) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    ws = Workspace.open(tmp_path / "copy" / "ws")
    assert explain_data(ws, read_inputs(ws.run_folder("teacher")) or {}) == ""
    expected = changing(tmp_path / "copy" / "pictures")
    with pytest.raises(Mismatch, match=r"teacher is stale.*digest was ") as caught:
        run(Workspace.open(ws.folder))
    assert caught.value.exit_code == 13 and expected in caught.value.found
    shutil.rmtree(ws.store_path("teacher"))
    with pytest.raises(Mismatch) as caught:
        run(Workspace.open(ws.folder))
    assert "digest was " in caught.value.found and "images" not in caught.value.found, "no store, no samples"
