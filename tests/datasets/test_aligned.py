"""AlignedImages: every pixel, label and digest at the guide's number, and none for a sample that is not here."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dgkd_cache.datasets.aligned import AlignedImages
from dgkd_cache.datasets.alignment import GuideSamples
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.datasets.images import Images, TensorImages
from dgkd_cache.errors import InvalidInput, Mismatch

RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (12, 1, 3, 4), dtype=np.uint8)
LABELS = RANDOM.integers(0, 3, 12)
NAMES = ("ant", "bee", "cow")


def tensor(place_N: np.ndarray) -> TensorImages:
    return TensorImages(PIXELS[place_N], LABELS[place_N], classes=NAMES, name="toy", split="train")


def samples_of(images: Images) -> GuideSamples:
    return GuideSamples(
        guide="teacher",
        seal="a" * 64,
        name="theirs",
        split=images.split,
        classes=images.classes,
        labels_N=images.labels_N,
        sample_digest_N16=images.sample_digest_N16,
        channels=images.channels,
        height=images.height,
        width=images.width,
        digest_kind=images.digest_kind,
        decoding={},
    )


WHOLE = tensor(np.arange(12))


def test_another_order_is_the_guides_split() -> None:
    aligned = AlignedImages(tensor(RANDOM.permutation(12)), samples_of(WHOLE))
    assert aligned.pixels_NIHW is not None and (aligned.pixels_NIHW.numpy() == PIXELS).all()
    assert (aligned.labels_N == LABELS).all() and aligned.digest == WHOLE.digest and aligned.complete
    assert aligned.samples_N.tolist() == [*range(12)] and aligned.unused == 0
    for sample in range(12):
        assert (aligned.image(sample).numpy() == PIXELS[sample]).all()
    batch = aligned.batch([5, 0, 5])
    assert isinstance(batch, torch.Tensor) and (batch.numpy() == PIXELS[[5, 0, 5]]).all()
    assert aligned.aligned == {"aligned_with": "a" * 64, "aligned_samples": 12}
    assert pickle.loads(pickle.dumps(aligned)).digest == WHOLE.digest


def test_the_same_order_takes_no_memory() -> None:
    assert AlignedImages(WHOLE, samples_of(WHOLE)).pixels_NIHW is WHOLE.pixels_NIHW


def test_a_sample_that_is_not_here_is_never_given_out() -> None:
    held = np.array([7, 2, 11, 0])
    aligned = AlignedImages(tensor(held), samples_of(WHOLE))
    assert len(aligned) == 12 and aligned.samples_N.tolist() == [0, 2, 7, 11] and not aligned.complete
    assert (aligned.batch([7, 11]).numpy() == PIXELS[[7, 11]]).all()  # type: ignore[union-attr]  # images of one size are a tensor
    for call in (lambda: aligned.batch([0, 3]), lambda: aligned.image(3), lambda: list(aligned.each([3]))):
        with pytest.raises(InvalidInput, match="a sample of the guide that is not here: .*4 samples.*found sample 3"):
            call()
    others = [AlignedImages(tensor(part), samples_of(WHOLE)).digest for part in (held[:3], held[[0, 3, 1, 2]])]
    assert aligned.digest == others[1] and len({aligned.digest, WHOLE.digest, others[0]}) == 3


def test_samples_beyond_the_guides_are_counted() -> None:
    aligned = AlignedImages(WHOLE, samples_of(tensor(np.array([4, 1, 9]))))
    assert aligned.unused == 9 and aligned.digest == tensor(np.array([4, 1, 9])).digest


def test_classes_of_the_guide_that_are_ours() -> None:
    """Theirs are five, in another order and under other names; the images of two of them are not ours."""
    theirs = ("v", "cow", "w", "ANT", "BEE")
    guide_labels = np.array([3, 4, 1])[LABELS]  # ANT, BEE, cow
    extra = TensorImages(PIXELS[:2] ^ 255, [0, 2], classes=theirs, name="x", split="train")
    samples = replace(
        samples_of(WHOLE),
        classes=theirs,
        labels_N=np.concatenate([[0, 2], guide_labels]),
        sample_digest_N16=np.concatenate([extra.sample_digest_N16, WHOLE.sample_digest_N16]),
    )
    class_map = {"ANT": "ant", "BEE": "bee", "cow": "cow"}
    aligned = AlignedImages(tensor(RANDOM.permutation(12)), samples, class_map=class_map)
    assert aligned.columns_C is not None and aligned.columns_C.tolist() == [3, 4, 1]
    assert aligned.classes == NAMES and (aligned.labels_N[2:] == LABELS).all()
    assert aligned.samples_N.tolist() == [*range(2, 14)]
    assert aligned.aligned["class_map"] == {"ant": "ANT", "bee": "BEE", "cow": "cow"}
    with pytest.raises(Mismatch, match="the guide has other classes"):
        AlignedImages(WHOLE, samples)


def test_files_are_read_at_the_guides_number(tmp_path: Path) -> None:
    """The same files under other names: a folder's order follows names. One of the guide's has another size."""
    for number in range(6):
        height = 5 if number == 3 else 4
        pixels = np.random.default_rng(number).integers(0, 256, (height, 4, 3), dtype=np.uint8)
        for folder, name in (("a", number), ("b", 9 - number)):
            (tmp_path / folder / "cat").mkdir(parents=True, exist_ok=True)
            if (folder, number) != ("b", 3):
                Image.fromarray(pixels).save(tmp_path / folder / "cat" / f"{name}.png")
    for hold in (2**20, 0):
        whole, some = (
            FolderImages(tmp_path / folder, name="f", split="train", hold_bytes=hold) for folder in ("a", "b")
        )
        aligned = AlignedImages(some, samples_of(whole))
        assert (aligned.height, aligned.width) == (None, None) == (whole.height, whole.width)
        assert len(aligned.samples_N) == 5
        for sample in aligned.samples_N.tolist():
            assert (aligned.image(sample) == whole.image(sample)).all()
        for own, theirs in zip(aligned.each(aligned.samples_N), whole.each(aligned.samples_N), strict=True):
            assert (own == theirs).all()
        places = [int(one) for one in aligned.each(aligned.samples_N[::-1], lambda place, _: torch.tensor(place))]
        assert places == [0, 1, 2, 3, 4]
