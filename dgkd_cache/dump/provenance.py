"""Provenance: who a guide is and how it came to be, in its maker's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from dgkd_cache.models.registry import count_parameters
from dgkd_cache.models.weights import weights_digest
from dgkd_stores import GuideIdentity, JsonValue
from dgkd_stores.arguments import require_kind

__all__ = ["Provenance"]

_CALL = "Provenance"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The part of a guide's identity that its model does not tell; the store's header checks the texts.

    Raises InvalidInput for a value of another kind.
    """

    name: str
    """The guide's name, 1 to 64 of a-z, 0-9, _ and -."""
    architecture: str = ""
    """The architecture's name; empty: the name of the model's class, or "logits" for a guide without a model."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """The training settings by name, as texts and integers."""
    guides: Mapping[str, str] = field(default_factory=dict)
    """The seals of the guides that it was trained under, by name."""

    def __post_init__(self) -> None:
        require_kind(_CALL, "name", self.name, str, expected="the guide's name, 1 to 64 of a-z, 0-9, _ and -")
        require_kind(_CALL, "architecture", self.architecture, str, expected="text")
        for key in ("training", "guides"):
            require_kind(_CALL, key, getattr(self, key), Mapping, expected="a mapping of texts to values")

    def identity_of(self, model: nn.Module) -> GuideIdentity:
        """Returns the header's entry of the guide, without accuracy. Raises what `weights_digest` raises."""
        digest = weights_digest(model)  # first: it refuses a model that has no weights yet
        return GuideIdentity(
            name=self.name,
            architecture=self.architecture or type(model).__name__,
            parameters=count_parameters(model),
            weights_digest=digest,
            accuracy="",
            training=dict(self.training),
            guides=dict(self.guides),
        )

    def identity_of_logits(self, identity: Mapping[str, JsonValue]) -> GuideIdentity:
        """Returns the header's entry of a guide without weights. Raises what `GuideIdentity.of_logits` raises."""
        return GuideIdentity.of_logits(
            name=self.name,
            identity=identity,
            architecture=self.architecture or "logits",
            training=self.training,
            guides=self.guides,
        )
