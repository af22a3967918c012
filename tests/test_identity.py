"""The section "Identity" of stores/FORMAT.md, computed from the page in plain Python, is what a store's digests are."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.page_views import below, mixed, parameters_of, partner_of, pixels_of, share_of

from dgkd_cache.datasets.folder import index_order
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.models.weights import weights_digest
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.probe import make_probe
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.resized_crop import ResizedCrop

PAGE = (Path(__file__).parents[1] / "stores" / "FORMAT.md").read_text()
MASK = 2**64 - 1
SAMPLES = 7


def word(key: bytes, view: int, domain: int, k: int) -> int:
    """Philox4x64-10 after Salmon et al.: output k mod 4 of counter (k // 4, view, domain, 0)."""
    x = [k // 4, view, domain, 0]
    k0, k1 = struct.unpack("<2Q", key)
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
        x = [second >> 64 ^ x[1] ^ k0, second & MASK, first >> 64 ^ x[3] ^ k1, first & MASK]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return x[k % 4]


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parameters(plan: dict[str, Any], view: int, sample: int) -> list[int]:
    """The parameters of a view of a sample, by the page's table of transforms."""
    if plan["scheme"] == "enumerated":
        bounds = [bound for each in plan["transforms"] for bound in enumerated_bounds(each)]
        digits: list[int] = []
        for bound in reversed(bounds):
            view, digit = divmod(view, bound)
            digits.insert(0, digit)
        return digits
    key = hashlib.sha256(canonical(plan)).digest()[:16]
    places = itertools.count(4 * -(-plan["words"] // 4) * sample)
    found: list[int] = []
    for each in plan["transforms"]:
        found += parameters_of(each, lambda: word(key, view, 0, next(places)))
    return found


def enumerated_bounds(transform: dict[str, Any]) -> list[int]:
    if transform["name"] == "crop":
        return [2 * transform["padding"] + 1] * 2
    return {"hflip": [2], "rand-augment": [28], "equalize": [2]}.get(transform["name"], [])


def view_pixels(image: np.ndarray[Any, Any], plan: dict[str, Any], values: list[int]) -> np.ndarray[Any, Any]:
    """Pixels of all transforms but resized-crop and those that mix, one after the other."""
    values = list(values)
    for each in plan["transforms"]:
        taken = parameter_counts(each)
        own, values = values[:taken], values[taken:]
        if each["name"] == "crop":
            p, (dy, dx) = each["padding"], own
            height, width = image.shape[1:]
            image = np.pad(image, ((0, 0), (p, p), (p, p)))[:, dy : dy + height, dx : dx + width]
        elif each["name"] == "hflip":
            image = image[:, :, ::-1] if own[0] else image
        else:
            image = np.array(pixels_of(image.tolist(), each, own), np.uint8)
    assert not values
    return image


def mixed_view(levels: np.ndarray[Any, Any], plan: dict[str, Any], view: int, sample: int) -> tuple[Any, int, Any]:
    """Pixels of a view that mixes, the partner of the sample, and the share of the sample's own label."""
    mixing, others = plan["transforms"][-1], plan["transforms"][:-1]
    held_by = [word(b"dgkd-validation!", 0, 20, k) for k in range(len(levels))]
    taken = parameter_counts(mixing)
    own = parameters(plan, view, sample)
    partner = partner_of(sample, own[-taken], held_by, mixing["held_out"])
    each = [
        view_pixels(levels[one], {"transforms": others}, parameters(plan, view, one)[:-taken]).tolist()
        for one in (sample, partner)
    ]
    pixels = np.array(mixed(*each, mixing, own[-taken:]), np.uint8)
    return pixels, partner, share_of(mixing, own[-taken:], *pixels.shape[1:])


def parameter_counts(each: dict[str, Any]) -> int:
    """The number of parameters of a transform."""
    return len(parameters_of(each, lambda: 0))


def box(transform: dict[str, Any], values: list[int], height: int, width: int) -> tuple[int, int, int, int]:
    *attempts, y, x = values
    for value in attempts:
        area, ratio = value // 64, transform["ratio_q16"][value % 64]
        w = (math.isqrt(4 * height * width * area * ratio >> 40) + 1) >> 1
        h = (math.isqrt(4 * height * width * area // (ratio << 8)) + 1) >> 1
        if 0 < w <= width and 0 < h <= height:
            return y * (height - h + 1) >> 32, x * (width - w + 1) >> 32, h, w
    h, w = height, width
    if 4 * width < 3 * height:
        h = (8 * width + 3) // 6
    elif 3 * width > 4 * height:
        w = (8 * height + 3) // 6
    return (height - h) // 2, (width - w) // 2, h, w


def int64(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


@pytest.fixture
def images() -> TensorImages:
    pixels = np.arange(SAMPLES * 3 * 8 * 8).reshape(SAMPLES, 3, 8, 8) * 37 % 251
    labels = np.arange(SAMPLES) % 3
    return TensorImages(pixels.astype(np.uint8), labels, classes=("cat", "Käfer", "dog"), name="toy", split="train")


def plan_of(*transforms: str, scheme: str = "sampled") -> ViewPlan:
    return ViewPlan.build(image=(3, 8, 8), transforms=transforms, scheme=scheme, seed=5)


def probed_pairs(plan: ViewPlan, first: int, count: int) -> list[tuple[int, int]]:
    key = bytes.fromhex(plan.digest)[:16]
    words = [word(key, first, 1, k) for k in range(128)]
    return [(first + below(words[2 * p], count), below(words[2 * p + 1], SAMPLES)) for p in range(64)]


def test_the_words_that_are_published() -> None:
    (shown,) = re.findall(r"^```text philox\n(.*)\n```$", PAGE, flags=re.M)
    assert [f"{word(bytes(16), 0, 0, k):016x}" for k in range(4)] == shown.split()


def test_plan_digest() -> None:
    plan = plan_of("crop(2)", "hflip")
    record = {"format": "dgkd-view-plan", "version": 1, "channels": 3, "height": 8, "width": 8, "scheme": "sampled"}
    record |= {"seed": 5, "words": 3, "transforms": [{"name": "crop", "padding": 2}, {"name": "hflip"}]}
    assert plan.digest == hashlib.sha256(canonical(record)).hexdigest()


def test_sample_and_data_set_digests(images: TensorImages) -> None:
    digests = [
        hashlib.sha256(int64(3, 8, 8) + images.image(sample).numpy().tobytes()).digest()[:16]
        for sample in range(SAMPLES)
    ]
    assert images.sample_digest_N16.tobytes() == b"".join(digests)
    record = {"channels": 3, "height": 8, "width": 8, "samples": SAMPLES, "sample_digest": "pixels"}
    record["classes"] = ["cat", "Käfer", "dog"]
    labels = int64(*(sample % 3 for sample in range(SAMPLES)))
    assert images.digest == hashlib.sha256(canonical(record) + labels + b"".join(digests)).hexdigest()


def test_the_order_of_an_image_folder() -> None:
    paths = [f"{label}/{number}.png" for label in ("b", "a", "é", "Z") for number in range(6)]
    key = hashlib.sha256(b"dgkd-folder-index").digest()[:16]
    numbered = sorted((word(key, 0, 16, k), path) for k, path in enumerate(sorted(paths)))
    assert index_order(paths) == [path for _, path in numbered]


MORE = [
    *("color-jitter(0.4, 0.5, 1.2, 0.1)", "color-jitter(0, 0.5)", "grayscale(0.4)", "posterize(3)", "solarize(120)"),
    *("autocontrast(0.6)", "equalize", "sharpness(1.7, 0.6)", "blur(0.3, 1, 0.8)", "rotate(40)", "shear(30)"),
    *("translate(0.2)", "trivial-augment", "rand-augment(3, 17)", "auto-augment(cifar10)", "auto-augment", "erasing"),
]
"""Transforms from color-jitter to erasing, each with other numbers than a default where it has some."""

MIX = ["mixup(0.3)", "cutmix(0.7)"]


@pytest.mark.parametrize(
    "plan",
    [plan_of("none"), plan_of("crop(2)", "hflip"), plan_of("resized-crop(8)", "hflip")]
    + [plan_of("crop(1)", "hflip", scheme="enumerated"), plan_of("crop(1)", "rand-augment(1, 4)", scheme="enumerated")]
    + [plan_of("crop(1)", "hflip", text) for text in (*MORE, *MIX)]
    + [plan_of("hflip", "trivial-augment", "grayscale", "shear(5)", "color-jitter(0.1)", "erasing(0.3)")],
    ids=["none", "crop", "resized-crop", "enumerated", "enumerated policy", *MORE, *MIX, "many"],
)
def test_view_digests(plan: ViewPlan) -> None:
    for view in (0, 3, 17):
        rows = [parameters(plan.to_dict(), view, sample) for sample in range(SAMPLES)]
        content = b"".join(int64(*row) for row in rows)
        assert plan.view_digest(view, SAMPLES) == hashlib.sha256(content).digest()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("text", MORE)
def test_pixels_of_colour_tone_geometry_policies_and_erasing(channels: int, text: str) -> None:
    plan = ViewPlan.build(image=(channels, 9, 8), transforms=["crop(1)", "hflip", text], seed=8)
    levels = np.random.Generator(np.random.PCG64(channels)).integers(0, 256, (30, channels, 9, 8), dtype=np.uint8)
    levels[::5] //= 8  # dark ones
    images = TensorImages(levels, [0] * 30, classes=("all",), name="toy", split="train")
    found = ViewRenderer(plan, images).pixels(np.full(30, 4), np.arange(30)).numpy()
    for sample, pixels in enumerate(found):
        expected = view_pixels(levels[sample], plan.to_dict(), parameters(plan.to_dict(), 4, sample))
        assert np.array_equal(pixels, expected), (sample, pixels.tolist(), expected.tolist())


def test_equalize_where_there_are_pixels_enough_for_it() -> None:
    plan = ViewPlan.build(image=(1, 20, 30), transforms=["equalize(1)"])
    levels = (np.random.Generator(np.random.PCG64(3)).random((2, 1, 20, 30)) ** 2 * 255).astype(np.uint8)
    images = TensorImages(levels, [0, 0], classes=("all",), name="toy", split="train")
    found = ViewRenderer(plan, images).pixels([0, 0], [0, 1]).numpy()
    for sample in (0, 1):
        assert np.array_equal(found[sample], view_pixels(levels[sample], plan.to_dict(), [1]))
        assert not np.array_equal(found[sample], levels[sample])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("transforms", [["crop(1)", "hflip"], ["equalize", "erasing(1)"]])
@pytest.mark.parametrize("held_out", [0, 9])
@pytest.mark.parametrize("text", MIX)
def test_pixels_partners_and_shares_of_mixed_views(
    channels: int, transforms: list[str], held_out: int, text: str
) -> None:
    image = channels, 9, 8
    plan = ViewPlan.build(image=image, transforms=[*transforms, text], seed=8, held_out=held_out)
    levels = np.random.Generator(np.random.PCG64(channels)).integers(0, 256, (30, *image), dtype=np.uint8)
    images = TensorImages(levels, [0] * 30, classes=("all",), name="toy", split="train")
    views, pairs = ViewRenderer(plan, images), (np.full(30, 4), np.arange(30))
    found, (partners, shares) = views.pixels(*pairs).numpy(), views.mixed_with(*pairs)
    for sample in range(30):
        pixels, partner, share = mixed_view(levels, plan.to_dict(), 4, sample)
        assert np.array_equal(found[sample], pixels), sample
        assert (partners[sample], shares[sample]) == (partner, float(share))


@pytest.mark.parametrize("size", [(8, 8), (9, 64), (64, 9), (300, 200)])
def test_boxes(size: tuple[int, int]) -> None:
    plan = plan_of("resized-crop(8)")
    (record,) = plan.to_dict()["transforms"]
    transform = plan.transforms[0]
    assert isinstance(transform, ResizedCrop)
    never = [64 * 2**24 - 1] * 10 + [2**31, 2**31]
    for values in [*(parameters(plan.to_dict(), 0, sample) for sample in range(50)), never]:
        assert transform.box(values, *size) == box(record, values, *size)


def test_a_probe_of_mixed_pixels(images: TensorImages) -> None:
    plan = ViewPlan.build(image=(3, 8, 8), transforms=["crop(2)", "hflip", "cutmix"], seed=5, held_out=3)
    levels = np.stack([images.image(sample).numpy() for sample in range(SAMPLES)])
    kind, probe = make_probe(ViewRenderer(plan, images), 3, 6)
    assert kind == "sha256"
    for pair, (view, sample) in enumerate(probed_pairs(plan, 3, 6)):
        pixels, _, _ = mixed_view(levels, plan.to_dict(), view, sample)
        assert probe[pair].tobytes() == hashlib.sha256(int64(3, 8, 8) + pixels.tobytes()).digest()


@pytest.mark.parametrize("scheme", ["sampled", "enumerated"])
def test_a_probe_of_pixels(images: TensorImages, scheme: str) -> None:
    plan = plan_of("crop(2)", "hflip", scheme=scheme)
    kind, probe = make_probe(ViewRenderer(plan, images), 3, 6)
    assert kind == "sha256"
    for pair, (view, sample) in enumerate(probed_pairs(plan, 3, 6)):
        pixels = view_pixels(images.image(sample).numpy(), plan.to_dict(), parameters(plan.to_dict(), view, sample))
        assert probe[pair].tobytes() == hashlib.sha256(int64(3, 8, 8) + pixels.tobytes()).digest()


def test_a_probe_of_projections(images: TensorImages) -> None:
    plan = plan_of("resized-crop(16)")
    views = ViewRenderer(plan, images)
    kind, probe = make_probe(views, 3, 6)
    assert kind == "projection"
    key = bytes.fromhex(plan.digest)[:16]
    size = 3 * 16 * 16
    words = [[word(key, q, 2, k) for k in range(size // 64)] for q in range(64)]
    signs = [[1 if words[q][k // 64] >> (k % 64) & 1 else -1 for k in range(size)] for q in range(64)]
    for pair, (view, sample) in enumerate(probed_pairs(plan, 3, 6)):
        pixels = views.pixels([view], [sample]).numpy().reshape(-1).astype(np.int64)
        assert probe[pair].tolist() == (np.array(signs) @ pixels).tolist()


def test_weights_digest() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    content = b""
    for name, tensor in sorted(model.state_dict().items()):
        kind = {torch.float32: "float32", torch.int64: "int64"}[tensor.dtype]
        content += name.encode() + b"\0" + kind.encode() + b"\0" + int64(tensor.ndim, *tensor.shape)
        content += tensor.numpy().tobytes()
    assert weights_digest(model) == hashlib.sha256(content).hexdigest()
