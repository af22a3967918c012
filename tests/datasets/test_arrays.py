"""Arrays that are no uint8 [N, I, H, W]: each is refused, and its hint, carried out, loads the right pixels."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dgkd_cache.datasets import Dataset, FolderImages, Images, TensorImages, load_dataset
from dgkd_cache.errors import DataUnreadable, InvalidInput
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.views import Views

PIXELS = np.random.default_rng(6).integers(0, 256, (10, 3, 9, 8), dtype=np.uint8)
PIXELS[0, :, 0, :2] = [0, 255]
GREY = PIXELS[:, :1]
NHWC = PIXELS.transpose(0, 2, 3, 1)
SQUARE = PIXELS[:, :1, :8]
SQUARE_NHWC = NHWC[:, :8, :8]
TEN = np.random.default_rng(8).integers(0, 256, (10, 10, 10, 3), dtype=np.uint8)
BANDS = np.random.default_rng(7).integers(0, 256, (10, 13, 20, 20), dtype=np.uint8)
LABELS = [0, 1] * 5
WIDE = {0: 0, 128: 0, 129: 1, 32767: 127, 32768: 128, 65535: 255}  # round(v * 255 / 65535), by hand
SIXTEEN = np.resize(np.array(list(WIDE), np.uint16), (10, 1, 2, 3))
EIGHT = np.resize(np.array(list(WIDE.values()), np.uint8), (10, 1, 2, 3))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch will give up its quantised tensors
    QUANTISED = torch.quantize_per_tensor(torch.from_numpy(PIXELS).float(), 1.0, 0, torch.quint8)


def as_tensor(pixels: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels))


CASES: list[tuple[str, Any, Any]] = [
    ("float [0, 1]", PIXELS / 255, PIXELS),
    ("float32 [0, 1]", (PIXELS / 255).astype(np.float32), PIXELS),
    ("float16 [0, 1]", (PIXELS / 255).astype(np.float16), PIXELS),
    ("float [0, 255]", PIXELS.astype(np.float64), PIXELS),
    ("float just below", PIXELS * (1 - 1e-6), PIXELS),
    ("bool", PIXELS > 99, np.where(PIXELS > 99, 255, 0)),
    ("wide, 8 bits", PIXELS.astype(np.int64), PIXELS),
    ("16 bits", SIXTEEN, EIGHT),
    ("16 bits, other byte order", SIXTEEN.astype(">u2"), EIGHT),
    ("16 bits in int32", SIXTEEN.astype(np.int32), EIGHT),
    ("channels last", NHWC, PIXELS),
    ("grey, channels last", GREY.transpose(0, 2, 3, 1), GREY),
    ("float, channels last", NHWC / 255, PIXELS),
    ("bool, channels last", NHWC > 99, np.where(PIXELS > 99, 255, 0)),
    ("16 bits, no channels", np.resize(SIXTEEN, (10, 6, 6)), np.resize(EIGHT, (10, 1, 6, 6))),
    ("no channels", GREY[:, 0], GREY),
    ("float, no channels", GREY[:, 0] / 255, GREY),
    ("rows", SQUARE.reshape(10, 64), SQUARE),
    ("a list of floats", (PIXELS / 255).tolist(), PIXELS),
    ("a list of arrays", list(NHWC), PIXELS),
    ("tensor [0, 1]", as_tensor(PIXELS).float() / 255, PIXELS),
    ("bfloat16 [0, 255]", as_tensor(PIXELS).bfloat16(), PIXELS),
    ("tensor, channels last", as_tensor(NHWC), PIXELS),
    ("samples last", SQUARE_NHWC.transpose(1, 2, 3, 0).copy(), SQUARE_NHWC.transpose(0, 3, 1, 2)),
    ("samples last, a tensor", as_tensor(SQUARE_NHWC).permute(1, 2, 3, 0), SQUARE_NHWC.transpose(0, 3, 1, 2)),
    ("samples last, not square", NHWC.transpose(1, 2, 3, 0).copy(), PIXELS),
    ("samples last, channels first", PIXELS.transpose(1, 2, 3, 0).copy(), PIXELS),
    ("samples last, channels first, a tensor", as_tensor(PIXELS.transpose(1, 2, 3, 0)) / 255, PIXELS),
    ("samples last, no channels", GREY[:, 0].transpose(1, 2, 0).copy(), GREY),
    (
        "a tensor with its sign to be changed",
        torch.complex(as_tensor(GREY) * 0.0, as_tensor(GREY) * -1.0).conj().imag,
        GREY,
    ),
    ("as many samples as rows", TEN.transpose(1, 2, 3, 0).copy(), TEN.transpose(0, 3, 1, 2)),
    ("13 bands last", BANDS.transpose(0, 2, 3, 1).copy(), BANDS),
    ("13 bands last, a tensor", torch.from_numpy(BANDS).permute(0, 2, 3, 1), BANDS),
    ("more bands than pixels a side", BANDS[:, :, :6, :6].transpose(0, 2, 3, 1).copy(), BANDS[:, :, :6, :6]),
    ("tensor, no channels", as_tensor(GREY[:, 0]).float(), GREY),
    ("16-bit tensor", torch.from_numpy(SIXTEEN), EIGHT),
    ("bool tensor", as_tensor(PIXELS) > 99, np.where(PIXELS > 99, 255, 0)),
]


def hinted(message: str, **given: Any) -> Any:
    """What the line of code in the hint makes of the one variable that is given."""
    (code,) = re.findall("`([^`]+)`", message)
    names = {"numpy": np, "torch": torch, "classes": ["no", "yes"], **given}
    exec(code, names)
    return names[next(iter(given))]


def through_library(pixels: Any, labels: Any, classes: Any = ("a", "b")) -> Images:
    return TensorImages(pixels, labels, classes=classes, name="mine", split="train")


@pytest.fixture
def through_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Images]]:
    """What a module:factory returns goes the same way."""
    (tmp_path / "dgkd_test_arrays.py").write_text("def make(): return given\n")
    monkeypatch.syspath_prepend(tmp_path)
    import dgkd_test_arrays as made

    def load(pixels: Any, labels: Any, classes: Any = ("a", "b")) -> Images:
        made.given = (pixels, labels, classes), (PIXELS, LABELS, classes)
        return load_dataset("dgkd_test_arrays:make").train

    yield load
    del sys.modules["dgkd_test_arrays"]


@pytest.mark.parametrize(("given", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("route", ["library", "module"])
def test_the_hint_makes_the_right_pixels(
    given: Any, wanted: Any, route: str, through_module: Callable[..., Images]
) -> None:
    load = through_library if route == "library" else through_module
    with pytest.raises(InvalidInput, match="cannot be used: expected a non-empty uint8 array") as caught:
        load(given, LABELS)
    assert np.array_equal(through_library(hinted(str(caught.value), images=given), LABELS).resident, wanted)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ((PIXELS - 128.0) / 64, "before they were normalised"),
        (np.full(PIXELS.shape, np.nan), "before they were normalised"),
        (PIXELS.astype(np.int16) - 128, "before they were normalised"),
        (PIXELS * (1.001 / PIXELS.max()), "by the range that they are defined in"),
        (PIXELS.astype(np.int64) // 128, "by the range that they are defined in"),
        (PIXELS.astype(np.int32) // 16, "by the range that they are defined in"),
        (SIXTEEN // 16, "by the range that they are defined in"),
        (PIXELS.astype(np.int32) + 45, "by the range that they are defined in"),
        (PIXELS / 16, "by the range that they are defined in"),
        (PIXELS * 300.5, "by the range that they are defined in"),
        (PIXELS.astype(np.int64) << 20, "by the range that they are defined in"),
        (PIXELS.astype(np.complex64), "as real numbers"),
        (PIXELS[:, :, :, :, None], "these four axes"),
        (PIXELS[:, 0, 0, :7], "these four axes"),
        (PIXELS[:0], "at least one image"),
    ],
)
def test_where_no_line_of_code_is_right_none_is_given(given: Any, hint: str) -> None:
    with pytest.raises(InvalidInput, match=f"cannot be used.*; .*{hint}") as caught:
        through_library(given, LABELS)
    assert "`" not in str(caught.value)


def test_one_image_alone_gets_its_axes() -> None:
    for given in (NHWC[0], PIXELS[0], NHWC[0] / 255):
        with pytest.raises(InvalidInput, match="cannot be used") as caught:
            through_library(given, [1])
        assert np.array_equal(through_library(hinted(str(caught.value), images=given), [1]).resident, PIXELS[:1])


def test_few_pixels_and_many_bands_are_no_channels_last() -> None:
    """Patches of 3 x 3 pixels with 200 bands, thin colour stripes, and images of a few pixels."""
    for shape in ((10, 200, 3, 3), (10, 3, 40, 2), (10, 1, 4, 4), (10, 4, 90, 3), (10, 10, 9, 10), (10, 3, 40, 10)):
        assert through_library(np.zeros(shape, np.uint8), LABELS).channels == shape[1]


class Own(Images):
    """Images of a user's own class, whose pixels nothing has looked at."""

    def __init__(self, pixels: Any, *shape: int | None) -> None:
        channels, height, width = shape
        super().__init__(
            name="own",
            split="train",
            classes=("a", "b"),
            labels_N=np.array(LABELS),
            channels=channels,
            height=height,
            width=width,
        )
        self.pixels = pixels

    def image(self, sample: int) -> torch.Tensor:
        return torch.from_numpy(self.pixels[sample])


def test_images_of_one_s_own_class_are_looked_at() -> None:
    with pytest.raises(InvalidInput, match="channels last.*channels=9, height=8, width=3; give channels=3, height=9"):
        Own(NHWC.copy(), 9, 8, 3)
    constants = {"mean": ("0.5",) * 3, "std": ("0.5",) * 3}
    fine = Own(PIXELS, 3, 9, 8)
    assert Dataset(train=fine, test=Own(PIXELS, 3, None, None), **constants).classes == ("a", "b")
    for pixels in (NHWC.copy(), PIXELS / 255, PIXELS[:, :, :, :5]):
        with pytest.raises(
            InvalidInput, match=r"not as the images say: expected a uint8 tensor .* of \[3, 9, 8\], found Tensor, "
        ):
            Dataset(train=fine, test=Own(pixels, 3, 9, 8), **constants)


@pytest.mark.parametrize("pixels", [PIXELS / 255, PIXELS.astype(np.int16), NHWC.copy(), PIXELS[:, :, :, :5].copy()])
def test_no_view_shows_other_bytes_as_pixels(pixels: Any) -> None:
    """A class of one's own may give anything for any sample: it is refused wherever its pixels would go."""

    class Late(Own):
        def image(self, sample: int) -> torch.Tensor:
            return torch.from_numpy((pixels if sample == 7 else PIXELS)[sample])

    plan = ViewPlan.build(image=(3, 9, 8), transforms=["crop(1)", "hflip"])
    views = Views(plan, Late(PIXELS, 3, 9, 8))
    assert views.pixels([0, 0], [0, 1]).shape == (2, 3, 9, 8)
    for show in (
        lambda: views.pixels([0, 0], [1, 7]),
        lambda: views.evaluation_pixels([7]),
        lambda: views.images.digest,
    ):
        with pytest.raises(InvalidInput, match=r"sample 7 .* of own is not as the images say.*found Tensor, "):
            show()


def test_an_array_of_sixteen_bits_becomes_what_its_file_becomes(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    Image.fromarray(SIXTEEN[0, 0]).save(tmp_path / "train" / "a" / "x.png")
    folder = FolderImages(tmp_path / "train", name="n", split="train")
    with pytest.raises(InvalidInput) as caught:
        through_library(SIXTEEN, LABELS)
    array = through_library(hinted(str(caught.value), images=SIXTEEN), LABELS)
    assert np.array_equal(folder.image(0), np.concatenate([array.image(0)] * 3))


LABEL_CASES: list[tuple[str, Any]] = [
    ("from one", np.array(LABELS) + 1),
    ("a list from one", [label + 1 for label in LABELS]),
    ("a tensor from one", torch.tensor(LABELS) + 1),
    ("floats", np.array(LABELS, float)),
    ("a float tensor", torch.tensor(LABELS).float()),
    ("bool", np.array(LABELS, bool)),
    ("a column", np.array(LABELS)[:, None]),
    ("a row", np.array(LABELS)[None]),
    ("a row in a tensor", torch.tensor(LABELS)[None]),
    ("bfloat16", torch.tensor(LABELS).bfloat16()),
    ("floats with a gradient", torch.tensor(LABELS).float().requires_grad_()),
    ("one-hot", np.eye(2, dtype=int)[LABELS]),
    ("a one-hot tensor", torch.eye(2)[LABELS]),
    ("texts", np.array(["no", "yes"])[LABELS]),
]


@pytest.mark.parametrize("given", [case[1] for case in LABEL_CASES], ids=[case[0] for case in LABEL_CASES])
@pytest.mark.parametrize("route", ["library", "module"])
def test_the_hint_makes_the_right_labels(given: Any, route: str, through_module: Callable[..., Images]) -> None:
    load = through_library if route == "library" else through_module
    with pytest.raises(InvalidInput) as caught:
        load(PIXELS, given)
    mended = hinted(str(caught.value), labels=given)
    assert load(PIXELS, mended).labels_N.tolist() == LABELS


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([1, 2, 3, 4], [1, 2], r"each label from 0 to 4 .*found no training sample of class 0; .*`labels = .* - 1`"),
        (
            [0, 1, 3, 3],
            [0, 1],
            r"each label from 0 to 3 .*no training sample of class 2; .*numpy.unique.*class names\) with 4 names",
        ),
        ([0, 1, 2, 2], [0, 3], r"each label from 0 to 3 .*found no training sample of class 3; number .* alike"),
        ([10**12, 0, 1, 2], [0], r"found no training sample of class 3; .*`classes, numbers = numpy.unique.*`$"),
        ([10**12] * 4, [10**12], r"found no training sample of class 0; .*`classes, numbers = numpy.unique.*`$"),
        ([100, 101, 102, 103], [100, 103], r"no training sample of class 0; .*numpy.unique.* with 104 names"),
        ([0, 1, 2, 3], [0, 10**12], r"number .* alike: the test labels have others than the training labels$"),
        ([0, 10**12, -1, 2], [0], r"a label of .* names no class: .* found 1000000000000 at sample 1"),
        ([[0], [2], [4], [6]], [0], r"found shape \[4, 1\]; `labels = numpy.asarray\(labels\).reshape\(-1\)`"),
        ([0, 1, 2, 3], [], "the labels of .*test.* do not fit|at least one image|non-empty"),
        ([0, 2, 4, 6], [0, 6], r"found no training sample of class 1; .*numpy.unique.* with 7 names"),
        (
            [0, 1, 2, 3],
            [1, 2, 3, 4],
            r"no training sample of class 4; number .* alike: .* from 1 to 4 where the training labels go from 0 to 3$",
        ),
    ],
)
def test_numbers_that_are_left_out_are_no_classes(
    through_module: Callable[..., Images], train: list[Any], test: list[Any], message: str
) -> None:
    import dgkd_test_arrays as made

    made.other = lambda: ((PIXELS[:4], train), (PIXELS[: len(test)], test))
    with pytest.raises(InvalidInput, match=message) as caught:
        load_dataset("dgkd_test_arrays:other")
    if train == [1, 2, 3, 4]:
        moved = [hinted(str(caught.value), labels=labels) for labels in (train, test)]
        made.other = lambda: ((PIXELS[:4], moved[0]), (PIXELS[:2], moved[1]))
        data = load_dataset("dgkd_test_arrays:other")
        assert data.classes == ("0", "1", "2", "3") and data.train.labels_N.tolist() == [0, 1, 2, 3]
    if "numpy.unique" in str(caught.value):
        (code,) = re.findall("`([^`]+)`", str(caught.value))
        found = {"numpy": np, "train": train, "test": test}
        exec(code, found)
        mended = [(PIXELS[: len(labels)], labels, found["classes"]) for labels in (found["train"], found["test"])]
        made.other = lambda: mended
        data = load_dataset("dgkd_test_arrays:other")
        assert data.classes == tuple(map(str, sorted(set(train))))
        assert [int(data.classes[label]) for label in data.train.labels_N] == train
        assert [int(data.classes[label]) for label in data.test.labels_N] == test
    names = [f"c{i}" for i in range(5)]
    if (
        np.ndim(train) == 1 and 0 <= min(train) <= max(train + test) < 5 and test
    ):  # with names, or with those of the other split, all of it is meant
        for one, other in (((names,), (names,)), ((names,), ()), ((), (names,))):
            made.other = lambda one=one, other=other: (
                (PIXELS[:4], train, *one),
                (PIXELS[: len(test)], test, *other),
            )
            assert len(load_dataset("dgkd_test_arrays:other").classes) == 5


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.tensor([0.0, 1.0] * 5, requires_grad=True), r"float32 \[10\]; `labels = labels.long\(\)`"),
        (torch.tensor([0.0, 1.0] * 5).bfloat16(), r"found bfloat16 \[10\]; `labels = labels.long\(\)`"),
        (torch.tensor(LABELS).to_sparse(), "the labels are no array: expected one integer for each image"),
        (torch.tensor(LABELS, device="meta"), "the labels are no array"),
        ([object(), [1]] * 5, "the labels are no array"),
    ],
)
def test_labels_of_other_kinds_are_told(through_module: Callable[..., Images], labels: Any, words: str) -> None:
    for load in (through_library, through_module):
        with pytest.raises(InvalidInput, match=words):
            load(PIXELS, labels)


@pytest.mark.parametrize(
    ("images", "mend"),
    [
        (as_tensor(PIXELS).to_sparse(), "images.to_dense()"),
        (torch.zeros(10, 3, 9, 8, dtype=torch.uint8, device="meta"), ""),
        (QUANTISED, "images.dequantize()"),
    ],
    ids=["sparse", "meta", "quantised"],
)
def test_images_that_are_not_dense_are_told(
    through_module: Callable[..., Images], images: torch.Tensor, mend: str
) -> None:
    for load in (through_library, through_module):
        with pytest.raises(InvalidInput, match="cannot be used: expected a dense uint8 array .*; give a den") as caught:
            load(images, LABELS)
        if not mend:
            continue
        assert mend in str(caught.value)
        dense = eval(mend, {"images": images})
        if dense.is_floating_point():
            with pytest.raises(InvalidInput) as caught:
                load(dense, LABELS)
            dense = hinted(str(caught.value), images=dense)
        assert np.array_equal(load(dense, LABELS).resident, PIXELS)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_told(through_module: Callable[..., Images]) -> None:
    several = torch.nested.nested_tensor([torch.zeros(3, 4, 4), torch.zeros(3, 5, 5)])
    for load in (through_library, through_module):
        with pytest.raises(InvalidInput, match=r"are no array: .*found Tensor \(a nested tensor\); stack images"):
            load(several, LABELS)
        with pytest.raises(InvalidInput, match="the labels are no array"):
            load(PIXELS, several)
    with pytest.raises(InvalidInput, match="'samples_B' cannot be used: .*found an object of type torch.Tensor"):
        through_library(PIXELS, LABELS).batch(several)


@pytest.mark.parametrize(
    "samples",
    [
        *("a", [0.5], torch.tensor([0.5]), torch.tensor([True]), [[0]], [10], [-1]),
        *(torch.tensor([0j]), torch.tensor([0]).to_sparse(), torch.tensor([0], device="meta")),
        torch.tensor([0.0], requires_grad=True),
    ],
    ids=str,
)
def test_samples_are_numbers_that_are_there(samples: Any) -> None:
    images = through_library(PIXELS, LABELS)
    for split in (images, Own(PIXELS, 3, 9, 8)):
        with pytest.raises(InvalidInput, match="expected samples"):
            split.batch(samples)
    for fine in ([9, 0], np.array([9, 0]), torch.tensor([9, 0], dtype=torch.int32)):
        assert np.array_equal(images.batch(fine), PIXELS[[9, 0]])


@pytest.mark.parametrize("raised", [ValueError("my reader broke"), OSError("my reader broke"), SystemExit(3)])
def test_what_a_class_of_one_s_own_raises_is_told_with_its_line(raised: BaseException) -> None:
    class Broken(Own):
        def image(self, sample: int) -> torch.Tensor:
            raise raised

    words = rf"sample 4 \(train, class a\) of own cannot be read: .*{type(raised).__name__}: .*test_arrays.py, line"
    with pytest.raises(DataUnreadable, match=words):
        Broken(PIXELS, 3, 9, 8).batch([4])


def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(InvalidInput, match="TensorImages.to: the argument 'device' cannot be used"):
        through_library(PIXELS, LABELS).to("gpu")


def test_a_class_name_that_utf_8_cannot_hold_is_refused(through_module: Callable[..., Images]) -> None:
    for load in (through_library, through_module):
        with pytest.raises(InvalidInput, match=r"a name that is not text.*found 'caf\\udce9'"):
            load(PIXELS, LABELS, ("tea", "caf\udce9"))
