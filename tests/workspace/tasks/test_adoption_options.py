"""Preprocessing and classes of an adopted model: what is published, what the user gives, and what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.datasets.synsets import all_words
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.models.published import Published, published_of
from dgkd_cache.workspace.tasks.adoption_options import (
    AdoptRequest,
    class_columns,
    preprocess_for,
    read_class_names,
)

OURS = ("ant", "bee", "cow")


def dataset(channels: int = 3, words: tuple[tuple[str, ...], ...] = ()) -> Dataset:
    split = {
        name: TensorImages(
            np.zeros((3, channels, 8, 8), np.uint8), [0, 1, 2], classes=list(OURS), name="it", split=name
        )
        for name in ("train", "test")
    }
    return Dataset(**split, mean=("0.25",) * channels, std=("0.5",) * channels, class_words=words)


def request(architecture: str = "torchvision:resnet18", **given: object) -> AdoptRequest:
    return AdoptRequest(name="big", architecture=architecture, weights=None, **given)  # type: ignore[arg-type]


def test_options_go_before_what_is_published() -> None:
    published = published_of("torchvision:resnet18")
    found = preprocess_for(request(mean=["0.1", "0.2", "0.3"], size=112, interpolation="bicubic"), published, dataset())
    assert found.mean == ("0.1", "0.2", "0.3") and found.std == ("0.229", "0.224", "0.225")
    assert found.resizing is not None
    assert (found.input_size, found.resizing.short_side, found.resizing.interpolation) == (112, 128, "bicubic")
    found = preprocess_for(request(crop=1.0), published, dataset())
    assert found.resizing is not None and (found.input_size, found.resizing.short_side) == (224, 224)
    found = preprocess_for(request(crop=0.95), published, dataset())
    assert found.resizing is not None and found.resizing.short_side == 235  # floor(224 / 0.95)


def test_a_network_of_ones_own_has_the_data_sets_constants_and_the_views_size() -> None:
    found = preprocess_for(request("mynets:make"), Published(preprocess=None), dataset())
    assert (found.mean, found.std, found.input_size, found.resizing) == (("0.25",) * 3, ("0.5",) * 3, None, None)
    found = preprocess_for(request("mynets:make", size=64), Published(preprocess=None), dataset())
    assert found.resizing is not None and (found.resizing.short_side, found.resizing.arithmetic) == (64, "pillow")


@pytest.mark.parametrize(
    ("given", "channels", "problem"),
    [
        ({}, 1, "expected 1 value of --mean, one a channel, found 0.485, 0.456, 0.406"),
        ({"std": ["1"]}, 3, "expected 3 values of --std"),
        ({"size": 0, "crop": 0.5}, 3, "a --size from 1"),
        ({"crop": 1.5}, 3, "a --crop from 0.01 to 1, found --size 224 and --crop 1.5; give"),
        ({"std": ["0", "1", "1"]}, 3, "positive standard deviations"),
    ],
)
def test_values_that_do_not_fit(given: dict[str, object], channels: int, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        preprocess_for(request(**given), published_of("torchvision:resnet18"), dataset(channels))


def test_an_unsupported_published_preprocessing_needs_options() -> None:
    with pytest.raises(InvalidInput, match="all of --size, --crop and --interpolation"):
        preprocess_for(request("timm:x"), Published(preprocess=None), dataset())


def names(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_class_names_are_lines_or_a_list(tmp_path: Path) -> None:
    assert read_class_names(names(tmp_path / "a", "ant\nbee \n")) == ("ant", "bee")
    assert read_class_names(names(tmp_path / "b", ["ant", "bee"])) == ("ant", "bee")
    for wrong in ("", "ant\n\nbee", ["ant", 3], ["ant", "ant"], '["ant"'):
        with pytest.raises(InvalidInput):
            read_class_names(names(tmp_path / "c", wrong))
    with pytest.raises(InvalidInput, match="No such file"):
        read_class_names(tmp_path / "none")


def test_another_number_of_classes_is_told_with_both() -> None:
    with pytest.raises(Mismatch, match="another number of classes: expected 3 classes.*, found 1000"):
        class_columns(request(), Published(preprocess=None), dataset(), 1000)


def test_unknown_names_are_assumed_and_known_ones_compared(tmp_path: Path) -> None:
    assert class_columns(request(), Published(preprocess=None), dataset(), 3) == (None, "assumed")
    same = request(classes=names(tmp_path / "same", [*OURS]))
    assert class_columns(same, Published(preprocess=None), dataset(), 3) == (None, "given by --classes")
    other = request(classes=names(tmp_path / "other", ["bee", "ant", "cow"]))
    with pytest.raises(Mismatch, match="other classes than the data set, or another order.*number 0 is 'ant'.*'bee'"):
        class_columns(other, Published(preprocess=None), dataset(), 3)
    published = Published(preprocess=None, classes=(("x", "y", "z"), OURS), name="V1")
    assert class_columns(request(), published, dataset(), 3) == (None, "published with V1")
    with pytest.raises(Mismatch, match="expected 4 names.*found 3 given by --classes"):
        class_columns(request(classes=names(tmp_path / "f", [*OURS]), class_map=tmp_path), published, dataset(), 4)


def test_names_are_compared_with_the_words_for_each_class() -> None:
    """Synsets of ImageNet share words; of two classes of one word, each has it at its own place."""
    ours = dataset(words=(("crane", "crane bird"), ("Biene",), ("crane",)))
    for theirs in (("crane bird", "Biene", "cow"), ("crane", "bee", "crane"), OURS):
        published = Published(preprocess=None, classes=(("x", "y", "z"), theirs), name="V1")
        assert class_columns(request(), published, ours, 3) == (None, "published with V1")
        with pytest.raises(Mismatch, match="other classes than the data set"):
            class_columns(request(), Published(preprocess=None, classes=(theirs[::-1],)), dataset(), 3)
    for theirs in (("Biene", "crane", "crane"), ("crane", "Biene", "crane bird"), ("crane", "Biene")):
        with pytest.raises(Mismatch, match="other classes than the data set"):
            class_columns(request(), Published(preprocess=None, classes=(theirs,)), ours, None)


def test_the_published_names_of_imagenet_are_its_classes() -> None:
    """Those of torchvision in words, those of timm as synset ids and in words."""
    data = pytest.importorskip("timm.data", reason="the extra timm is not installed")
    info = data.ImageNetInfo("imagenet-1k")
    ids = info.label_names()
    split = {
        name: TensorImages(np.zeros((1, 3, 8, 8), np.uint8), [0], classes=ids, name="imagenet", split=name)
        for name in ("train", "test")
    }
    for texts in (None, info.label_descriptions()):
        words = all_words(ids, texts)
        ours = Dataset(**split, mean=("0.5",) * 3, std=("0.5",) * 3, class_words=words)
        for architecture in ("torchvision:resnet18", "timm:resnet10t"):
            published = published_of(architecture, pretrained=True)
            columns_C, how = class_columns(request(architecture), published, ours, 1000)
            assert columns_C is None and how.startswith("published with")
            turned = replace(published, classes=tuple(names[::-1] for names in published.classes))
            with pytest.raises(Mismatch, match="other classes than the data set"):
                class_columns(request(architecture), turned, ours, 1000)


def test_class_maps_are_those_of_align(tmp_path: Path) -> None:
    theirs = names(tmp_path / "theirs", ["Biene", "Hund", "Kuh", "Ameise"])
    mapped = names(tmp_path / "map", {"Biene": "bee", "Kuh": "cow", "Ameise": "ant"})
    columns_C, how = class_columns(request(classes=theirs, class_map=mapped), Published(preprocess=None), dataset(), 4)
    assert columns_C is not None and columns_C.tolist() == [3, 0, 2]
    for wrong in ({"Biene": "bee", "Kuh": "bee", "Ameise": "ant"}, {"Biene": "bee"}, {"Wal": "ant"}):
        with pytest.raises(Mismatch, match="the class map does not fit"):
            mapping = names(tmp_path / "wrong", wrong)
            class_columns(request(classes=theirs, class_map=mapping), Published(preprocess=None), dataset(), 4)
    with pytest.raises(InvalidInput, match="needs the names of the model's classes"):
        class_columns(request(class_map=mapped), Published(preprocess=None), dataset(), 4)
