"""A tiny model with its card, for the tests of models on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from dgkd_cache.errors import DgkdError
from dgkd_cache.models import ModelCard, save_model, weights_digest
from dgkd_cache.models.registry import build_model, count_parameters
from dgkd_cache.run_files.preprocess import Preprocess


def network(seed: int = 0, *, classes: int = 3) -> nn.Module:
    return build_model("plain2", channels=1, classes=classes, height=8, width=8, seed=seed)


def card_of(model: nn.Module, **changes: Any) -> ModelCard:
    fields: dict[str, Any] = {
        "name": "ta1",
        "architecture": "plain2",
        "channels": 1,
        "classes": ("zero", "one", "zwölf"),
        "height": 8,
        "width": 8,
        "parameters": count_parameters(model),
        "preprocess": Preprocess(mean=("0.5",), std=("0.25",)),
        "dataset": {"name": "digits", "digest": "d" * 64},
        "plan_digest": "e" * 64,
        "views": {"kind": "cached", "first": 0, "count": 40},
        "training": {"method": "dgkd", "lambda": "0.5", "epochs": 3, "seed": 0},
        "guides": {"teacher": "f" * 64},
        "accuracy": {"test": "0.8812"},
        "weights_digest": weights_digest(model),
        "seconds": 12.5,
        "compute": {"device": "cpu", "versions": {"torch": "2"}},
        "inputs_digest": "a" * 64,
    }
    return ModelCard(**(fields | changes))


def save_network(folder: Path) -> Path:
    """Save the network and its card; the folder."""
    model = network()
    save_model(folder, model, card_of(model))
    return folder


def refused(error: type[DgkdError], code: int, call: Callable[[], object]) -> str:
    with pytest.raises(error) as caught:
        call()
    assert caught.value.exit_code == code
    return str(caught.value)


def edit(folder: Path, **changes: Any) -> None:
    """Changes a card and takes its digests out, as in a card from before there were any: what else is checked?"""
    path = folder / "card.json"
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    del content["digest"], content["files"]
    path.write_text(json.dumps(content), encoding="utf-8")
