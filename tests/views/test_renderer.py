"""Pixels of (view, sample) pairs: every outcome, in any order, from the plan and the source alone."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.datasets.split import split_samples
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.views import kernel
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.resized_crop import ResizedCrop


def test_all_162_outcomes_occur_exactly_once(noise: Any, augment: Any) -> None:
    images = noise(2, (3, 32, 32))
    plan = ViewPlan.build(image=(3, 32, 32), transforms=["crop(4)", "hflip"], scheme="enumerated")
    for sample in range(2):
        source = images.image(sample).numpy()
        expected = [
            augment(source, dy, dx, flip, 4).tobytes() for dy in range(9) for dx in range(9) for flip in range(2)
        ]
        assert len(set(expected)) == 162
        pixels = ViewRenderer(plan, images).pixels(np.arange(162), np.full(162, sample))
        assert sorted(view.numpy().tobytes() for view in pixels) == sorted(expected)


@pytest.mark.parametrize("transforms", [["crop(2)", "hflip"], ["crop(2)"], ["hflip"], ["none"], ["crop(1)", "hflip"]])
def test_sampled_pixels_follow_the_parameters(noise: Any, augment: Any, transforms: list[str]) -> None:
    images = noise(40, (1, 10, 7))
    plan = ViewPlan.build(image=(1, 10, 7), transforms=transforms, seed=5)
    names = [name for transform in plan.transforms for name in transform.limits]
    padding = int(transforms[0][5]) if transforms[0].startswith("crop") else 0
    pairs = [(view, sample) for view in (0, 7) for sample in range(40)]
    views_B, samples_B = np.array(pairs).T
    pixels = ViewRenderer(plan, images).pixels(views_B, samples_B).numpy()
    for found, (view, sample) in zip(pixels, pairs, strict=True):
        values = plan.parameters(view, sample, sample + 1)[0].tolist()
        chosen = {"dy": padding, "dx": padding, "flip": 0} | dict(zip(names, values, strict=True))
        assert np.array_equal(found, augment(images.image(sample).numpy(), **chosen, padding=padding))


MANY = ["crop(2)", "hflip", "rand-augment", "color-jitter(0.4, 0.4, 0.4, 0.1)", "blur(0.1, 1, 0.5)", "erasing"]


@pytest.mark.parametrize("transforms", [["crop(2)", "hflip"], MANY, ["crop(2)", "mixup(0.5)"], [*MANY, "cutmix"]])
def test_pixels_do_not_depend_on_batch_order_or_what_was_asked_before(noise: Any, transforms: list[str]) -> None:
    images = noise(500, (3, 8, 8))
    plan = ViewPlan.build(image=(3, 8, 8), transforms=transforms)
    random = np.random.Generator(np.random.PCG64(1))
    views_B, samples_B = random.integers(0, 5, 2000), random.integers(0, 500, 2000)
    together = ViewRenderer(plan, images).pixels(views_B, samples_B)
    alone = ViewRenderer(plan, images)
    for place in random.permutation(2000)[:300].tolist():
        one = alone.pixels([int(views_B[place])], torch.tensor([samples_B[place]]))
        assert torch.equal(one[0], together[place])
    warm = ViewRenderer(plan, images, table_bytes=4000)  # room for two of the five tables
    for start in range(0, 2000, 7 if len(transforms) == 2 else 97):
        some = slice(start, start + 7)
        assert torch.equal(warm.pixels(views_B[some], samples_B[some]), together[some])


def test_crop_and_flip_are_one_gather_at_the_start_of_a_longer_list(
    noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, pairs = noise(30, (3, 8, 8)), (np.arange(30) % 3, np.arange(30))
    plan = ViewPlan.build(image=(3, 8, 8), transforms=MANY)
    rows = np.concatenate(
        [plan.parameters(view, i, i + 1) for view, i in zip(*(p.tolist() for p in pairs), strict=True)]
    )
    expected, first = images.pixels_NIHW, 0
    for transform in plan.transforms:
        expected = transform.apply(expected, rows[:, first : first + len(transform.limits)])
        first += len(transform.limits)
    for one in ("Crop", "Hflip"):
        monkeypatch.delattr(f"dgkd_cache.views.transforms.{one}.apply")
    assert torch.equal(ViewRenderer(plan, images).pixels(*pairs), expected)


def test_images_that_are_not_resident_give_the_same_pixels(noise: Any) -> None:
    images = noise(30, (3, 8, 8))

    class OneByOne(TensorImages):
        pixels_NIHW = None

    other = OneByOne(images.pixels_NIHW, images.labels_N, classes=images.classes, name="x", split="train")
    for transforms in (
        ["crop(2)", "hflip"],
        ["none"],
        ["resized-crop(5)", "hflip"],
        MANY,
        ["resized-crop(8)", *MANY, "mixup"],
    ):
        plan = ViewPlan.build(image=(3, 8, 8), transforms=transforms)
        pairs = np.arange(30) % 3, np.arange(30)
        assert torch.equal(ViewRenderer(plan, images).pixels(*pairs), ViewRenderer(plan, other).pixels(*pairs))


def test_global_random_state_is_neither_used_nor_touched(noise: Any) -> None:
    images = noise(20, (3, 40, 40))
    plan = ViewPlan.build(image=(3, 40, 40), transforms=["resized-crop(24)", "crop(2)", "hflip"])
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        found.append(ViewRenderer(plan, images).pixels(np.arange(20) % 4, np.arange(20)))
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(*found)


def test_evaluation_pixels_are_the_images_where_sizes_agree(noise: Any, many_sizes: Any) -> None:
    images = noise(9, (3, 16, 16))
    plan = ViewPlan.build(image=(3, 16, 16), transforms=["crop(2)", "hflip"])
    assert torch.equal(ViewRenderer(plan, images).evaluation_pixels([8, 0]), images.pixels_NIHW[[8, 0]])
    same = ViewPlan.build(image=(3, 16, 16), transforms=["resized-crop(16)"])
    assert torch.equal(ViewRenderer(same, images).evaluation_pixels([3]), images.pixels_NIHW[[3]])
    other = ViewPlan.build(image=(3, None, None), transforms=["resized-crop(20)"])
    assert ViewRenderer(other, many_sizes).evaluation_pixels([]).shape == (0, 3, 20, 20)


def evaluation_view(image_IHW: torch.Tensor, size: int, short: int) -> torch.Tensor:
    """Returns the image as torchvision's own presets make it."""
    view: torch.Tensor = v2.Compose([v2.Resize(short, antialias=True), v2.CenterCrop(size)])(image_IHW)
    return view


@pytest.mark.parametrize(("size", "short"), [(14, 16), (42, 48), (224, 256)])
@pytest.mark.parametrize("shape", [(3, 24, 30), (1, 40, 28), (3, 16, 16)])
def test_resident_images_of_another_size_are_resized_in_one_call(
    noise: Any, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int], size: int, short: int
) -> None:
    images, calls = noise(6, shape), []
    expected = torch.stack([evaluation_view(images.pixels_NIHW[sample], size, short) for sample in (5, 0, 5)])
    resize = kernel.functional.resize
    monkeypatch.setattr(kernel.functional, "resize", lambda *args, **kw: calls.append(1) or resize(*args, **kw))
    views = ViewRenderer(ViewPlan.build(image=shape, transforms=[f"resized-crop({size})"]), images)
    assert torch.equal(views.evaluation_pixels([5, 0, 5]), expected)
    assert len(calls) == 1


def test_images_of_many_sizes_are_evaluated_each_by_itself(many_sizes: Any) -> None:
    views = ViewRenderer(ViewPlan.build(image=(3, None, None), transforms=["resized-crop(42)"]), many_sizes)
    found = views.evaluation_pixels(np.arange(12))
    for view, sample in zip(found, range(12), strict=True):
        assert torch.equal(view, evaluation_view(many_sizes.image(sample), 42, 48))


@pytest.mark.parametrize("mixing", ["mixup(0.4)", "cutmix"])
def test_a_mixed_view_is_both_samples_in_the_view_without_mixing(noise: Any, mixing: str) -> None:
    images, pairs = noise(40, (3, 8, 8)), (np.arange(40) % 3, np.arange(40))
    plan = ViewPlan.build(image=(3, 8, 8), transforms=["crop(2)", "hflip", "erasing", mixing], held_out=12)
    views, last = ViewRenderer(plan, images), plan.transforms[-1]

    def of_plan(samples_B: np.ndarray) -> np.ndarray:
        each = zip(pairs[0].tolist(), samples_B.tolist(), strict=True)
        return np.stack([plan.parameters(view, sample, sample + 1)[0] for view, sample in each])

    rows = of_plan(pairs[1])
    partners_B, share_B = views.mixed_with(*pairs)
    held = set(split_samples(40, 12)[1].tolist())
    of_samples = list(enumerate(partners_B.tolist()))
    assert all(one != other and (one in held) == (other in held) for one, other in of_samples)

    def unmixed(samples_B: np.ndarray) -> torch.Tensor:
        pixels, first = images.pixels_NIHW[samples_B], 0
        of_view = of_plan(samples_B)
        for transform in plan.transforms[:-1]:
            stop = first + len(transform.limits)
            pixels, first = transform.apply(pixels, of_view[:, first:stop]), stop
        return pixels

    both = torch.cat([unmixed(pairs[1]), unmixed(partners_B)])
    own_rows = rows[:, -len(last.limits) :]
    assert torch.equal(views.pixels(*pairs), last.apply(both, own_rows))
    assert np.array_equal(share_B, last.share(own_rows, 8, 8)) and 0 < share_B.mean() < 1
    assert ViewRenderer(ViewPlan.build(image=(3, 8, 8), transforms=["hflip"]), images).mixed_with(*pairs) is None


def test_images_to_test_on_are_not_mixed_and_need_no_partner(noise: Any) -> None:
    images = noise(1, (3, 8, 8))
    views = ViewRenderer(ViewPlan.build(image=(3, 8, 8), transforms=["mixup"], held_out=50), images)
    assert torch.equal(views.evaluation_pixels([0]), images.pixels_NIHW)


@pytest.mark.parametrize("mixing", ["mixup", "cutmix"])
def test_a_sample_without_another_is_refused_before_any_is_rendered(noise: Any, mixing: str) -> None:
    for samples, held_out, words in (
        (1, 0, "single training"),
        (9, 1, "single held-out"),
        (9, 9, "nothing to train on"),
    ):
        plan = ViewPlan.build(image=(3, 8, 8), transforms=["hflip", mixing], held_out=held_out)
        views = ViewRenderer(plan, noise(samples, (3, 8, 8)))
        for call in (views.require_partners, lambda views=views: views.pixels([0], [0])):
            with pytest.raises(InvalidInput, match=words):
                call()
    whole = ViewRenderer(ViewPlan.build(image=(3, 8, 8), transforms=["hflip", mixing], held_out=3), noise(9, (3, 8, 8)))
    train_N, held_N = split_samples(9, 3)
    whole.require_partners(train_N)
    with pytest.raises(InvalidInput, match="all 6 samples of a part; .* that 3 are held out, found 5"):
        whole.require_partners(np.append(held_N, train_N[1:]))
    ViewRenderer(
        ViewPlan.build(image=(3, 8, 8), transforms=["hflip"], held_out=9), noise(1, (3, 8, 8))
    ).require_partners(np.array([0]))


def test_images_of_many_sizes_are_mixed_after_a_resized_crop(many_sizes: Any) -> None:
    with pytest.raises(InvalidInput, match="images that differ in size.*put a resized-crop first"):
        ViewPlan.build(image=(3, None, None), transforms=["mixup"])
    plan = ViewPlan.build(image=(3, None, None), transforms=["resized-crop(12)", "mixup(0.4)"])
    plain, views = ResizedCrop(12), ViewRenderer(plan, many_sizes)
    found, (partners_B, share_B) = views.pixels([2] * 12, range(12)), views.mixed_with([2] * 12, range(12))
    for sample in range(12):
        own, other = (
            plain.apply(many_sizes.image(one)[None], plan.parameters(2, one, one + 1)[:, :12]).double()
            for one in (sample, int(partners_B[sample]))
        )
        exact = own * share_B[sample] + other * (1 - share_B[sample])
        assert torch.equal(found[sample], (exact + 0.5).floor().to(torch.uint8)[0])


@pytest.mark.parametrize("transforms", [["crop(2)", "hflip"], ["crop(2)", "hflip", "mixup"]])
def test_no_pairs_are_no_pixels(noise: Any, transforms: list[str]) -> None:
    plan = ViewPlan.build(image=(3, 16, 16), transforms=transforms)
    assert ViewRenderer(plan, noise(9, (3, 16, 16))).pixels([], []).shape == (0, 3, 16, 16)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 20)])
def test_refuses_images_that_the_plan_is_not_for(noise: Any, shape: tuple[int, int, int]) -> None:
    plan = ViewPlan.build(image=(3, 16, 16), transforms=["hflip"])
    with pytest.raises(Mismatch, match="noise .train. do not fit the view plan: expected 3 channels, 16 x 16") as e:
        ViewRenderer(plan, noise(2, shape))
    assert e.value.exit_code == 13


@pytest.mark.parametrize("own", [None, "pillow", "torchcodec"])
@pytest.mark.parametrize("planned", ["pillow", "torchcodec"])
def test_refuses_images_of_another_decoder(noise: Any, own: Any, planned: Any) -> None:
    """Images that are no files have none, as those of a plan that names none."""
    images = noise(3, (3, 8, 8))
    images.decoder = own
    plan = ViewPlan.build(image=(3, 8, 8), transforms=["hflip"], decoder=planned)
    if planned == (own or "pillow"):
        assert ViewRenderer(plan, images).pixels([0], [1]).shape == (1, 3, 8, 8)
        return
    found = f"found decoder {own}" if own else "found images that are no files of a folder"
    with pytest.raises(Mismatch, match=f"another library than the view plan.*decoder {planned}, {found}; load the"):
        ViewRenderer(plan, images)


def test_pixels_are_contiguous_though_decoders_keep_channels_together(many_sizes: Any) -> None:
    """The same values as of images whose channels lie apart, in one piece of memory for whoever views them."""
    plan = ViewPlan.build(image=(3, None, None), transforms=["resized-crop(16)", "hflip"])
    together = copy.copy(many_sizes)
    together.images = [one.permute(1, 2, 0).contiguous().permute(2, 0, 1) for one in many_sizes.images]
    assert not together.images[0].is_contiguous()
    for name, pairs in (("pixels", ([4] * 12, range(12))), ("evaluation_pixels", (range(12),))):
        found = [getattr(ViewRenderer(plan, images), name)(*pairs) for images in (many_sizes, together)]
        assert torch.equal(*found) and all(one.is_contiguous() for one in found)


@pytest.mark.parametrize("transforms", [["crop(2)", "hflip"], ["none"]])
def test_refuses_views_and_samples_that_are_not_there(noise: Any, transforms: list[str]) -> None:
    views = ViewRenderer(ViewPlan.build(image=(3, 16, 16), transforms=transforms), noise(9, (3, 16, 16)))
    for samples in ([0, 9], [-1, 3]):
        with pytest.raises(InvalidInput, match="no such sample: expected samples 0 to 8 of noise"):
            views.pixels([0, 0], samples)
    with pytest.raises(InvalidInput, match="as many views as samples, found 1 and 2"):
        views.pixels([0], [1, 2])
    with pytest.raises(InvalidInput, match="no such view: expected a view number from 0 on, found -1"):
        views.pixels([-1], [1])
