"""GuideLoader: the batches of our own training, step by step, from any step on, and no thread that stays behind."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from support.banks import bank_of
from torch import nn

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.datasets.images import Images
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule

DROPPING = Dropping(keep=0.5)
EPOCHS = 3  # of 100 samples: 32, 32, 32 and 4


@pytest.fixture
def bank(bars, plan, three_guides) -> Iterator[GuideBank]:
    with bank_of(three_guides, plan, bars.train) as bank:
        yield bank


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("dgkd-guides")]


def same(one: GuidedBatch, other: GuidedBatch) -> bool:
    tensors = all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("pixels", "labels", "softened"))
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("kept", "views", "samples"))
    rest = all(getattr(one, name) == getattr(other, name) for name in ("epoch", "step", "temperature", "weight"))
    return tensors and arrays and rest


def all_same(found: Iterator[GuidedBatch] | Any, expected: list[GuidedBatch]) -> bool:
    return all(same(one, other) for one, other in zip(found, expected, strict=True))


def own_training(
    bank: GuideBank,
    plan,
    bars,
    *,
    seed: int,
    model: nn.Module,
    preprocess: nn.Module,
    dropping: Dropping,
    kind: str = "cycle",
    **recipe: Any,
) -> Steps:
    """The steps of our own training on all samples, in batches of 32."""
    random = RunRandom(seed)
    return Steps(
        model,
        preprocess,
        views=ViewRenderer(plan, bars.train),
        samples_N=np.arange(100),
        schedule=Schedule(kind, 3, random=random, samples=100),
        random=random,
        training=TrainingConfig(batch_size=32, precision="float32", channels_last=False, **recipe),
        guided=Guided(guidance=bank, dropping=dropping, objective="paper", lambda_=0.5),
        device=torch.device("cpu"),
    )


@pytest.mark.parametrize("order", ["shuffled", "blocks"])
@pytest.mark.parametrize("kind", ["cycle", "draw"])
def test_its_batches_are_those_of_our_training_from_any_step_on(bank, bars, plan, kind: str, order: str) -> None:
    network = {"model": nn.Linear(64, 4), "preprocess": nn.Flatten()}
    recipe = {"epochs": EPOCHS, "order": order, "kind": kind}
    expected = list(own_training(bank, plan, bars, seed=7, dropping=DROPPING, **network, **recipe).prefetch(0))
    settings = {"batch_size": 32, "seed": 7, "dropping": DROPPING, "schedule": kind, "order": order}
    loader = bank.loader(**settings, epochs=EPOCHS)
    assert len(loader) == len(expected) == 12 and loader.steps_per_epoch == 4
    assert all_same(loader, expected)
    assert all_same(loader, expected)  # each iteration is the whole run
    assert [len(batch) for batch in expected] == [32, 32, 32, 4] * EPOCHS
    assert len({int(batch.kept.sum()) for batch in expected}) > 1
    for first in range(13):
        resumed = bank.loader(**settings, epochs=EPOCHS, first_step=first)
        assert len(resumed) == 12 - first and all_same(resumed, expected[first:])
    epochs = bank.loader(**settings)
    for epoch in range(EPOCHS):
        assert len(epochs) == 4 and all_same(epochs, expected[4 * epoch : 4 * epoch + 4])


def test_a_batch_is_what_the_pieces_give_by_hand(bank, bars, plan) -> None:
    """Order, schedule, drops, pixels and rows from the public pieces that a loop needed before there was a loader."""
    random = RunRandom(3)
    schedule, views = Schedule("draw", 3, random=random, samples=100), ViewRenderer(plan, bars.train)
    chosen_N = np.arange(0, 100, 3)
    for batch in bank.loader(batch_size=10, epochs=2, seed=3, dropping=DROPPING, schedule="draw", samples=chosen_N):
        epoch, step = divmod(batch.step, 4)
        samples_B = random.order(epoch, chosen_N)[10 * step : 10 * step + 10]
        views_B, keep_G = schedule.views(epoch, samples_B), DROPPING.keep_mask(random, batch.step, bank.names)
        assert batch.epoch == epoch and batch.samples.tolist() == samples_B.tolist()
        assert batch.views.tolist() == views_B.tolist() and batch.kept.tolist() == keep_G.tolist()
        assert torch.equal(batch.pixels, views.pixels(views_B, samples_B))
        assert torch.equal(batch.softened, bank.gather(views_B, samples_B, keep_G))
        assert batch.softened.shape == (keep_G.sum(), len(samples_B), 4)
        assert batch.labels.tolist() == bars.train.labels_N[samples_B].tolist()


def test_an_epoch_is_chosen_and_one_that_is_abandoned_is_started_over(bank) -> None:
    loader = bank.loader(batch_size=32)
    assert next(iter(loader)).step == 0
    assert [batch.step for batch in loader] == [0, 1, 2, 3]
    assert [batch.step for batch in itertools.islice(loader, 2)] == [4, 5]
    assert [batch.step for batch in loader] == [4, 5, 6, 7]
    loader.set_epoch(9)
    assert [(batch.epoch, batch.step) for batch in loader] == [(9, 36), (9, 37), (9, 38), (9, 39)]
    loader.set_epoch(0)
    assert [batch.step for batch in loader] == [0, 1, 2, 3]
    with pytest.raises(InvalidInput, match="goes through all epochs .*make the loader without epochs="):
        bank.loader(batch_size=32, epochs=2).set_epoch(1)


@pytest.mark.parametrize("epochs", [None, EPOCHS])
def test_a_saved_position_is_gone_on_from(bank, epochs: int | None) -> None:
    settings = {"batch_size": 32, "epochs": epochs, "seed": 2}
    whole = bank.loader(**settings, first_step=4)
    for batch in whole:
        state = whole.state_dict()
        assert state["step"] == batch.step + 1
        if batch.step == 5:
            break
    other = bank.loader(**settings)
    other.load_state_dict(state)
    if epochs is None:
        other.set_epoch(1)  # as frameworks call it before each epoch: it does not go back
    assert [batch.step for batch in other] == list(range(6, 8 if epochs is None else 12))
    assert other.state_dict()["step"] == (8 if epochs is None else 12)
    with pytest.raises(InvalidInput, match="what state_dict returned"):
        other.load_state_dict([6])
    with pytest.raises(InvalidInput, match="'step' cannot be used"):
        bank.loader(**{**settings, "epochs": 1}).load_state_dict({**state, "step": 5})


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"seed": 3}, "seed 2"),
        ({"batch_size": 31}, "batch_size 32"),
        ({"samples": np.arange(1, 100)}, "samples 100 of SHA-256"),
        ({"order": "blocks"}, "order shuffled"),
        ({"schedule": "draw"}, "schedule cycle"),
        ({"dropping": DROPPING}, r"dropping Dropping\(kind='bernoulli', keep=0.75,"),
        ({"seed": 3, "order": "blocks"}, "seed 2, order shuffled"),
    ],
)
def test_a_position_in_other_batches_is_refused_by_what_differs(bank, changed, found: str) -> None:
    settings = {"batch_size": 32, "seed": 2}
    state = json.loads(json.dumps(bank.loader(**settings).state_dict()))
    bank.loader(**settings, rank=1, world_size=2, workers=1).load_state_dict(state)
    with pytest.raises(Mismatch, match=f"state of another run: expected {next(iter(changed))} .*, found {found}"):
        bank.loader(**{**settings, **changed}).load_state_dict(state)


def test_a_position_under_other_guides_views_or_temperatures_is_refused(bars, plan, three_guides) -> None:
    renderer = ViewRenderer(plan, bars.train)
    paths = three_guides
    with GuideBank(paths, renderer) as bank:
        state = bank.loader(batch_size=32).state_dict()
        assert str(state["guides"]).startswith(f"teacher {bank.identities['teacher'][:16]}, ta1 ")
    for arguments, words in (
        ({"stores": paths[1:]}, "guides"),
        ({"stores": paths[::-1]}, "guides"),
        ({"stores": paths, "views": range(2)}, "views 0 to 1, found views 0 to 2"),
        ({"stores": paths, "temperature": 2.0}, "temperature 2.0"),
    ):
        with GuideBank(**arguments, images=renderer) as bank, pytest.raises(Mismatch, match=f"run: expected {words}"):
            bank.loader(batch_size=32).load_state_dict(state)


def test_a_loaded_position_counts_for_one_iteration(bank) -> None:
    settings = {"batch_size": 32, "epochs": EPOCHS}
    loader = bank.loader(**settings)
    loader.load_state_dict({**loader.state_dict(), "step": 5})
    assert len(loader) == 7 and [batch.step for batch in itertools.islice(loader, 2)] == [5, 6]
    assert [batch.step for batch in loader] == list(range(5, 12))  # the one before was abandoned
    assert loader.state_dict()["step"] == 12
    assert len(loader) == 12 and [batch.step for batch in loader] == list(range(12))
    resumed = bank.loader(**settings, first_step=5)
    assert [len(list(resumed)) for _ in range(3)] == [7, 12, 12]


def test_the_end_of_a_run_is_its_end(bank) -> None:
    loader = bank.loader(batch_size=32, epochs=2, first_step=8)
    assert len(loader) == 0 and list(loader) == []
    assert loader.state_dict()["step"] == 8
    assert [batch.step for batch in loader] == list(range(8))  # another run


def test_ranks_share_each_batch_and_average_to_its_loss(bank) -> None:
    settings = {"batch_size": 32, "epochs": 1, "dropping": Dropping(kind="none")}
    for whole, *parts in zip(
        bank.loader(**settings),
        *(bank.loader(**settings, rank=rank, world_size=3) for rank in range(3)),
        strict=True,
    ):
        if len(whole) < 6:  # too few for three ranks: each has them all
            assert all(len(part) == len(whole) and part.weight == 1.0 for part in parts)
            continue
        assert np.concatenate([part.samples for part in parts]).tolist() == whole.samples.tolist()
        assert torch.equal(torch.cat([part.pixels for part in parts]), whole.pixels)
        logits_BC = torch.randn(len(whole), 4, generator=torch.Generator().manual_seed(whole.step))
        losses = [part.loss(part_BC) for part, part_BC in zip(parts, logits_BC.tensor_split(3), strict=True)]
        assert float(sum(losses)) / 3 == pytest.approx(float(whole.loss(logits_BC)), rel=1e-5)


def test_an_epoch_is_over_with_its_last_batch_though_nobody_asks_for_another(bank) -> None:
    """Lightning takes `len(loader)` batches and then begins the next iteration."""
    loader = bank.loader(batch_size=32)
    for epoch in range(3):
        batches = iter(loader)
        assert [next(batches).step for _ in range(len(loader))] == list(range(4 * epoch, 4 * epoch + 4))
        assert loader.state_dict()["step"] == 4 * epoch + 4


@pytest.mark.parametrize("how", ["break", "exception", "close", "forgotten", "finished"])
def test_no_thread_stays_when_the_loop_ends(bank, how: str) -> None:
    assert not threads()
    loader = bank.loader(batch_size=8)
    if how == "break":
        for _ in loader:
            assert len(threads()) == 1
            break
    elif how == "exception":
        with pytest.raises(ValueError, match="mine"):  # noqa: PT012 - the loop is what raises
            for _ in loader:
                raise ValueError("mine")
    elif how == "close":
        batches = iter(loader)
        next(batches)
        batches.close()
        assert list(batches) == []
    elif how == "forgotten":
        batches = iter(loader)
        next(batches)
        del batches
    else:
        assert len(list(loader)) == 13
    assert not threads()


@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_a_data_loader_around_it_is_told_to_be_left_out(bank, batch_size: int | None) -> None:
    loader = bank.loader(batch_size=32)
    words = "it is the loader: expected a loop over it, found the index 0 .*iterate over it directly"
    with pytest.raises(InvalidInput, match=words):
        next(iter(torch.utils.data.DataLoader(loader, batch_size=batch_size)))
    with pytest.raises(InvalidInput, match=words):
        loader[0]
    assert not threads()


def test_a_bank_that_is_closed_under_a_loop_says_so(bank) -> None:
    batches = iter(bank.loader(batch_size=2))
    next(batches)
    bank.close()
    with pytest.raises(InvalidInput, match="this GuideBank is closed"):
        list(batches)
    assert not threads()


def test_workers_render_the_same_pixels(bars, plan, three_guides, own_images) -> None:
    """Images that are not in memory are decoded by processes, as in our own training."""
    with bank_of(three_guides, plan, bars.train) as held, bank_of(three_guides, plan, own_images) as read:
        settings = {"batch_size": 32, "epochs": 1, "seed": 4}
        assert all_same(read.loader(**settings, workers=2), list(held.loader(**settings)))


@pytest.fixture
def own_images(bars):
    """The same training images, but read one by one."""

    class OneByOne(Images):
        def __init__(self) -> None:
            same = bars.train
            super().__init__(
                name=same.name,
                split=same.split,
                classes=same.classes,
                labels_N=same.labels_N,
                channels=1,
                height=8,
                width=8,
            )

        def image(self, sample: int) -> torch.Tensor:
            return bars.train.image(sample)

    return OneByOne()


def test_three_lines_train_as_our_own_loop_does(bank, bars, plan, make_tiny, as_input) -> None:
    """Plain SGD over the loader against `Steps`, which has its own optimiser, learning rate and loss: the same bits."""
    models = [make_tiny(5).train() for _ in range(2)]
    recipe = {"epochs": 2, "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0, "lr_schedule": "constant"}
    network = {"model": models[0], "preprocess": as_input}
    steps = own_training(bank, plan, bars, seed=1, dropping=Dropping(), **network, **recipe)
    for batch in steps.prefetch(0):
        steps.train_step(batch)
    optimizer = torch.optim.SGD(models[1].parameters(), lr=0.1)
    for batch in bank.loader(batch_size=32, epochs=2, seed=1):
        optimizer.zero_grad()
        batch.loss(models[1](as_input(batch.pixels))).backward()
        optimizer.step()
    for one, other in zip(models[0].state_dict().values(), models[1].state_dict().values(), strict=True):
        assert torch.equal(one, other)
