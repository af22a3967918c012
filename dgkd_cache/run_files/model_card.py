"""ModelCard: the record of a finished run: architecture, data, training and accuracy. Loads no torch."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from dgkd_cache.errors import Damaged
from dgkd_cache.paths import CARD_FILE
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_cache.run_files.run_card import read_card
from dgkd_stores.arguments import as_path

__all__ = ["ADOPTED", "PRUNING", "TRAIN_AGAIN", "ModelCard", "load_card"]

ADOPTED = "adopted"
"""The method, in `training` of a card, of a model that was trained elsewhere."""

PRUNING = "pruning"
"""The key, in `training` of a card, of how a model was pruned."""

TRAIN_AGAIN = "restore it from a copy, or train the model again with --fresh (what is there is set aside)"
"""The hint of errors about a file of a finished run that is lost or damaged."""


class ModelCard(BaseModel):
    """A trained model: its architecture, its data and training, and its accuracy.

    Raises pydantic's ValidationError for values of another kind; `load_model` says what is wrong with a file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["dgkd-model-card"] = "dgkd-model-card"
    """The name of the format."""
    version: Literal[1] = 1
    """The version of the format."""
    name: str
    """Its name in the chain."""
    architecture: str
    """A name for build_model, or the user's own."""
    channels: int = Field(ge=1, le=2**12)
    """I, the number of channels of the views."""
    classes: tuple[str, ...] = Field(min_length=1)
    """The names of the C classes, in the order of the logits."""
    height: int = Field(ge=1, le=2**16)
    """The height of the views in pixels; the network sees `preprocess.network_size(height, width)`."""
    width: int = Field(ge=1, le=2**16)
    """The width of the views in pixels."""
    parameters: int = Field(ge=0)
    """The number of elements of all parameters."""
    preprocess: Preprocess
    """The steps from the pixels of a view to the input of the network."""
    dataset: dict[str, str]
    """The name and the digest of the data set."""
    plan_digest: str
    """The digest of the view plan; empty if none was used."""
    views: dict[str, JsonValue]
    """The views that it was trained on."""
    training: dict[str, JsonValue]
    """The method, the objective, the recipe and the seed."""
    guides: dict[str, str] = Field(default_factory=dict)
    """The seal of the store of each guide, by name."""
    accuracy: dict[str, str] = Field(default_factory=dict)
    """A decimal fraction for each split."""
    weights_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the weights, in 64 hex digits."""
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """The wall time of the training, in seconds."""
    compute: dict[str, JsonValue] = Field(default_factory=dict)
    """The device, the precision and the versions of libraries."""
    inputs_digest: str = ""
    """SHA-256 (hex) of everything that the training depends on; a run with another one is stale."""

    @property
    def adopted(self) -> bool:
        """True if the model was trained elsewhere; `training` then has the origin of its weights."""
        return self.training.get("method") == ADOPTED

    @property
    def pruned(self) -> bool:
        """True if weights of the model were removed; `training` then says under "pruning" how many each layer keeps."""
        return PRUNING in self.training


def load_card(folder: os.PathLike[str] | str) -> ModelCard:
    """Returns the card of the finished model in `folder`.

    Raises Incomplete (exit 3) if there is none, Damaged (exit 12) if it is not a card of this version or has changed
    since it was written, Mismatch (exit 13) for a card of another format or version, and UnsafeStore (exit 15) if it is
    not a regular file.
    """
    folder = as_path("load_card", "folder", folder)
    path = folder / CARD_FILE
    try:
        return ModelCard.model_validate(read_card(folder).model)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise Damaged(
            f"{path} is not a card as this version writes it",
            expected=f"the keys {', '.join(ModelCard.model_fields)}",
            found="; ".join(problems[:5])[:1000],
            do=TRAIN_AGAIN,
        ) from error
