"""Views for torch's DataLoader: a data set keyed by (view, sample), and the batch sampler of such keys.

The data set has no epoch state, so persistent workers also render exactly the requested views.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from dgkd_cache.errors import InvalidInput
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer, require_images
from dgkd_cache.views.schedule import Schedule
from dgkd_stores.arguments import describe_value, integers, refusal, require_integer, require_kind

if TYPE_CHECKING:
    from dgkd_cache.datasets.images import Images

__all__ = ["Item", "Pair", "ViewDataset", "ViewSampler"]

Pair = tuple[int, int]  # view, sample
Item = tuple[Tensor, int, int, int] | tuple[Tensor, int, int, int, int, float]
"""Pixels, label, view, sample; where the plan mixes samples, also the partner's label and the share of the label."""


class ViewDataset(Dataset[Item]):
    """A data set for a DataLoader with ViewSampler: (view, sample) -> (uint8 [I, H, W], label, view, sample).

    Where the plan mixes samples, two more values follow: the label of the sample that it is mixed with, and the share
    of its own label, in [0, 1]. The sampler must then have all samples, or those that the plan's `held_out` leaves to
    train on: others would be mixed into them.
    """

    views: ViewRenderer
    """The view plan, bound to the images."""

    def __init__(self, plan: ViewPlan, images: Images) -> None:
        """Raises Mismatch if the images do not match the plan, InvalidInput for arguments of another type.

        Where the plan mixes samples, raises as `ViewRenderer.require_partners`.
        """
        require_kind("ViewDataset", "plan", plan, ViewPlan, expected="a ViewPlan", do="write ViewDataset(plan, images)")
        require_images("ViewDataset", images)
        self.views = ViewRenderer(plan, images)
        self.views.require_partners()

    def __len__(self) -> int:
        return len(self.views.images)

    def __getitem__(self, pair: Pair) -> Item:
        return self.__getitems__([pair])[0]

    def __getitems__(self, pairs: Sequence[Pair]) -> list[Item]:
        """Returns the items of a batch, rendered in one call."""
        for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) != 2 or not all(map(_is_integer, pair)):
                raise InvalidInput(
                    "a view data set is keyed by pairs",
                    expected="(view, sample), two integers",
                    found=describe_value(pair),
                    do="give the DataLoader batch_sampler=ViewSampler(...)",
                )
        views_B, samples_B = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        pixels_BIHW = self.views.pixels(views_B, samples_B)  # refuses samples out of range
        labels_N = self.views.images.labels_N
        columns = [labels_N[samples_B].tolist(), views_B.tolist(), samples_B.tolist()]
        if mixed := self.views.mixed_with(views_B, samples_B):
            partners_B, share_B = mixed
            columns += [labels_N[partners_B].tolist(), share_B.tolist()]
        return list(zip(pixels_BIHW, *columns, strict=True))


class ViewSampler(Sampler[list[Pair]]):
    """A batch sampler of (view, sample) pairs: one epoch's samples in the run's order, each in its scheduled view.

    Call `set_epoch` before every epoch. A run resumed in epoch e after s batches gets the rest of that epoch
    from `set_epoch(e, step=s)`, or from `epoch` and `step` here.
    """

    def __init__(
        self,
        schedule: Schedule,
        random: RunRandom,
        samples: int | npt.ArrayLike,
        batch_size: int,
        *,
        epoch: int = 0,
        step: int = 0,
    ) -> None:
        """`samples` is their number or the int64 ids to train on. Raises InvalidInput if there are none."""
        require_kind("ViewSampler", "schedule", schedule, Schedule, expected="a Schedule")
        require_kind("ViewSampler", "random", random, RunRandom, expected="a RunRandom", do="write RunRandom(seed)")
        require_integer("ViewSampler", "batch_size", batch_size, low=1)
        self._samples_N = _sample_ids(samples)
        schedule.require(self._samples_N)
        self._schedule, self._random, self._batch_size = schedule, random, int(batch_size)
        self.set_epoch(epoch, step=step)

    def set_epoch(self, epoch: int, *, step: int = 0) -> None:
        """Sets the next epoch, from its batch `step` on; raises InvalidInput if there is no such batch."""
        require_integer("ViewSampler", "epoch", epoch, low=0, high=2**63 - 1)
        require_integer("ViewSampler", "step", step, low=0, high=self._batches)
        self._epoch, self._step = int(epoch), int(step)

    def __len__(self) -> int:
        return self._batches - self._step

    def __iter__(self) -> Iterator[list[Pair]]:
        order_N = self._random.order(self._epoch, self._samples_N)
        for views_B, samples_B in self._schedule.batches(self._epoch, order_N, self._batch_size, first=self._step):
            yield list(zip(views_B.tolist(), samples_B.tolist(), strict=True))

    @property
    def _batches(self) -> int:
        return -(-len(self._samples_N) // self._batch_size)


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and -(2**63) <= int(value) < 2**63


def _sample_ids(samples: int | npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Returns the ids to sample from: all below a number, or the given ones."""
    if isinstance(samples, int | np.integer) and not isinstance(samples, bool):
        require_integer("ViewSampler", "samples", samples, low=1)
        return np.arange(samples, dtype=np.int64)
    expected, do = "a number of samples, or at least one of their ids", "write len(images), or train_N"
    ids_N = integers("ViewSampler", "samples", samples, expected=expected, do=do)
    if not len(ids_N):
        raise refusal("ViewSampler", "samples", samples, expected=expected, do=do)
    return ids_N
