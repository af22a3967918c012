"""The stream of batches: images held in several sizes, or not held, rendered here or by workers: the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.resized_crop import ResizedCrop
from dgkd_cache.views.stream import stream

CPU = torch.device("cpu")
SIZES = [(24, 31), (40, 22), (33, 33)]  # height, width


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve PNG files in three sizes, under train/CLASS."""
    random = np.random.default_rng(6)
    for number in range(12):
        path = tmp_path / "train" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (*SIZES[number % 3], 3), dtype=np.uint8)).save(path)
    return tmp_path / "train"


# torch warns of more workers than there are cores, which is what is tried here.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_workers_mix_as_this_process_does(folder: Path) -> None:
    images = FolderImages(folder, name="n", split="train", hold_bytes=0)
    views = ViewRenderer(ViewPlan.build(image=(3, None, None), transforms=["resized-crop(16)", "cutmix"]), images)
    pairs = [(np.full(6, view), np.arange(6 * view, 6 * view + 6)) for view in range(2)]
    for (views_B, samples_B), batch in zip(pairs, stream(views, pairs, device=CPU, workers=2), strict=True):
        assert np.array_equal(batch.samples_B, samples_B)
        assert torch.equal(batch.pixels_BIHW, views.pixels(views_B, samples_B))


# torch warns of more workers than there are cores, which is what is tried here.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize(
    ("hold_bytes", "workers", "threads"), [(0, 0, 1), (0, 0, 3), (0, 2, 1), (1 << 20, 0, 1), (1 << 20, 2, 1)]
)
def test_images_of_several_sizes_are_rendered_from_their_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, hold_bytes: int, workers: int, threads: int
) -> None:
    monkeypatch.setattr("dgkd_cache.datasets.folder.decoding_threads", lambda folder, paths: threads)
    images = FolderImages(folder, name="n", split="train", hold_bytes=hold_bytes)
    plan = ViewPlan.build(image=(3, None, None), transforms=["resized-crop(16)", "hflip"], seed=2)
    pairs = [(np.full(5, view), np.array([11, 0, 4, 4, view])) for view in range(3)]
    views = ViewRenderer(plan, images.to("meta"))
    batches = list(stream(views, pairs, device=torch.device("cpu"), workers=workers))
    for (views_B, samples_B), batch in zip(pairs, batches, strict=True):
        assert np.array_equal(batch.views_B, views_B) and np.array_equal(batch.samples_B, samples_B)
        for pixels, view, sample in zip(batch.pixels_BIHW, views_B.tolist(), samples_B.tolist(), strict=True):
            path = folder / images.describe(sample).partition("(train/")[2].removesuffix(")")
            with Image.open(path) as picture:
                image = v2.functional.pil_to_tensor(picture)
            *parameters, flip = plan.parameters(view, sample, sample + 1)[0].tolist()
            top, left, height, width = ResizedCrop(16).box(parameters, *image.shape[1:])
            cut = v2.functional.crop(image, top, left, height, width)
            expected = v2.functional.resize(cut, [16, 16], antialias=True)
            assert torch.equal(pixels, v2.functional.horizontal_flip(expected) if flip else expected)
