"""module:factory: every form that a function may return, and each refusal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import DataUnreadable, DgkdError, InvalidInput

MODULE = """
import numpy as np, torch
from dgkd_cache import Dataset, TensorImages
pixels = np.arange(4 * 1 * 3 * 3, dtype=np.uint8).reshape(4, 1, 3, 3)

def arrays():
    return (pixels, [0, 1, 2, 0]), (torch.tensor(pixels[:2]), torch.tensor([1, 1]))

def named():
    return (pixels, np.array([0, 1, 1, 0]), ["no", "yes"]), [pixels[:2], [0, 1], ("no", "yes")]

def split(name):
    return TensorImages(pixels, [0, 1, 1, 0], classes=["no", "yes"], name="mine", split=name)

def images():
    return split("train"), split("test")

def dataset():
    return Dataset(train=split("train"), test=split("test"), mean=("0.1",), std=("0.2",))

def three(): return 1, 2, 3
def one_array(): return pixels, (pixels, [0] * 4)
def floats(): return (pixels / 2, [0] * 4), (pixels, [0] * 4)
def texts(): return (["a"], [0]), (pixels, [0] * 4)
def ragged(): return ([pixels[0], pixels[1, :, :2]], [0, 1]), (pixels, [0] * 4)
def name(): return (pixels, [0] * 4, 3), (pixels, [0] * 4)
def label(): return (pixels, [0, 1, 2, 3], ["a", "b"]), (pixels, [0] * 4, ["a", "b"])
def negative(): return (pixels, [0, -1, 2, 3]), (pixels, [0] * 4)
def other_classes(): return (pixels, [0, 1, 0, 1], ["a", "b"]), (pixels, [0] * 4, ["b", "a"])
def text(): return (pixels, [0, 1, 0, 1], "ab"), (pixels, [0] * 4)
def ends(): raise SystemExit(0)
def normal(): return Dataset(train=split("train"), test=split("test"), mean=(0.1,), std=(0.2,))
def fails(): raise KeyError("train.npz")
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in the current directory that Python's path does not name yet."""
    (tmp_path / "dgkd_test_factory.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "dgkd_test_factory"
    del sys.modules["dgkd_test_factory"]


def test_each_form_of_result_is_taken(module: str) -> None:
    pixels = np.arange(36, dtype=np.uint8).reshape(4, 1, 3, 3)
    for name, classes, labels in (
        ("arrays", ("0", "1", "2"), [0, 1, 2, 0]),
        ("named", ("no", "yes"), [0, 1, 1, 0]),
        ("images", ("no", "yes"), [0, 1, 1, 0]),
        ("dataset", ("no", "yes"), [0, 1, 1, 0]),
    ):
        dataset = load_dataset(f"{module}:{name}", root=Path("unused"))
        assert dataset.classes == classes and dataset.train.labels_N.tolist() == labels
        assert dataset.train.pixels_NIHW is not None and np.array_equal(dataset.train.pixels_NIHW.numpy(), pixels)
        if name == "dataset":
            assert (dataset.mean, dataset.std) == (("0.1",), ("0.2",))
        else:
            assert dataset.mean == (f"{(pixels / 255).mean():.6f}",)
            assert dataset.std == (f"{(pixels / 255).std():.6f}",)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("three", InvalidInput, r"expected a Dataset, or \(train, test\).*found tuple of 3"),
        ("one_array", InvalidInput, "found ndarray as the train split"),
        ("floats", InvalidInput, r"non-empty uint8 array .*found float64 \[4, 1, 3, 3\]"),
        ("texts", InvalidInput, r"the images of .*texts \(train\) are no array.*found list"),
        ("ragged", InvalidInput, r"the images of .*ragged \(train\) are no array"),
        ("name", InvalidInput, "a train split whose class names are 3"),
        ("text", InvalidInput, "a train split whose class names are 'ab'"),
        ("normal", InvalidInput, r"decimal strings, one a channel, found \(0.1,\) \(tuple\); write mean=\('0.1',\)"),
        ("ends", DataUnreadable, r"ends failed: found SystemExit: 0 \(.*dgkd_test_factory.py, line \d+\)"),
        ("label", InvalidInput, r"labels from 0 to 1, found 2 at sample 2"),
        ("negative", InvalidInput, r"labels from 0 to 3, found -1 at sample 1"),
        ("other_classes", InvalidInput, "different classes"),
        ("number", InvalidInput, "expected a function 'number' in the module dgkd_test_factory, found int"),
        ("absent", InvalidInput, "found nothing of that name; define absent"),
        (
            "fails",
            DataUnreadable,
            r"fails failed: found KeyError: 'train.npz' \(.*dgkd_test_factory.py, line \d+\)",
        ),
    ],
)
def test_each_mistake_is_told(module: str, name: str, error: type[DgkdError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        load_dataset(f"{module}:{name}", root=Path("unused"))
    assert caught.value.exit_code == (2 if error is InvalidInput else 1)


def test_a_module_that_is_not_there_is_told_with_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(InvalidInput, match=f"a module 'dgkd_nowhere' in {tmp_path}.*ModuleNotFoundError.*PYTHONPATH"):
        load_dataset("dgkd_nowhere:make", root=tmp_path)


def test_images_of_one_split_may_be_mixed_with_arrays_of_the_other(module: str) -> None:
    sys.path.insert(0, str(Path.cwd()))
    import dgkd_test_factory as made

    made.mixed = lambda: (made.split("train"), (made.pixels, [0, 1, 0, 1], ["no", "yes"]))
    assert isinstance(load_dataset(f"{module}:mixed", root=Path("unused")).test, TensorImages)
