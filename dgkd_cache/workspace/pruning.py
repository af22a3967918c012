"""Pruning: which run a model is pruned from, how much of it, and by which importance. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dgkd_cache.config.pruning import PruningConfig, parse_sparsity
from dgkd_cache.errors import InvalidInput
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["Pruning", "importance_samples", "pruning_of", "require_criterion"]

_UNUSED: Mapping[str, tuple[str, ...]] = {
    "guided": (),
    "gradient": ("standardize",),
    "magnitude": ("steps", "batch_size", "standardize"),
}
"""The settings that change nothing under a criterion: they make no run another one."""


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """The finished run `source` with the share `sparsity` of its prunable weights removed, by `settings`."""

    source: str
    """The name of a run of the workspace."""
    sparsity: float
    """In [0, 1)."""
    settings: PruningConfig
    """The importance."""

    @property
    def importance(self) -> dict[str, Any]:
        """The settings that have an effect, by their keys in [pruning]."""
        return self.settings.model_dump(mode="json", exclude=set(_UNUSED[self.settings.criterion]))

    def to_inputs(self, weights: str) -> dict[str, Any]:
        """Returns what a run's record has of it, as nested tables; `weights` is the digest of the source's."""
        return {"pruning": {**self.importance, "sparsity": self.sparsity}, "source": {self.source: weights}}


def pruning_of(ws: Workspace, name: str) -> Pruning | None:
    """Returns how the member `name` of the chain is pruned, by [chain] and [pruning]; None for any other model."""
    member = ws.member(name)
    if member.kind != "pruned":
        return None
    sparsity = parse_sparsity(member.sparsity)
    return Pruning(source=ws.run_name(member.what), sparsity=sparsity, settings=ws.config.pruning)


def importance_samples(ws: Workspace, name: str) -> int:
    """Returns the samples whose gradients the importance of the member `name` takes; 0 for any other model."""
    pruning = pruning_of(ws, name)
    if pruning is None or pruning.settings.criterion == "magnitude":
        return 0
    return pruning.settings.steps * pruning.settings.batch_size


def require_criterion(pruning: Pruning, *, name: str, guided: bool, lambda_: float, do: str = "") -> None:
    """Raises InvalidInput for the criterion `guided` of a run without guides, or in whose loss they have no share.

    `do` says how another criterion is chosen, if not in dgkd.toml.
    """
    if pruning.settings.criterion != "guided" or (guided and lambda_):
        return
    raise InvalidInput(
        f"{name} cannot be pruned by the importance under guides",
        expected="guides with a share in the loss, for pruning.criterion guided",
        found="distillation.lambda = 0" if guided else "no guides",
        do=do or 'set criterion = "gradient" or criterion = "magnitude" in [pruning]',
    )
