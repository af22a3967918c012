"""Images: labels and classes are checked, any change changes the digest, and samples come in the order asked for."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch

from dgkd_cache.datasets import images as images_module
from dgkd_cache.datasets.digests import pixel_digest
from dgkd_cache.datasets.images import READ_AHEAD, Images, TensorImages
from dgkd_cache.errors import InvalidInput

PIXELS = np.random.default_rng(5).integers(0, 256, (12, 3, 5, 4), dtype=np.uint8)


def make() -> TensorImages:
    return TensorImages(PIXELS.copy(), np.arange(12) % 3, classes=("a", "é", "c"), name="tiny", split="train")


class OneByOne(Images):
    """The same images without a tensor in memory, to compare the general route with the quick one."""

    def __init__(self, source: TensorImages) -> None:
        super().__init__(
            name=source.name,
            split=source.split,
            classes=source.classes,
            labels_N=source.labels_N,
            channels=source.channels,
            height=source.height,
            width=source.width,
        )
        self.source = source

    def image(self, sample: int) -> torch.Tensor:
        return self.source.image(sample)


@pytest.mark.parametrize("change", ["pixel", "label", "order", "class"])
def test_any_change_changes_the_digest(change: str) -> None:
    images = make()
    pixels, labels, classes = images.pixels_NIHW.clone(), images.labels_N.copy(), list(images.classes)
    if change == "pixel":
        pixels[7, 1, 2, 3] ^= 1
    elif change == "label":
        labels[7] = (labels[7] + 1) % 3
    elif change == "order":
        pixels[[3, 6]] = pixels[[6, 3]]  # both of class 0, so that only the order differs
    else:
        classes[2] = "d"
    changed = TensorImages(pixels, labels, classes=classes, name="tiny", split="train")
    assert changed.digest != images.digest
    same = TensorImages(images.pixels_NIHW.clone(), images.labels_N, classes=images.classes, name="x", split="y")
    assert same.digest == images.digest


def test_batches_keep_the_order_asked_for() -> None:
    images = make()
    for samples in ([4, 0, 4], np.array([4, 0, 4]), torch.tensor([4, 0, 4])):
        batch = images.batch(samples)
        assert isinstance(batch, torch.Tensor) and batch.dtype == torch.uint8
        assert np.array_equal(batch.numpy(), PIXELS[[4, 0, 4]])
        assert torch.equal(OneByOne(images).batch(samples), batch)
        for source in (images, OneByOne(images)):
            assert np.array_equal(torch.stack(list(source.each(samples))).numpy(), PIXELS[[4, 0, 4]])
    assert OneByOne(images).pixels_NIHW is None and OneByOne(images).digest == images.digest


@pytest.mark.parametrize("kind", [make, lambda: OneByOne(make())])
def test_each_gives_what_is_made_of_place_and_image(kind: Callable[[], Images]) -> None:
    samples = [4, 0, *[4] * READ_AHEAD, 1]
    found = list(kind().each(samples, lambda place, image_IHW: place * torch.ones(2) + int(image_IHW.sum())))
    expected = [place + PIXELS[sample].sum(dtype=int) for place, sample in enumerate(samples)]
    assert [one.tolist() for one in found] == [[value] * 2 for value in expected]


def test_labels_are_int64_and_a_sample_is_described() -> None:
    images = TensorImages(
        torch.zeros(2, 1, 2, 2, dtype=torch.uint8),
        torch.tensor([1, 0], dtype=torch.uint8),
        classes=["x", "y"],
        name="n",
        split="test",
    )
    assert images.labels_N.dtype == np.int64 and images.labels_N.tolist() == [1, 0]
    assert images.describe(0) == "sample 0 (test, class y)"


def test_a_pickled_copy_is_the_same_images() -> None:
    copy = pickle.loads(pickle.dumps(make()))
    assert copy.digest == make().digest and np.array_equal(copy.pixels_NIHW.numpy(), PIXELS)
    assert make().to("cpu").pixels_NIHW.device.type == "cpu"


def test_a_copy_on_a_device_shares_the_digests_of_its_original(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []

    def count(image_IHW: torch.Tensor) -> bytes:
        hashed.append(image_IHW.device.type)
        return pixel_digest(image_IHW)

    monkeypatch.setattr(images_module, "pixel_digest", count)
    images = make()
    moved = images.to("meta")  # a device whose pixels cannot be brought back
    assert moved.pixels_NIHW.is_meta and moved.to("meta") is moved
    assert moved.digest == make().digest
    np.testing.assert_array_equal(moved.sample_digest_N16, images.sample_digest_N16)
    assert images.digest == moved.digest and hashed == ["cpu"] * 24, "once for the two of them, once for the other"


@pytest.mark.parametrize(
    ("pixels", "labels", "classes", "message"),
    [
        (
            np.zeros((2, 1, 4, 4), np.float32),
            [0, 1],
            ["a", "b"],
            r"expected a non-empty uint8 array .*found float32 \[2, 1, 4, 4\]",
        ),
        (np.zeros((2, 4, 4), np.uint8), [0, 1], ["a", "b"], r"found uint8 \[2, 4, 4\]"),
        (np.zeros((0, 1, 4, 4), np.uint8), [], ["a", "b"], r"found uint8 \[0, 1, 4, 4\]"),
        (
            np.zeros((2, 1, 4, 4), np.uint8),
            [0, 1, 1],
            ["a", "b"],
            r"one label for each of 2 images, found shape \[3\]",
        ),
        (np.zeros((2, 1, 4, 4), np.uint8), [0.0, 1.0], ["a", "b"], r"array of integers, found float64"),
        (np.zeros((2, 1, 4, 4), np.uint8), [0, 2], ["a", "b"], r"labels from 0 to 1, found 2 at sample 1"),
        (np.zeros((2, 1, 4, 4), np.uint8), [-1, 0], ["a", "b"], r"labels from 0 to 1, found -1 at sample 0"),
        (np.zeros((2, 1, 4, 4), np.uint8), [0, 1], ["a", "a"], r"distinct names, found 'a' more than once"),
        (np.zeros((2, 1, 4, 4), np.uint8), [0, 1], "cat", r"found 'cat'; write classes=\['cat'\], if that is the"),
        (np.zeros((2, 1, 4, 4), np.uint8), [0, 1], ["", "b"], r"expected one text a class"),
    ],
)
def test_what_does_not_fit_is_refused(pixels: object, labels: list[float], classes: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        TensorImages(pixels, labels, classes=classes, name="n", split="train")
    assert caught.value.exit_code == 2
