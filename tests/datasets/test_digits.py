"""The digits against scikit-learn's own file, read here with gzip and csv."""

from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import DataUnreadable


def test_pixels_labels_and_split_are_those_of_the_file(tmp_path: Path) -> None:
    dataset = load_dataset("digits", root=tmp_path, download=False)
    file = Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz"
    with gzip.open(file, "rt") as stream:
        rows = np.array([[int(float(value)) for value in row] for row in csv.reader(stream)])
    scaled = np.array([int(value / 16 * 255) for value in range(17)])[rows[:, :64]].reshape(-1, 1, 8, 8)
    assert (len(dataset.train), len(dataset.test)) == (1_437, 360)
    for images, wanted, labels in (
        (dataset.train, scaled[:1_437], rows[:1_437, 64]),
        (dataset.test, scaled[1_437:], rows[1_437:, 64]),
    ):
        assert images.pixels_NIHW is not None and images.pixels_NIHW.shape[1:] == (1, 8, 8)
        assert np.array_equal(images.pixels_NIHW.numpy(), wanted)
        assert np.array_equal(images.labels_N, labels)
        assert set(images.labels_N.tolist()) == set(range(10))
    assert dataset.classes == tuple("0123456789") and dataset.name == "digits"


def test_without_scikit_learn_the_package_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataUnreadable, match=r'scikit-learn.*pip install "dgkd-cache\[demo\]"') as caught:
        load_dataset("digits", root=tmp_path)
    assert caught.value.exit_code == 1
