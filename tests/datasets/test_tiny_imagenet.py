"""Tiny ImageNet as it is shipped, and sorted into folders; what does not fit together is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.imagenet_trees import VAL, WORDS, write_jpeg, write_tiny

from dgkd_cache.datasets.normalisation import mean_and_std
from dgkd_cache.datasets.registry import load_dataset, usual_transforms
from dgkd_cache.datasets.tiny_imagenet import load_tiny_imagenet
from dgkd_cache.errors import DataUnreadable, DgkdError, InvalidInput


def test_as_it_is_shipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = load_dataset(f"tiny-imagenet:{write_tiny(tmp_path)}")
    assert (dataset.name, dataset.classes) == ("tiny-imagenet", tuple(sorted(WORDS)))
    assert (len(dataset.train), len(dataset.test)) == (9, len(VAL))
    assert dataset.train.pixels_NIHW is not None and dataset.train.pixels_NIHW.shape == (9, 3, 8, 8)
    found = {}
    for sample in range(len(VAL)):
        found[dataset.test.describe(sample)] = dataset.classes[dataset.test.labels_N[sample]]
    named = {text.partition("(")[2].rstrip(")"): synset for text, synset in found.items()}
    assert named == {f"images/val_{number}.JPEG": synset for number, synset in enumerate(VAL)}
    for sample in range(9):
        assert dataset.train.describe(sample).split("/")[1] == dataset.classes[dataset.train.labels_N[sample]]
    assert dataset.class_words[0][0] == "tench, Tinca tinca"
    assert (dataset.mean, dataset.std) == mean_and_std(dataset.train)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []
    assert usual_transforms("tiny-imagenet:x") == ("crop(8)", "hflip")


@pytest.mark.parametrize("nested", ["", "images/"])
def test_sorted_into_folders_it_is_the_same(tmp_path: Path, nested: str) -> None:
    shipped = load_tiny_imagenet(write_tiny(tmp_path / "shipped"))
    root = write_tiny(tmp_path / "sorted")
    for number, synset in enumerate(VAL):
        (root / "val" / synset / nested).mkdir(parents=True, exist_ok=True)
        name = f"val_{number}.JPEG"
        (root / "val" / "images" / name).rename(root / "val" / synset / nested / name)
    (root / "val" / "images").rmdir()
    found = load_tiny_imagenet(root)
    assert (found.test.digest, found.train.digest) == (shipped.test.digest, shipped.train.digest)


def test_an_empty_folder_that_sorting_left_is_named(tmp_path: Path) -> None:
    root = write_tiny(tmp_path)
    for number, synset in enumerate(VAL):
        (root / "val" / synset).mkdir(exist_ok=True)
        (root / "val" / "images" / f"val_{number}.JPEG").rename(root / "val" / synset / f"val_{number}.JPEG")
    error = refused(root)
    assert isinstance(error, InvalidInput) and error.do.startswith(f"remove {root / 'val' / 'images'}")
    (root / "val" / "images").rmdir()
    assert len(load_tiny_imagenet(root).test) == len(VAL)


def refused(root: Path) -> DgkdError:
    with pytest.raises(DgkdError) as caught:
        load_tiny_imagenet(root)
    return caught.value


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = write_tiny(tmp_path)
    (root / "val" / "val_annotations.txt").unlink()
    error = refused(root)
    assert isinstance(error, InvalidInput)
    assert "expected images/ and val_annotations.txt in val/, or synset folders, found images" in str(error)
    shutil.rmtree(root / "val")
    assert "expected train/ and val/ in tiny-imagenet:ROOT" in str(refused(root))


def test_as_a_plain_folder_it_is_told_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match="name Tiny ImageNet as it is shipped tiny-imagenet:PATH"):
        load_dataset(f"folder:{write_tiny(tmp_path)}")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("val_9.JPEG\tn01440764\t0\t0\t7\t7", "names files that are not in .*found 1: val_9.JPEG"),
        ("val_9.JPEG\tn02119789\t0\t0\t7\t7", "names classes that the training images do not have: .*n02119789"),
        ("val_0.JPEG\tn01440764\t0\t0\t7\t7", "is not Tiny ImageNet's: .*found 'val_0.JPEG.*in line 6"),
        ("val_9.JPEG\tn01440764", "is not Tiny ImageNet's: .* in line 6"),
        ("val_9.JPEG n01440764 0 0 7 7", "is not Tiny ImageNet's: .* in line 6"),
        ("../9.JPEG\tn01440764\t0\t0\t7\t7", "is not Tiny ImageNet's: .* in line 6"),
    ],
)
def test_annotations_that_do_not_fit_are_refused(tmp_path: Path, line: str, words: str) -> None:
    root = write_tiny(tmp_path)
    with (root / "val" / "val_annotations.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataUnreadable, match=words):
        load_tiny_imagenet(root)


def test_images_and_classes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    root = write_tiny(tmp_path)
    write_jpeg(root / "val" / "images" / "val_7.JPEG", 7)
    assert "images without a class" in str(refused(root)) and "val_7.JPEG" in str(refused(root))
    (root / "val" / "images" / "val_7.JPEG").unlink()
    write_jpeg(root / "train" / "n02119789" / "images" / "n02119789_0.JPEG", 9)
    assert "are not those of" in str(refused(root)) and "n02119789 beside them (1 in all)" in str(refused(root))
    shutil.rmtree(root / "train" / "n02119789")
    with (root / "wnids.txt").open("a") as file:
        file.write("n02119789\n")
    assert "no folder n02119789 (1 in all)" in str(refused(root))
    (root / "wnids.txt").unlink()
    (root / "words.txt").write_text("tench n01440764\n")
    assert "words.txt is not a list of synsets" in str(refused(root))
