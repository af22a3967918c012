"""StepInputs: the pairs, drops, labels and rows of each step, by the counters of the run's seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.banks import bank_of

from dgkd_cache.datasets.split import split_samples
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distributed.ranks import Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.live import LiveGuide, LiveGuides
from dgkd_cache.guides.step_inputs import StepInputs
from dgkd_cache.randomness.philox import Domain
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule

CPU = torch.device("cpu")
RANDOM = RunRandom(5)
SAMPLES_N = np.arange(10, 100)  # 90 samples: 32, 32 and 26 in an epoch
EPOCHS = 3


@pytest.fixture
def inputs_of(bars, plan) -> Callable[..., StepInputs]:
    def make(guidance: Any = None, **settings: Any) -> StepInputs:
        given = {
            "views": ViewRenderer(plan, bars.train),
            "samples_N": SAMPLES_N,
            "schedule": Schedule("cycle", 2, random=RANDOM, samples=100),
            "random": RANDOM,
            "guidance": guidance,
            "dropping": Dropping(keep=0.5),
            "batch_size": 32,
            "order": "shuffled",
            "workers": 0,
            "device": CPU,
        }
        return StepInputs(**{**given, **settings})

    return make


def test_an_epoch_is_one_order_of_the_samples_cut_into_batches(inputs_of) -> None:
    inputs = inputs_of()
    pairs = list(inputs.pairs(0, 9))
    assert inputs.steps_per_epoch == 3
    assert [len(samples_B) for _, samples_B in pairs] == [32, 32, 26] * 3
    for epoch in range(EPOCHS):
        samples_N = np.concatenate([samples_B for _, samples_B in pairs[3 * epoch : 3 * epoch + 3]])
        assert samples_N.tolist() == RANDOM.order(epoch, SAMPLES_N).tolist()
        assert all((views_B == epoch % 2).all() for views_B, _ in pairs[3 * epoch : 3 * epoch + 3])
    assert [inputs.samples_before(step) for step in range(4)] == [0, 32, 64, 90]


@pytest.mark.parametrize(("first", "last"), [(first, last) for last in (4, 5, 9) for first in range(last + 1)])
def test_any_steps_may_be_the_first_and_the_last(inputs_of, first: int, last: int) -> None:
    inputs = inputs_of()
    whole, part = list(inputs.pairs(0, 9)), list(inputs.pairs(first, last))
    assert len(part) == last - first
    for one, other in zip(whole[first:last], part, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_ranks_take_the_batch_of_one_process_between_them(inputs_of) -> None:
    whole = list(inputs_of().pairs(0, 9))
    parts = [list(inputs_of(ranks=Ranks(rank=rank, world=2)).pairs(0, 9)) for rank in range(2)]
    for (_, samples_B), first, second in zip(whole, *parts, strict=True):
        assert np.concatenate([first[1], second[1]]).tolist() == samples_B.tolist()


def test_without_guides_a_batch_has_pixels_and_labels(inputs_of, bars, plan) -> None:
    inputs = inputs_of()
    assert not len(inputs.keep(0))
    for step, batch in enumerate(inputs.prefetch(4, 6), 4):
        views_B, samples_B = list(inputs.pairs(step, step + 1))[0]
        assert (batch.step, batch.epoch, len(batch)) == (step, 1, len(samples_B))
        assert batch.softened.shape == (0, len(batch), 4) and batch.kept.shape == (0,)
        assert batch.views.tolist() == views_B.tolist() and batch.samples.tolist() == samples_B.tolist()
        assert torch.equal(batch.pixels, ViewRenderer(plan, bars.train).pixels(views_B, samples_B))
        assert batch.labels.tolist() == [int(bars.train.labels_N[sample]) for sample in samples_B]
        loss = batch.loss(torch.zeros(len(batch), 4))
        assert float(loss) == pytest.approx(np.log(4))


@pytest.mark.parametrize("mixing", ["mixup(0.4)", "cutmix"])
def test_batches_of_mixed_views_have_both_labels_and_the_share_of_the_first(inputs_of, bars, mixing: str) -> None:
    plan = ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)", mixing], held_out=10)
    views, (train_N, held_N) = ViewRenderer(plan, bars.train), split_samples(100, 10)
    inputs = inputs_of(views=views, samples_N=train_N)
    for batch in inputs.prefetch(0, 3):
        partners_B, share_B = views.mixed_with(batch.views, batch.samples)
        assert not np.isin(partners_B, held_N).any()
        assert batch.partner_labels.tolist() == bars.train.labels_N[partners_B].tolist()
        assert batch.label_share.dtype == torch.float32
        assert batch.label_share.tolist() == share_B.astype(np.float32).tolist()
        log_p_BC = torch.randn(len(batch), 4, generator=torch.Generator().manual_seed(1)).log_softmax(1)
        rows = torch.arange(len(batch))
        own_B, other_B = -log_p_BC[rows, batch.labels], -log_p_BC[rows, batch.partner_labels]
        expected = (batch.label_share * own_B + (1 - batch.label_share) * other_B).mean()
        assert float(batch.loss(log_p_BC)) == pytest.approx(float(expected), rel=1e-6)
    plain = next(iter(inputs_of().prefetch(0, 1)))
    assert plain.partner_labels is None and plain.label_share is None


def test_a_part_of_the_samples_that_are_mixed_is_refused(inputs_of, bars) -> None:
    """Held out by the user and not by the plan: they would be seen in training."""
    views = ViewRenderer(ViewPlan.build(image=(1, 8, 8), transforms=["mixup"]), bars.train)
    with pytest.raises(InvalidInput, match="mixed with samples that are left out: expected all 100 .*found 90 of them"):
        inputs_of(views=views)
    inputs_of(views=views, samples_N=np.arange(100))


def test_the_guides_of_a_step_are_those_that_its_words_keep(inputs_of, as_input, make_tiny) -> None:
    guides = [LiveGuide(name=name, identity="", preprocess=as_input, model=make_tiny(3)) for name in "ab"]
    inputs = inputs_of(LiveGuides(guides, temperature=2.5, classes=4, device=CPU))
    kept = []
    for step, batch in enumerate(inputs.prefetch(0, 9)):
        words = RANDOM.words(Domain.DROPPING, at=step, count=3)[:2]
        mask = [int(word) < 2**63 for word in words]  # keep = 0.5: the upper bit of the guide's own word
        assert batch.kept.tolist() == inputs.keep(step).tolist() == mask and batch.temperature == 2.5
        assert len(batch.softened) == sum(mask)
        if any(mask):
            with torch.no_grad():
                expected = make_tiny(3)(as_input(batch.pixels)) / 2.5
            assert all(torch.equal(rows_BC, expected) for rows_BC in batch.softened)
        kept.append(sum(mask))
    assert len(set(kept)) > 1
    drawn_again = [inputs.keep(step).tolist() for step in range(9)]
    assert [sum(mask) for mask in drawn_again] == kept


@pytest.mark.parametrize("order", ["shuffled", "blocks"])
@pytest.mark.parametrize("rank", [0, 1])
def test_rows_are_those_of_the_pairs_for_each_rank_and_order(
    inputs_of, bars, plan, three_guides, order: str, rank: int
) -> None:
    ranks = Ranks(rank=rank, world=2)
    with bank_of(three_guides, plan, bars.train) as bank:
        inputs = inputs_of(bank, order=order, ranks=ranks, batch_size=31)  # the last batch of 28 is divided, too
        for batch in inputs.prefetch(2, 5):
            expected = bank.gather(batch.views, batch.samples, inputs.keep(batch.step))
            assert torch.equal(batch.softened, expected)
            assert batch.weight == inputs.share(batch.step).weight
    assert dataclasses.replace(inputs, order="shuffled").steps_per_epoch == 3
