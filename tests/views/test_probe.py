"""The probe: it accepts the same pixels and small decoding noise, and refuses what a guide did not see."""

from __future__ import annotations

import hashlib
import importlib
import io
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.probe import PROJECTION_RMSE_BOUND, check_probe, make_probe
from dgkd_cache.views.renderer import ViewRenderer

CROP_FLIP = ViewPlan.build(image=(3, 32, 32), transforms=["crop(4)", "hflip"], seed=1)
RESIZED = ViewPlan.build(image=(3, 48, 64), transforms=["resized-crop(32)", "hflip"], seed=1)
FIRST, COUNT = 5, 7  # the views of the store


class Changed(ViewRenderer):
    """Views whose pixels another program would have made a little differently."""

    def __init__(self, plan: ViewPlan, images: Any, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__(plan, images)
        self.change = change

    def pixels(self, views_B: Any, samples_B: Any) -> Tensor:
        return self.change(super().pixels(views_B, samples_B))


def pairs_of(plan: ViewPlan, samples: int, python_philox: Any) -> list[tuple[int, int]]:
    """The probed (view, sample) pairs, from an independent Philox: domain 1, two words a pair."""
    words = [word for block in range(32) for word in python_philox(plan.key16, [block, FIRST, 1, 0])]
    return [
        (FIRST + ((words[2 * pair] >> 32) * COUNT >> 32), (words[2 * pair + 1] >> 32) * samples >> 32)
        for pair in range(64)
    ]


def refusal(views: ViewRenderer, kind: str, values: Any) -> str:
    with pytest.raises(Mismatch) as caught:
        check_probe(views, kind=kind, values=values, ranges=[range(FIRST, FIRST + COUNT)])
    assert caught.value.exit_code == 13
    return str(caught.value)


def test_exact_probe_is_the_hash_of_shape_and_pixels(noise: Any, augment: Any, python_philox: Any) -> None:
    images = noise(50, (3, 32, 32))
    kind, values = make_probe(ViewRenderer(CROP_FLIP, images), FIRST, COUNT)
    assert kind == "sha256" and values.shape == (64, 32) and values.dtype == np.uint8
    for (view, sample), value in zip(pairs_of(CROP_FLIP, 50, python_philox), values, strict=True):
        dy, dx, flip = CROP_FLIP.parameters(view, sample, sample + 1)[0].tolist()
        pixels = augment(images.image(sample).numpy(), dy, dx, flip, 4)
        assert value.tobytes() == hashlib.sha256(struct.pack("<3q", 3, 32, 32) + pixels.tobytes()).digest()
    check_probe(ViewRenderer(CROP_FLIP, images), kind=kind, values=values, ranges=[range(FIRST, FIRST + COUNT)])


def test_projections_are_signed_sums(files: Any, python_philox: Any) -> None:
    views = ViewRenderer(RESIZED, files(20, (3, 48, 64)))
    kind, values = make_probe(views, FIRST, COUNT)
    assert kind == "projection" and values.shape == (64, 64) and values.dtype == np.int32
    pairs = pairs_of(RESIZED, 20, python_philox)
    pixels_BD = views.pixels(*np.array(pairs).T).flatten(1).tolist()
    for projection in (0, 1, 63):
        words = [w for block in range(12) for w in python_philox(RESIZED.key16, [block, projection, 2, 0])]
        signs = [1 if word >> bit & 1 else -1 for word in words for bit in range(64)]
        for pair in (0, 40):
            total = sum(sign * pixel for sign, pixel in zip(signs, pixels_BD[pair], strict=True))
            assert values[pair, projection] == total


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: pixels.roll(1, dims=3),
        lambda pixels: pixels.roll(-1, dims=2),
        lambda pixels: pixels.flip(3),
    ],
    ids=["a column off", "a row off", "flipped"],
)
@pytest.mark.parametrize("exact", [True, False])
def test_notices_other_pixels_and_names_the_first_pair(
    noise: Any, files: Any, python_philox: Any, change: Callable[[Tensor], Tensor], exact: bool
) -> None:
    plan = CROP_FLIP if exact else RESIZED
    images = noise(50, (3, 32, 32)) if exact else files(50, (3, 48, 64))
    kind, values = make_probe(ViewRenderer(plan, images), FIRST, COUNT)
    message = refusal(Changed(plan, images, change), kind, values)
    view, sample = pairs_of(plan, 50, python_philox)[0]
    assert f"in view {view} of sample {sample} (" in message
    assert message.startswith("these pixels are not the ones that the guide saw: expected ")
    assert "64 of 64 probed pairs differ; use the images and the library versions" in message


def test_notices_one_changed_pixel_and_names_its_sample(noise: Any, python_philox: Any) -> None:
    images = noise(50, (3, 32, 32))
    kind, values = make_probe(ViewRenderer(CROP_FLIP, images), FIRST, COUNT)
    pairs = pairs_of(CROP_FLIP, 50, python_philox)
    view, sample = pairs[10]
    pixels = images.pixels_NIHW.clone()
    pixels[sample, 1, 16, 16] ^= 1
    changed = TensorImages(pixels, images.labels_N, classes=images.classes, name="noise", split="train")
    first_view = next(v for v, s in pairs if s == sample)
    affected = sum(s == sample for _, s in pairs)
    message = refusal(ViewRenderer(CROP_FLIP, changed), kind, values)
    assert f"in view {first_view} of sample {sample} (train" in message
    assert f"found others; {affected} of 64 probed pairs differ" in message


def test_accepts_noise_as_decoders_make_it_and_says_how_large_other_differences_are(files: Any) -> None:
    images = files(50, (3, 48, 64))
    kind, values = make_probe(ViewRenderer(RESIZED, images), FIRST, COUNT)
    generator = torch.Generator().manual_seed(1)

    def noisy(amplitude: int) -> Callable[[Tensor], Tensor]:
        def change(pixels: Tensor) -> Tensor:
            noise = torch.randint(-amplitude, amplitude + 1, pixels.shape, generator=generator)
            return (pixels.int() + noise).clamp(0, 255).to(torch.uint8)

        return change

    check_probe(Changed(RESIZED, images, noisy(1)), kind=kind, values=values, ranges=[range(FIRST, FIRST + COUNT)])
    message = refusal(Changed(RESIZED, images, noisy(10)), kind, values)
    told = re.search(r"an RMSE of about ([\d.]+); 64 of 64", message)
    assert told is not None and float(told[1]) == pytest.approx((110 / 3) ** 0.5, rel=0.3)


def test_accepts_a_jpeg_written_again_at_high_quality(files: Any) -> None:
    images = files(50, (3, 48, 64))
    kind, values = make_probe(ViewRenderer(RESIZED, images), FIRST, COUNT)
    pixels = []
    for image in images.pixels_NIHW:
        content = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(content, "JPEG", quality=98, subsampling=0)
        pixels.append(torch.from_numpy(np.array(Image.open(content))).permute(2, 0, 1))
    again = type(images)(torch.stack(pixels))
    difference = (again.pixels_NIHW.int() - images.pixels_NIHW.int()).float().square().mean().sqrt()
    assert 0.3 < difference < PROJECTION_RMSE_BOUND
    check_probe(ViewRenderer(RESIZED, again), kind=kind, values=values, ranges=[range(FIRST, FIRST + COUNT)])


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("rand-augment(3, 9)", "affine.sample_nearest"),
        ("color-jitter(0.4)", "colours.blend"),
        ("blur", "neighbours.blur"),
    ],
)
def test_proves_that_operations_are_the_same_to_the_last_level(
    noise: Any, monkeypatch: pytest.MonkeyPatch, text: str, operation: str
) -> None:
    plan = ViewPlan.build(image=(3, 32, 32), transforms=["crop(4)", "hflip", text, "erasing"], seed=1)
    views = ViewRenderer(plan, noise(50, (3, 32, 32)))
    kind, values = make_probe(views, FIRST, COUNT)
    assert kind == "sha256"
    check_probe(views, kind=kind, values=values, ranges=[range(FIRST, FIRST + COUNT)])
    module, name = operation.split(".")
    owner = importlib.import_module(f"dgkd_cache.views.operations.{module}")
    before = getattr(owner, name)

    def one_level_off(*arguments: Any) -> Tensor:
        pixels: Tensor = before(*arguments).clone()
        pixels[:, 0, 0, 0] ^= 1
        return pixels

    monkeypatch.setattr(owner, name, one_level_off)
    assert "these pixels are not the ones that the guide saw" in refusal(views, kind, values)


@pytest.mark.parametrize("text", ["mixup(0.4)", "cutmix"])
def test_proves_whom_a_sample_is_mixed_with_and_how(noise: Any, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def of(held_out: int, alpha: str = text) -> ViewRenderer:
        plan = ViewPlan.build(image=(3, 32, 32), transforms=["crop(4)", "hflip", alpha], seed=1, held_out=held_out)
        return ViewRenderer(plan, noise(50, (3, 32, 32)))

    views = of(10)
    kind, values = make_probe(views, FIRST, COUNT)
    assert kind == "sha256"
    check_probe(views, kind=kind, values=values, ranges=[range(FIRST, FIRST + COUNT)])
    assert "these pixels are not" in refusal(of(11), kind, values)
    with monkeypatch.context() as patch:
        patch.setattr("dgkd_cache.views.partners.Partners.of", lambda self, samples_B, drawn_B: (samples_B + 1) % 50)
        assert "these pixels are not" in refusal(of(10), kind, values)
    patched, ratios = of(10), views.plan.mixing.ratio_q16  # type: ignore[union-attr]
    object.__setattr__(patched.plan.mixing, "ratio_q16", tuple(max(0, ratio - 600) for ratio in ratios))
    assert "these pixels are not" in refusal(patched, kind, values)


def test_exact_transforms_of_files_are_projected_too(files: Any) -> None:
    views = ViewRenderer(CROP_FLIP, files(9, (3, 32, 32)))
    assert make_probe(views, 0, 1)[0] == "projection"


def test_refuses_a_probe_of_another_kind_and_no_views(noise: Any, files: Any) -> None:
    exact, projected = ViewRenderer(CROP_FLIP, noise(9, (3, 32, 32))), ViewRenderer(CROP_FLIP, files(9, (3, 32, 32)))
    kind, values = make_probe(projected, FIRST, COUNT)
    message = refusal(exact, kind, values)
    assert "of another kind: expected sha256 uint8[64, 32]" in message
    assert "found projection int32[64, 64]; use the data set in the form" in message
    assert "found sha256 uint8[3, 32]" in refusal(exact, "sha256", np.zeros((3, 32), np.uint8))
    with pytest.raises(InvalidInput, match="at least one view, found 0 views from 5"):
        make_probe(exact, 5, 0)


def test_another_range_of_views_is_another_probe(noise: Any) -> None:
    views = ViewRenderer(CROP_FLIP, noise(50, (3, 32, 32)))
    assert not np.array_equal(make_probe(views, 0, 4)[1], make_probe(views, 4, 4)[1])
