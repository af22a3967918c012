"""Arrays that are no uint8 [N, I, H, W]: each is refused, and its hint, carried out, loads the right pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.arrays import (
    BANDS,
    EIGHT,
    GREY,
    LABELS,
    NHWC,
    PIXELS,
    QUANTISED,
    SIXTEEN,
    SQUARE,
    SQUARE_NHWC,
    TEN,
    as_tensor,
    hinted,
    through_library,
)

from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.datasets.images import Images
from dgkd_cache.errors import InvalidInput

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


@pytest.mark.parametrize(("given", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("route", ["library", "module"])
def test_the_hint_makes_the_right_pixels(
    given: Any, wanted: Any, route: str, through_module: Callable[..., Images]
) -> None:
    load = through_library if route == "library" else through_module
    with pytest.raises(InvalidInput, match="cannot be used: expected a non-empty uint8 array") as caught:
        load(given, LABELS)
    assert np.array_equal(through_library(hinted(str(caught.value), images=given), LABELS).pixels_NIHW, wanted)


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
        assert np.array_equal(through_library(hinted(str(caught.value), images=given), [1]).pixels_NIHW, PIXELS[:1])


def test_few_pixels_and_many_bands_are_no_channels_last() -> None:
    """Patches of 3 x 3 pixels with 200 bands, thin colour stripes, and images of a few pixels."""
    for shape in ((10, 200, 3, 3), (10, 3, 40, 2), (10, 1, 4, 4), (10, 4, 90, 3), (10, 10, 9, 10), (10, 3, 40, 10)):
        assert through_library(np.zeros(shape, np.uint8), LABELS).channels == shape[1]


def test_an_array_of_sixteen_bits_becomes_what_its_file_becomes(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    Image.fromarray(SIXTEEN[0, 0]).save(tmp_path / "train" / "a" / "x.png")
    folder = FolderImages(tmp_path / "train", name="n", split="train")
    with pytest.raises(InvalidInput) as caught:
        through_library(SIXTEEN, LABELS)
    array = through_library(hinted(str(caught.value), images=SIXTEEN), LABELS)
    assert np.array_equal(folder.image(0), np.concatenate([array.image(0)] * 3))


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
        assert np.array_equal(load(dense, LABELS).pixels_NIHW, PIXELS)


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
