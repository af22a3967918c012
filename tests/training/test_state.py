"""The running sums of an epoch: means by plain arithmetic, over ranks, and after they were saved and restored."""

from __future__ import annotations

import json

import pytest
import torch
from pydantic import ValidationError

from dgkd_cache.distillation.objectives import GuidanceLoss
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.training.state import RunState, SavedState

CPU = torch.device("cpu")
BATCHES = [((1.5, 1.0, 0.5), 3, 4), ((0.5, 0.25, 2.0), 2, 2), ((8.0, 4.0, 1.0), 0, 1)]
"""(loss, ce, kl), correct answers, samples: the means over the samples are those of `EXPECTED`."""

EXPECTED = {"loss": 15 / 7, "ce": 8.5 / 7, "kl": 7 / 7, "train_accuracy": 5 / 7}


def loss_of(values: tuple[float, float, float]) -> GuidanceLoss:
    loss, ce, kl = (torch.tensor(value) for value in values)
    return GuidanceLoss(loss=loss, ce=ce, kl=kl)


def after(batches: list[tuple[tuple[float, float, float], int, int]]) -> RunState:
    state = RunState(CPU)
    for values, correct, samples in batches:
        state.add(loss_of(values), torch.tensor(correct), samples, counted=samples)
    return state


def test_means_weigh_each_batch_by_its_samples() -> None:
    state = after(BATCHES)
    assert state.means(ALONE) == pytest.approx(EXPECTED)
    assert state.mean_loss() == pytest.approx(15 / 7)
    assert state.loss_over_ce() == pytest.approx(15 / 8.5)
    state.reset()
    assert (state.mean_loss(), state.loss_over_ce()) == (0.0, 1.0)


def test_a_batch_that_every_rank_took_counts_once() -> None:
    state = after(BATCHES[:1])
    state.add(loss_of((100.0, 100.0, 100.0)), torch.tensor(4), 4, counted=0)
    assert state.means(ALONE) == pytest.approx({"loss": 1.5, "ce": 1.0, "kl": 0.5, "train_accuracy": 3 / 4})


def test_a_restored_state_goes_on_as_the_one_that_was_saved() -> None:
    state = after(BATCHES[:2])
    state.step, state.seconds = 7, 1.25
    state.best = {"epoch": 1, "samples": 20, "accuracy": 0.5, "loss": 1.0}
    saved = SavedState.model_validate(json.loads(json.dumps(state.to_json(ALONE))))
    other = RunState(CPU)
    other.restore(saved, ALONE)
    assert (other.step, other.seconds, other.best, other.last) == (7, 1.25, state.best, None)
    values, correct, samples = BATCHES[2]
    other.add(loss_of(values), torch.tensor(correct), samples, counted=samples)
    assert other.means(ALONE) == pytest.approx(EXPECTED)


def test_on_another_number_of_ranks_the_first_has_all_the_sums() -> None:
    rows = [after([batch]).to_json(ALONE)["sums"][0] for batch in BATCHES]
    saved = SavedState(step=1, seconds=0.0, best=None, last=None, sums=rows)
    for rank in range(2):
        state = RunState(CPU)
        state.restore(saved, Ranks(rank=rank, world=2))
        assert state.mean_loss() == pytest.approx(15 / 7 if rank == 0 else 0.0)
    for rank, (values, _, _) in enumerate(BATCHES):
        state = RunState(CPU)
        state.restore(saved, Ranks(rank=rank, world=3))
        assert state.mean_loss() == pytest.approx(values[0])


@pytest.mark.parametrize("changes", [{"step": -1}, {"sums": []}, {"seconds": float("nan")}, {"more": 1}])
def test_what_no_run_saved_is_refused(changes: dict[str, object]) -> None:
    state = after(BATCHES).to_json(ALONE)
    SavedState.model_validate(state)
    with pytest.raises(ValidationError):
        SavedState.model_validate(state | changes)
