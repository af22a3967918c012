"""The state of a training run: the checkpoint's record, and the running sums of the epoch."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dgkd_cache.distillation.objectives import GuidanceLoss
from dgkd_cache.distributed.ranks import Ranks

__all__ = ["RunState", "SavedState"]

Finite = Annotated[float, Field(allow_inf_nan=False)]


class SavedScore(BaseModel):
    """An epoch's score on the validation split."""

    model_config = ConfigDict(extra="forbid")

    epoch: int = Field(ge=0, lt=2**63)
    samples: int = Field(ge=1, lt=2**63)
    accuracy: Finite
    loss: Finite


class SavedState(BaseModel):
    """The state in a checkpoint's record."""

    model_config = ConfigDict(extra="forbid")

    step: int = Field(ge=0, lt=2**63)
    seconds: Finite
    best: SavedScore | None
    last: SavedScore | None
    sums: list[tuple[Finite, Finite, Finite, Finite, Finite]] = Field(min_length=1)
    metrics: str | None = None  # SHA-256 of the lines of earlier epochs; None in a checkpoint from an older version
    inputs: str | None = None  # the digest of the run's inputs, or None as above


class RunState:
    """The step of a run, and this rank's sums of the current epoch (on the device, so that no step waits for them).

    `best` and `last` are the scores of the best and of the last epoch, with its number under "epoch".
    """

    def __init__(self, device: torch.device) -> None:
        self.step = 0
        self.seconds = 0.0
        self.best: dict[str, Any] | None = None
        self.last: dict[str, Any] | None = None
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)  # loss, ce, kl, correct
        self._seen = 0

    def add(self, loss: GuidanceLoss, correct: Tensor, samples: int, *, counted: int) -> None:
        """Adds a step on `samples`, of which this rank counts `counted` in sums over the ranks."""
        if counted:
            means = torch.stack([loss.loss.detach(), loss.ce, loss.kl]).double()
            self._sums[:3] += means * samples
            self._sums[3] += correct
        self._seen += counted

    def mean_loss(self) -> float:
        """Returns the mean loss of this rank."""
        return float(self._sums[0]) / max(self._seen, 1)

    def loss_over_ce(self) -> float:
        """Returns the mean loss of this rank over its mean cross-entropy."""
        loss, ce = self._sums[:2].tolist()
        return loss / ce if ce > 0 else 1.0

    def means(self, ranks: Ranks) -> dict[str, float]:
        """Returns the means over all ranks."""
        *sums, seen = torch.tensor(self._all(ranks), dtype=torch.float64).sum(0).tolist()
        loss, ce, kl, correct = (value / seen for value in sums)
        return {"loss": loss, "ce": ce, "kl": kl, "train_accuracy": correct}

    def reset(self) -> None:
        self._sums.zero_()
        self._seen = 0

    def to_json(self, ranks: Ranks) -> dict[str, Any]:
        """Returns the state from which all ranks continue; all ranks must call it."""
        kept = {"step": self.step, "seconds": self.seconds, "best": self.best, "last": self.last}
        return kept | {"sums": self._all(ranks)}

    def restore(self, saved: SavedState, ranks: Ranks) -> None:
        """Restores the saved state; with another number of ranks the first rank gets all the sums."""
        self.step, self.seconds = saved.step, saved.seconds
        self.best = saved.best.model_dump() if saved.best else None
        self.last = saved.last.model_dump() if saved.last else None
        rows = torch.tensor(saved.sums, dtype=torch.float64)
        if len(rows) != ranks.world:
            rows = torch.cat([rows.sum(0, keepdim=True), torch.zeros(ranks.world - 1, 5, dtype=torch.float64)])
        self._sums.copy_(rows[ranks.rank, :4])
        self._seen = int(rows[ranks.rank, 4])

    def _all(self, ranks: Ranks) -> list[list[float]]:
        """Returns each rank's sums, followed by its number of samples."""
        mine = torch.cat([self._sums.cpu(), torch.tensor([float(self._seen)], dtype=torch.float64)])
        return [row.tolist() for row in ranks.all_gather(mine)]
