"""The view data set under torch's DataLoader: the same pixels whoever renders them, in any batch or order."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.dataset import ViewDataset, ViewSampler
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.schedule import Schedule

SAMPLES = 150
PLAN = ViewPlan.build(image=(3, 8, 8), transforms=["crop(2)", "hflip"])

# torch warns of more workers than there are cores, which is what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")

Seen = tuple[int, int, int, bytes]  # view, sample, label, pixels


def flatten(loader: DataLoader[Any]) -> Iterator[Seen]:
    for pixels, labels, views, samples in loader:
        assert pixels.dtype == torch.uint8 and pixels.shape[1:] == (3, 8, 8)
        for image, label, view, sample in zip(pixels, labels.tolist(), views.tolist(), samples.tolist(), strict=True):
            yield view, sample, label, image.numpy().tobytes()


def sampler(batch_size: int, *, seed: int = 1, kind: str = "draw", **place: int) -> ViewSampler:
    random = RunRandom(seed)
    return ViewSampler(Schedule(kind, 3, random=random, samples=SAMPLES), random, SAMPLES, batch_size, **place)


@pytest.fixture(scope="module")
def dataset(noise: Any) -> ViewDataset:
    return ViewDataset(PLAN, noise(SAMPLES, (3, 8, 8)))


@pytest.fixture(scope="module")
def expected(dataset: ViewDataset, augment: Any) -> dict[tuple[int, int], tuple[int, bytes]]:
    """Label and pixels of every pair, by numpy pad, slice and reverse."""
    images, table = dataset.views.images, {}
    for view in range(3):
        for sample in range(SAMPLES):
            dy, dx, flip = PLAN.parameters(view, sample, sample + 1)[0].tolist()
            pixels = augment(images.image(sample).numpy(), dy, dx, flip, 2).tobytes()
            table[view, sample] = int(images.labels_N[sample]), pixels
    return table


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("batch_size", [1, 7, 128])
def test_pixels_are_the_same_over_workers_batches_orders_and_resumes(
    dataset: ViewDataset, expected: Any, workers: int, batch_size: int
) -> None:
    runs = []
    for seed, step in ((1, 0), (2, 0), (1, 1)):
        batches = sampler(batch_size, seed=seed, epoch=2, step=step)
        assert len(batches) == -(-SAMPLES // batch_size) - step
        seen = list(flatten(DataLoader(dataset, batch_sampler=batches, num_workers=workers)))
        assert all(expected[view, sample] == (label, pixels) for view, sample, label, pixels in seen)
        runs.append([(view, sample) for view, sample, _, _ in seen])
    first, other_order, resumed = runs
    assert sorted(sample for _, sample in first) == list(range(SAMPLES))
    assert {view for view, _ in first} == {0, 1, 2}
    assert [sample for _, sample in other_order] != [sample for _, sample in first]
    assert resumed == first[batch_size:]


def test_workers_render_colour_and_policies_as_one_process_does(noise: Any) -> None:
    transforms = ["crop(2)", "hflip", "trivial-augment", "color-jitter(0.4, 0.4, 0.4, 0.1)", "erasing"]
    plan = ViewPlan.build(image=(3, 8, 8), transforms=transforms)
    dataset = ViewDataset(plan, noise(SAMPLES, (3, 8, 8)))
    found = [list(flatten(DataLoader(dataset, batch_sampler=sampler(32), num_workers=workers))) for workers in (0, 2)]
    assert found[0] == found[1] and len({pixels for *_, pixels in found[0]}) > SAMPLES * 3 // 4


@pytest.mark.parametrize("mixing", ["mixup(0.3)", "cutmix"])
def test_items_of_mixed_views_have_the_partners_label_and_the_share_of_their_own(noise: Any, mixing: str) -> None:
    plan = ViewPlan.build(image=(3, 8, 8), transforms=["crop(2)", "hflip", mixing])
    dataset = ViewDataset(plan, noise(SAMPLES, (3, 8, 8)))
    views, labels_N = dataset.views, dataset.views.images.labels_N
    for workers in (0, 2):
        for pixels, labels, of_view, samples, others, shares in DataLoader(
            dataset, batch_sampler=sampler(32), num_workers=workers
        ):
            assert torch.equal(pixels, views.pixels(of_view, samples)) and labels.tolist() == labels_N[samples].tolist()
            partners_B, share_B = views.mixed_with(of_view, samples)
            assert others.tolist() == labels_N[partners_B].tolist() and shares.tolist() == share_B.tolist()
    assert len(ViewDataset(PLAN, dataset.views.images)[1, 5]) == 4
    with pytest.raises(InvalidInput, match="a single training sample cannot be mixed"):
        ViewDataset(plan, noise(1, (3, 8, 8)))


def test_persistent_workers_show_the_right_view_in_each_epoch(dataset: ViewDataset, expected: Any) -> None:
    batches = sampler(32, kind="cycle")
    loader: DataLoader[Any] = DataLoader(dataset, batch_sampler=batches, num_workers=2, persistent_workers=True)
    orders = []
    for epoch in range(4):
        batches.set_epoch(epoch)
        seen = list(flatten(loader))
        assert {view for view, *_ in seen} == {epoch % 3}
        assert all(expected[view, sample] == (label, pixels) for view, sample, label, pixels in seen)
        orders.append([sample for _, sample, *_ in seen])
    assert len({tuple(order) for order in orders}) == 4


def test_a_spawned_worker_would_get_the_same_data_set(dataset: ViewDataset, expected: Any) -> None:
    sampled = list(sampler(SAMPLES))[0]
    dataset.__getitems__(sampled)
    copy = pickle.loads(pickle.dumps(dataset))
    found = copy.__getitems__(sampled[:20])
    assert [(view, sample) for _, _, view, sample in found] == sampled[:20]
    for pixels, label, view, sample in found:
        assert expected[view, sample] == (label, pixels.numpy().tobytes())


def test_images_of_many_sizes_go_through_workers(many_sizes: Any) -> None:
    plan = ViewPlan.build(image=(3, None, None), transforms=["resized-crop(16)", "hflip"])
    random = RunRandom(0)
    batches = ViewSampler(Schedule("fresh", random=random, samples=12), random, 12, 5, epoch=9)
    found = []
    for workers in (0, 2):
        loader: DataLoader[Any] = DataLoader(ViewDataset(plan, many_sizes), batch_sampler=batches, num_workers=workers)
        batch = [torch.cat(parts) for parts in zip(*loader, strict=True)]
        assert batch[0].shape == (12, 3, 16, 16) and set(batch[2].tolist()) == {9}
        found.append(batch)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_some_samples_keep_their_numbers(dataset: ViewDataset) -> None:
    ids = np.arange(0, SAMPLES, 3)
    random = RunRandom(1)
    schedule = Schedule("draw", 3, random=random, samples=SAMPLES)
    pairs = [pair for batch in ViewSampler(schedule, random, ids, 16) for pair in batch]
    assert sorted(sample for _, sample in pairs) == ids.tolist()
    views_N = schedule.views(0, np.arange(SAMPLES))
    assert all(view == views_N[sample] for view, sample in pairs)
    assert len(dataset) == SAMPLES


def test_refuses_keys_that_are_no_pairs_and_places_that_are_not_there(dataset: ViewDataset) -> None:
    with pytest.raises(
        InvalidInput,
        match=r"two integers, found 3 \(int\); give the DataLoader batch_sampler",
    ):
        dataset[3]
    with pytest.raises(InvalidInput, match=r"'step' cannot be used: expected an integer from 0 to 5, found 6"):
        sampler(32, step=6)
    with pytest.raises(InvalidInput, match=r"'epoch' cannot be used.*found -1"):
        sampler(32).set_epoch(-1)
    with pytest.raises(InvalidInput, match=r"'batch_size' cannot be used: expected an integer from 1 on, found 0"):
        sampler(0)
    random = RunRandom(0)
    with pytest.raises(InvalidInput, match=r"at least one of their ids, found \[\]"):
        ViewSampler(Schedule("cycle", 3, random=random, samples=3), random, [], 4)
