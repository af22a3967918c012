"""ImageNet in each form in which it is unpacked: the same samples; and what is missing is named."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.imagenet_trees import KAGGLE, TRUTH, VAL, WORDS, val_name, write_imagenet, write_meta, write_solution

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.imagenet import load_imagenet
from dgkd_cache.datasets.registry import load_dataset, usual_transforms
from dgkd_cache.errors import DataUnreadable, DgkdError, InvalidInput
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

FORMS = ("folders", "kaggle", "devkit")


@pytest.mark.parametrize("form", FORMS)
def test_each_validation_image_has_its_class(tmp_path: Path, form: str) -> None:
    root = write_imagenet(tmp_path / "data", form)
    dataset = load_dataset(f"imagenet:{root}")
    assert (dataset.name, dataset.classes) == ("imagenet", tuple(sorted(WORDS)))
    assert (dataset.mean[0], dataset.std[2]) == ("0.485", "0.225")
    found = {}
    for sample in range(len(dataset.test)):
        file = dataset.test.describe(sample).rstrip(")").rpartition("/")[2]
        found[file] = dataset.classes[dataset.test.labels_N[sample]]
        path = next((root / "val").rglob(file))
        assert dataset.test.sample_digest_N16[sample].tobytes() == hashlib.sha256(path.read_bytes()).digest()[:16]
        with Image.open(path) as picture:
            assert np.array_equal(dataset.test.image(sample).permute(1, 2, 0).numpy(), np.asarray(picture))
    assert found == {val_name(number): synset for number, synset in enumerate(VAL, start=1)}
    assert len(dataset.train) == 9 and dataset.train.height is None


def test_all_forms_are_the_same_data_set_and_that_of_the_folder(tmp_path: Path) -> None:
    loaded = [load_imagenet(write_imagenet(tmp_path / form, form)) for form in FORMS]
    loaded.append(load_dataset(f"folder:{tmp_path / 'folders'}"))
    assert len({one.train.digest for one in loaded}) == 1
    assert len({one.test.digest for one in loaded}) == 1
    apart = load_imagenet(tmp_path / "kaggle", hold_bytes=0)
    assert apart.test.digest == loaded[0].test.digest and apart.test.pixels_NIHW is None


def test_the_folder_of_kaggles_archive(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path / "kaggle", "kaggle")
    inner = root / "ILSVRC" / "Data" / "CLS-LOC"
    inner.mkdir(parents=True)
    for name in ("train", "val"):
        (root / name).rename(inner / name)
    (inner / "test").mkdir()
    (root / "LOC_synset_mapping.txt").write_text("".join(f"{one} {words}\n" for one, words in WORDS.items()))
    dataset = load_imagenet(root)
    assert dataset.test.digest == load_imagenet(write_imagenet(tmp_path / "other", "folders")).test.digest
    assert dataset.class_words == (("tench, Tinca tinca", "tench", "Tinca tinca"), ("crane",), ("crane",))


@pytest.mark.parametrize("source", ["meta.mat", "words.txt", "nothing"])
def test_words_come_from_what_is_there(tmp_path: Path, source: str) -> None:
    root = write_imagenet(tmp_path, "folders")
    if source == "meta.mat":
        (root / "ILSVRC2012_devkit_t12" / "data").mkdir(parents=True)
        write_meta(root / "ILSVRC2012_devkit_t12" / "data" / "meta.mat")
    elif source == "words.txt":
        (root / source).write_text("".join(f"{one}\t{words}\n" for one, words in WORDS.items()))
    words = load_imagenet(root).class_words
    assert [names[0] for names in words] == ([] if source == "nothing" else [*WORDS.values()])


def test_the_devkit_as_it_is_unpacked(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path, "devkit")
    kit = root / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    for name in (TRUTH, "meta.mat"):
        (root / name).rename(kit / name)
    assert len(load_imagenet(root).test) == len(VAL)


def test_the_usual_augmentation_and_evaluation(tmp_path: Path) -> None:
    """A test image's short side is resized to 256, and the centre of 224 is cropped, as Pillow would."""
    transforms = usual_transforms("imagenet:anywhere")
    assert transforms == ("resized-crop(224)", "hflip")
    root = write_imagenet(tmp_path, "folders")
    coarse = Image.fromarray(np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8))
    coarse.resize((400, 300), Image.Resampling.BILINEAR).save(path := root / "val" / VAL[0] / val_name(1), "JPEG")
    test = load_imagenet(root).test
    (sample,) = (one for one in range(len(test)) if val_name(1) in test.describe(one))
    plan = ViewPlan.build(image=(3, None, None), transforms=list(transforms))
    shown_IHW = ViewRenderer(plan, test).evaluation_pixels([sample])[0]
    with Image.open(path) as picture:
        resized = picture.resize((round(256 * 400 / 300), 256), Image.Resampling.BILINEAR)
    left, top = round((resized.width - 224) / 2), 16
    wanted = np.asarray(resized.crop((left, top, left + 224, top + 224))).astype(int)
    assert np.abs(shown_IHW.permute(1, 2, 0).numpy().astype(int) - wanted).mean() < 1


def loading(root: Path) -> DgkdError:
    with pytest.raises(DgkdError) as caught:
        load_imagenet(root)
    return caught.value


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert "found no such folder; check the path" in str(loading(tmp_path / "nowhere"))
    (tmp_path / "train").mkdir()
    error = loading(tmp_path)
    assert isinstance(error, InvalidInput) and error.exit_code == 2
    assert "expected train/ and val/ in imagenet:ROOT, found train; unpack val/ there" in str(error)
    flat = write_imagenet(tmp_path / "flat", "kaggle")
    (flat / KAGGLE).unlink()
    error = loading(flat)
    assert isinstance(error, InvalidInput) and KAGGLE in str(error) and TRUTH in str(error)
    (flat / TRUTH).write_text("1\n" * len(VAL))
    assert "meta.mat cannot be read" in str(loading(flat))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("a missing file", r"names files that are not in .*found 1: ILSVRC2012_val_00000002.JPEG; copy the missing"),
        ("no annotation", r"images without a class: .*found 1: ILSVRC2012_val_00000006.JPEG"),
        ("an unknown synset", r"names classes that the training images do not have: .*found 1: n02119789"),
        ("no images of a class", r"leaves classes without images: .*found 1: n02012849"),
        ("an empty class", r"no valid file for the classes n02012849"),
        ("another folder", r"class folders of .*train are not ImageNet's.*found 1 others: 'cats'"),
        ("a class without words", r"has no words for some classes: .*found none for 1: n03126707"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, change: str, words: str) -> None:
    root = write_imagenet(tmp_path, "kaggle")
    if change == "a missing file":
        (root / "val" / val_name(2)).unlink()
    elif change == "no annotation":
        shutil.copy(root / "val" / val_name(2), root / "val" / val_name(6))
    elif change == "an unknown synset":
        write_solution(root, ("n02119789", *VAL[1:]))
    elif change == "no images of a class":
        write_solution(root, tuple("n01440764" if one == "n02012849" else one for one in VAL))
    elif change == "an empty class":
        for file in (root / "train" / "n02012849").iterdir():
            file.unlink()
    elif change == "another folder":
        (root / "train" / "cats").mkdir()
    else:
        lines = [f"{one} {known}\n" for one, known in WORDS.items()]
        (root / "LOC_synset_mapping.txt").write_text("".join(lines[:2]))
    with pytest.raises(DataUnreadable, match=words):
        load_imagenet(root)


def test_class_folders_of_val_that_differ_are_refused(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path, "folders")
    shutil.rmtree(root / "val" / "n02012849")
    assert "n02012849 not in val/ (1 in all)" in str(loading(root))


def test_a_link_into_the_validation_images_is_refused(tmp_path: Path) -> None:
    """Beside train/ and val/, Kaggle's archive has a test/ that no label knows."""
    root = write_imagenet(tmp_path, "folders")
    (root / "test").mkdir()
    (root / "train" / "n02012849" / "more").symlink_to(root / "val" / "n02012849")
    assert "leads into the other split" in str(loading(root))


def test_words_of_a_class_are_for_all_classes(tmp_path: Path) -> None:
    dataset = load_imagenet(write_imagenet(tmp_path, "folders"))
    with pytest.raises(
        InvalidInput, match="words for the classes do not fit.*for each of 3 classes.*found words for 1"
    ):
        Dataset(train=dataset.train, test=dataset.test, mean=dataset.mean, std=dataset.std, class_words=(("tench",),))
