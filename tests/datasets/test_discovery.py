"""Discovery of image files: ImageFolder's own list where nothing is to be left out, and each thing that is."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from support.unprivileged import open_folder, unprivileged
from torchvision.datasets import ImageFolder

from dgkd_cache.datasets.discovery import find_classes, find_images
from dgkd_cache.errors import DataUnreadable


def touch(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


PLAIN = [
    *(f"{name}/{deep}{number}{extension}" for name in ("ärm", "Zebra", "ant b") for deep in ("", "x/", "x/y.z/")
      for number, extension in enumerate((".png", ".JPEG", ".jpg", ".ppm", ".bmp", ".pgm", ".tif", ".TIFF", ".webp"))),
    "ant b/.hidden.png",
    "ant b/train.png/folder.png",
    "Zebra/.png",
]  # fmt: skip


def test_a_folder_with_nothing_to_leave_out_is_image_folder_s(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Outside links too: whole classes, folders inside a class, and files."""
    folder = touch(tmp_path / "train", *PLAIN)
    touch(tmp_path / "elsewhere", "class/1.png", "class/in/2.png", "more/3.png", "more/in/4.png", "5.png")
    (folder / "linked").symlink_to(tmp_path / "elsewhere" / "class")
    (folder / "Zebra" / "more").symlink_to(tmp_path / "elsewhere" / "more")
    (folder / "Zebra" / "five.png").symlink_to(tmp_path / "elsewhere" / "5.png")
    theirs = ImageFolder(str(folder))
    classes, labels = find_images(folder)
    assert classes == theirs.classes == find_classes(folder)
    assert labels == {Path(path).relative_to(folder).as_posix(): label for path, label in theirs.samples}
    assert len(labels) == len(PLAIN) + 5 and caplog.messages == []


def test_the_order_of_a_known_folder_is_pinned(tmp_path: Path) -> None:
    """The digest of the paths in index order, as the version before this module had them."""
    from dgkd_cache.datasets.folder import index_order

    _, labels = find_images(touch(tmp_path / "train", *PLAIN))
    text = "\n".join(f"{path} {labels[path]}" for path in index_order(list(labels)))
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "a4c9744bf4beb16514a61fe314da63a187ef90eaac831b29aa01ab11b36ed17d"
    )


def test_what_nobody_means_is_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = touch(
        tmp_path / "train",
        *("cat/1.png", "dog/1.png", "dog/deep/2.png"),
        *("cat/.ipynb_checkpoints/1-checkpoint.png", ".ipynb_checkpoints/1.png", "cat/__MACOSX/cat/._1.png"),
        *("__MACOSX/x.png", "cat/._1.png", "dog/deep/._2.png", "._cat"),
        *("cat/2.gif", "cat/3.GIF", "dog/4.jfif", "dog/5.avif", "dog/deep/6.jp2", "cat/notes", "readme.txt", "7.png"),
    )
    classes, labels = find_images(folder)
    assert classes == ["cat", "dog"] and labels == {"cat/1.png": 0, "dog/1.png": 1, "dog/deep/2.png": 1}
    assert caplog.messages == [
        f"{folder}: left out files of other formats: 6 (2 .gif, 1 .avif, 1 .jfif, 1 .jp2, 1 without extension); "
        "files beside the class folders: 2 (1 .png, 1 .txt); files that begin with ._: 3; "
        "folders that begin with a dot or are __MACOSX: 4"
    ]


def test_links_that_lead_nowhere_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A class that is one is not among the classes: nobody would look for it under files."""
    folder = touch(tmp_path / "train", "cat/1.png", "cat/notes", "dog/2.png", "readme.txt")
    for name in ("bird", "cat/more", "dog/list.txt"):
        (folder / name).symlink_to(tmp_path / "away")
    classes, labels = find_images(folder)
    assert classes == ["cat", "dog"] and labels == {"cat/1.png": 0, "dog/2.png": 1}
    assert caplog.messages == [
        f"{folder}: left out files of other formats: 1 (1 without extension); "
        "files beside the class folders: 1 (1 .txt); links that lead nowhere: 3 ('bird', 'cat/more', 'dog/list.txt')"
    ]


def test_a_loop_of_links_gives_each_image_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And no image of another class: the real folder has the label, whichever name comes first."""
    folder = touch(tmp_path / "train", "cat/1.png", "dog/2.png", "dog/deep/3.png")
    (folder / "cat" / "loop").symlink_to(folder / "cat")
    (folder / "cat" / "up").symlink_to(folder)
    touch(tmp_path / "test", "cat/1.png", "dog/2.png")
    (folder / "cat" / "root").symlink_to("../..")
    (folder / "dog" / "above").symlink_to(tmp_path.parent)
    (folder / "cat" / "a").symlink_to(folder / "dog" / "deep")
    (folder / "dog" / "deep" / "back").symlink_to("..")
    touch(tmp_path / "shared", "4.png", "in/5.png")
    (tmp_path / "shared" / "in" / "loop").symlink_to(tmp_path / "shared")
    (folder / "dog" / "shared").symlink_to(tmp_path / "shared")
    (folder / "dog" / "twice").symlink_to(tmp_path / "shared" / "in")
    _, labels = find_images(folder)
    assert labels == {
        "cat/1.png": 0,
        "dog/2.png": 1,
        "dog/deep/3.png": 1,
        "dog/shared/4.png": 1,
        "dog/shared/in/5.png": 1,
    }
    assert caplog.messages == [f"{folder}: left out links to folders that are read already, or that lie above: 8"]


@pytest.mark.parametrize("link", ["../../test", "../../test/cat", "class"])
def test_a_link_into_the_other_split_is_refused(tmp_path: Path, link: str) -> None:
    touch(tmp_path / "test", "cat/1.png", "dog/2.png")
    folder = touch(tmp_path / "train", "cat/3.png")
    place = folder / "dog" if link == "class" else folder / "cat" / "more"
    place.symlink_to("../test/dog" if link == "class" else link)
    with pytest.raises(DataUnreadable, match=f"{place} leads into the other split.*found a link to .*/test.*remove"):
        find_images(folder)
    place.unlink()
    assert find_images(folder)[1] == {"cat/3.png": 0}
    (folder / "cat" / "more").symlink_to(tmp_path / "val")  # a split that is not used beside test/
    touch(tmp_path / "val", "4.png")
    assert set(find_images(folder)[1]) == {"cat/3.png", "cat/more/4.png"}


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems have names in UTF-8 only")
def test_a_class_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    os.makedirs(os.fsencode(tmp_path / "train") + b"/caf\xe9")
    with pytest.raises(DataUnreadable, match=r"a class folder in .*train has a name that is not UTF-8.*caf\\xe9"):
        find_classes(tmp_path / "train")


def test_a_class_of_other_formats_only_says_what_it_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = touch(tmp_path / "train", "cat/1.png", "dog/1.gif")
    with pytest.raises(DataUnreadable, match="no valid file for the classes dog; valid are .jpg, .*add images, or"):
        find_images(folder)
    assert caplog.messages == [f"{folder}: left out files of other formats: 1 (1 .gif)"]


@pytest.mark.parametrize("class_names", [("cat", "dog"), ("dog", "cat")])
def test_one_folder_as_two_classes_is_refused(tmp_path: Path, class_names: tuple[str, str]) -> None:
    """Whichever of the two is the link, and for a folder within a class too: the images would have two labels."""
    real, link = class_names
    folder = touch(tmp_path / "train", f"{real}/1.png", f"{real}/deep/2.png")
    (folder / link).symlink_to(real)
    with pytest.raises(DataUnreadable, match="two labels.*found 'dog', which is the folder of 'cat', too; remove the"):
        find_images(folder)
    (folder / link).unlink()
    (folder / link).symlink_to(f"{real}/deep")
    with pytest.raises(DataUnreadable, match=f"two labels.*found '{link}', which is within the folder of '{real}'"):
        find_images(folder)


def test_of_two_links_to_one_folder_the_first_by_name_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In whatever order the system lists them, and at any depth."""
    touch(tmp_path / "shared", "4.png")
    folder = touch(tmp_path / "train", "cat/b/1.png", "cat/c/1.png", "dog/1.png")
    for link in ("cat/b/more", "cat/c/more", "dog/z", "dog/a"):
        (folder / link).symlink_to(tmp_path / "shared")
    found, walk = [], os.walk
    for backwards in (False, True):

        def listed(top: str, backwards: bool = backwards, **settings: object) -> object:
            for place, folders, files in walk(top, **settings):
                folders.sort(reverse=backwards)
                yield place, folders, files

        monkeypatch.setattr(os, "walk", listed)
        found.append(sorted(find_images(folder)[1]))
    assert found == [["cat/b/1.png", "cat/b/more/4.png", "cat/c/1.png", "dog/1.png"]] * 2
    assert caplog.messages == [f"{folder}: left out links to folders that are read already, or that lie above: 3"] * 2


def test_a_folder_that_may_not_be_listed_is_named() -> None:
    with open_folder() as place:
        folder = touch(place / "train", "cat/1.png", "cat/closed/2.png")
        (folder / "cat" / "closed").chmod(0)
        said = unprivileged(lambda: str(find_images(folder)))
    assert said.startswith(f"DataUnreadable: {folder}/cat/closed cannot be listed"), said
