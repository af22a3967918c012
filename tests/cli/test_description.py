"""Descriptions of a run and of a store, by section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.guide_writers import network

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.run_files.model_card import load_card
from dgkd_cli.description import describe_run, describe_store
from dgkd_stores import GuideStore


def test_every_setting_of_a_recipe_stands_in_the_section_of_its_table(teacher: Path) -> None:
    card = load_card(teacher)
    recipes = {TrainingConfig(): "training", DistillationConfig(): "distillation"}
    settings = {key: value for recipe in recipes for key, value in recipe.model_dump(by_alias=True).items()}
    found = describe_run(card.model_copy(update={"training": settings}), teacher, state="stale", why="a \x1b reason")
    for recipe, section in recipes.items():
        names = [name for name, _ in found[section]]
        assert [name for name in names if name != "guides"] == list(recipe.model_dump(by_alias=True))
    assert dict(found["run"])["state"] == "stale: a ? reason"
    assert dict(found["run"])["time"] == "1 min 15 s" and dict(found["training"])["compile"] == "false"


def test_a_store_is_described_by_its_header(three_guides: list[Path]) -> None:
    with GuideStore.open(three_guides[0]) as store:
        found = {title: dict(pairs) for title, pairs in describe_store(store).items()}
        assert found["store"]["seal"] == store.seal
        assert found["computed with"].keys() == store.header.compute.keys()
        assert found["guide"]["name"] == store.header.guide.name
        number, unit = found["encoding"]["KL"].split()
        assert float(number) == pytest.approx(float(str(store.header.fidelity["kl"])), rel=0.06) and unit == "nats"
    assert list(found) == ["store", "guide", "data", "views", "encoding", "computed with"]


def test_what_rows_of_the_largest_logits_keep_is_told(dump: Callable[..., Path], tmp_path: Path) -> None:
    with GuideStore.open(dump(tmp_path / "a.zarr", network(), encoding="topk", topk=2, temperature=0.5)) as store:
        found = dict(describe_store(store)["encoding"])
    assert found["encoding"] == "topk, logits / 0.5" and found["logits in a row"] == "2 of 4, the largest"
    assert found["trains at"] == "temperature 0.5, 1, where the share of all others is known"


def test_smaller_rows_are_offered_where_the_last_layer_is_narrow(teacher: Path) -> None:
    """The card has more classes than the network's 3 inputs twice over; with fewer, nothing is said."""
    weights, card = teacher / "weights.safetensors", load_card(teacher)
    found = {}
    for classes in (7, 6):
        save_file({"fc.weight": np.zeros((classes, 3), np.float32)}, weights)
        named = card.model_copy(update={"classes": tuple(f"c{label}" for label in range(classes))})
        found[classes] = dict(describe_run(named, teacher, state="done", why="")["model"]).get("smaller rows")
        kept = dict(describe_run(named, teacher, state="done", why="", encoding="factored")["model"])
        assert "smaller rows" not in kept, "its store has them already"
    assert found[6] is None
    assert found[7] == (
        '6 B each, and 14 B in float16: encoding = "factored" in [cache], because its last layer has 3 inputs and 7 '
        "outputs"
    )
