"""Class maps: the column of each of our classes, and every map that does not fit by what is wrong in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dgkd_cache.datasets.class_map import map_classes, read_class_map
from dgkd_cache.errors import InvalidInput, Mismatch

THEIRS = ("n01", "n02", "n03", "n04")


def test_each_class_of_ours_has_a_column() -> None:
    found = map_classes({"n04": "dog", "n01": "cat"}, theirs=THEIRS, ours=("cat", "dog"))
    assert found is not None and found.tolist() == [0, 3] and found.dtype == "int64"
    assert map_classes(None, theirs=THEIRS, ours=THEIRS) is None
    same = dict(zip(THEIRS, THEIRS, strict=True))
    assert map_classes(same, theirs=THEIRS, ours=THEIRS) is None
    turned = map_classes(same, theirs=THEIRS, ours=THEIRS[::-1])
    assert turned is not None and turned.tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (("cat", "dog"), "expected 2 classes, of which number 0 is 'cat', found 4 classes, of which number 0 is 'n01'"),
        (THEIRS[:3], "expected 3 classes, of which number 3 is none, found 4 classes, of which number 3 is 'n04'"),
        ((*THEIRS, "n05"), "number 4 is 'n05', found 4 classes, of which number 4 is none"),
        (("n01", "n03", "n02", "n04"), "number 1 is 'n03', found 4 classes, of which number 1 is 'n02'"),
    ],
)
def test_other_classes_need_a_map(ours: tuple[str, ...], said: str) -> None:
    with pytest.raises(Mismatch, match=f"{said}; give a class map") as caught:
        map_classes(None, theirs=THEIRS, ours=ours)
    assert caught.value.exit_code == 13


@pytest.mark.parametrize(
    ("class_map", "said"),
    [
        ({"n01": "cat", "n09": "dog"}, "a class of the guide on the left, found 'n09'"),
        ({"n01": "cat", "n02": "cow"}, "a class of these images on the right, found 'cow'"),
        ({"n01": "cat", "n02": "cat"}, "one of the guide's classes for each of ours, found 'cat' twice"),
        ({"n01": "cat"}, "all of our classes, found none for 'dog'"),
        ({}, "all of our classes, found none for 'cat'"),
    ],
)
def test_a_map_that_does_not_fit(class_map: dict[str, str], said: str) -> None:
    with pytest.raises(Mismatch, match=f"the class map does not fit: expected {said}"):
        map_classes(class_map, theirs=THEIRS, ours=("cat", "dog"))


def test_a_map_is_read(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"Käfer": "beetle", "n02": "dog"}', encoding="utf-8")
    assert read_class_map(tmp_path / "map.json") == {"Käfer": "beetle", "n02": "dog"}
    (tmp_path / "map.json").write_text('{"n01": "cat", "n02": "dog", "n03": "dog"}')
    with pytest.raises(Mismatch, match="one of the guide's classes for each of ours, found 'dog' twice"):
        read_class_map(tmp_path / "map.json")


@pytest.mark.parametrize(
    "text", ['{"a": "x", "a": "y"}', "[1]", '{"a": 1}', "{", "", "[" * 10_000, '"text"', '{"a": "\\ud800"}\xff']
)
def test_a_file_that_is_no_map(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInput, match="the class map .*map.json cannot be .*expected a JSON object") as caught:
        read_class_map(tmp_path / "map.json")
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"cannot be read: .*found {os.strerror(2)}"):
        read_class_map(tmp_path / "map.json")
