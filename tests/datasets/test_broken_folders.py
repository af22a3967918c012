"""Folders of images that are broken, changed or of another layout: refused, with the files named."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.picture_folders import pictures, relative, train_of

from dgkd_cache.datasets.folder import FolderImages, load_folder
from dgkd_cache.errors import DataUnreadable, InvalidInput

WriteFolder = Callable[..., Path]


def test_broken_files_of_a_batch_are_named_together(write_folder: WriteFolder) -> None:
    folder = write_folder(pictures())
    train = train_of(folder, hold_bytes=0)
    for name in ("cat", "dog"):
        (folder / "train" / name / "01.png").write_bytes(b"no image at all")
    with pytest.raises(DataUnreadable, match="2 of 18 image files in .*01.png .not an image.; .*01.png .not an image"):
        train.batch(range(18))
    for name in ("cat", "dog"):
        Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save(folder / "train" / name / "01.png")
    with pytest.raises(DataUnreadable, match="01.png changed since .*expected an image of 6 x 7, found 3 x 3"):
        train.batch(range(18))


def test_another_image_of_the_same_size_is_named_once_digests_are_known(write_folder: WriteFolder) -> None:
    """In another process, too: what a worker opens by its path is what its parent compared with the guides."""
    folder = write_folder(pictures())
    train = train_of(folder, hold_bytes=0)
    path = folder / "train" / "dog" / "01.png"
    sample = relative(train).index("train/dog/01.png")
    assert len(train.sample_digest_N16) == 18
    sent = pickle.dumps(train)
    Image.fromarray(np.zeros((6, 7, 3), np.uint8)).save(path)
    for images in (train, pickle.loads(sent)):
        for read in (lambda images=images: images.image(sample), lambda images=images: images.batch(range(18))):
            with pytest.raises(DataUnreadable, match="01.png changed since .*expected SHA-256 [0-9a-f]{32}..., found"):
                read()


def test_unreadable_files_are_counted_and_named(write_folder: WriteFolder) -> None:
    folder = write_folder(pictures())
    cats = list((folder / "train" / "cat").rglob("*.png"))
    for path in cats:
        path.write_bytes(path.read_bytes()[:60])
    (folder / "train" / "cat" / "01.png").write_bytes(b"no image at all")
    with pytest.raises(DataUnreadable) as caught:
        load_folder(folder)
    message = str(caught.value)
    assert caught.value.exit_code == 1 and "9 of 18 image files in" in message and "and 4 more" in message
    assert message.count(".png (") == 5 and "cat/" in message and "dog/" not in message
    for path in cats:
        path.unlink()
    Image.fromarray(np.zeros((6, 7), np.uint8)).save(folder / "train" / "cat" / "whole.png")
    (folder / "train" / "cat" / "broken.jpg").write_bytes(b"no image at all")
    with pytest.raises(DataUnreadable, match=r"1 of 11 image files in .*cat/broken.jpg \(not an image\); replace"):
        load_folder(folder)


def test_a_truncated_image_is_found_at_load_or_named_at_use(write_folder: WriteFolder) -> None:
    files = pictures()
    files["train/cat/big.png"] = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    folder = write_folder(files)
    path = folder / "train" / "cat" / "big.png"
    path.write_bytes(path.read_bytes()[:9_000])
    with pytest.raises(DataUnreadable, match=r"1 of 19 image files in .*cat/big.png \(OSError"):
        load_folder(folder)
    images = FolderImages(folder / "train", name="n", split="train", hold_bytes=0)
    sample = relative(images).index("train/cat/big.png")
    with pytest.raises(DataUnreadable, match=r"1 image file in .*cat/big.png \(OSError"):
        images.image(sample)


def test_a_file_that_changed_or_went_since_loading_is_named(write_folder: WriteFolder) -> None:
    folder = write_folder(pictures())
    train = train_of(folder, hold_bytes=0)
    path = folder / "train" / "dog" / "01.png"
    sample = relative(train).index("train/dog/01.png")
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save(path)
    with pytest.raises(DataUnreadable, match="01.png changed since .*expected an image of 6 x 7, found 3 x 3"):
        train.image(sample)
    path.unlink()
    with pytest.raises(DataUnreadable, match=r"dog/01.png \(FileNotFoundError"):
        train.image(sample)


def test_a_folder_of_another_layout_is_refused(tmp_path: Path, write_folder: WriteFolder) -> None:
    with pytest.raises(InvalidInput, match=r"expected train/ and test/ \(or val/\).*found no such folder") as caught:
        load_folder(tmp_path / "nowhere")
    assert caught.value.exit_code == 2
    folder = write_folder({path: pixels for path, pixels in pictures().items() if path.startswith("train/")})
    with pytest.raises(InvalidInput, match="found train; put the test images of each class into test/CLASS/"):
        load_folder(folder)
    shutil.copytree(folder / "train", folder / "test")
    with pytest.raises(InvalidInput, match="name the folder above train/"):
        load_folder(folder / "train")
    assert len(load_folder(folder).test)


def test_class_folders_must_agree_and_hold_images(write_folder: WriteFolder) -> None:
    folder = write_folder(pictures())
    (folder / "test" / "eel").mkdir()
    with pytest.raises(DataUnreadable, match=r"expected the same in both, found eel not in train/ \(1 in all\)"):
        load_folder(folder)
    (folder / "train" / "eel").mkdir()
    with pytest.raises(DataUnreadable, match="no valid file for the classes eel.*add images, or remove"):
        load_folder(folder)
    (folder / "empty" / "train").mkdir(parents=True)
    (folder / "empty" / "test").mkdir()
    with pytest.raises(DataUnreadable, match="train does not hold images by class.*no class folder"):
        load_folder(folder / "empty")
