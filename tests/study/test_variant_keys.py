"""Keys of variants: each stands for one that dgkd.toml has, and an unknown one is refused with the nearest."""

from __future__ import annotations

import pytest

from dgkd_cache.config.workspace_config import WorkspaceConfig
from dgkd_cache.errors import InvalidInput
from dgkd_cache.study.variant_keys import OF_IMPORTANCE, OF_STORES, OF_STUDENT, key_in_file


def keys_of_file(ws_dict: dict[str, object]) -> set[str]:
    return {f"{table}.{key}" for table, keys in ws_dict.items() if isinstance(keys, dict) for key in keys}


def test_all_keys_of_pruning_training_and_distillation_have_a_name(ws) -> None:
    config: WorkspaceConfig = ws.config
    there = keys_of_file(config.to_dict())
    short = [*OF_STORES, *OF_IMPORTANCE]
    of_tables = {name.partition(".")[2] for name in there if name.split(".")[0] in ("training", "distillation")}
    found = {key_in_file("x", key) for key in [*short, *(of_tables - {"teacher"})]}
    tables = ("training.", "distillation.", "pruning.")
    # `views` is the number of views; fresh views, which training.views could set, have no guides to compare.
    without = {"training.teacher", "training.views"}
    assert {name for name in found if name.startswith(tables)} == {
        name for name in there if name.startswith(tables) and name not in without
    }
    assert found >= {"views.count", "cache.encoding", "cache.draws"}


def test_a_name_in_two_tables_is_that_of_the_training() -> None:
    assert key_in_file("x", "batch_size") == "training.batch_size"
    assert key_in_file("x", "pruning.batch_size") == "pruning.batch_size"
    assert key_in_file("x", "standardize") == "distillation.standardize"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("pruning.step", "pruning.steps"), ("draw", "draws"), ("sparsty", "sparsity"), ("prune", "prunes")],
)
def test_an_unknown_key_is_refused_with_the_nearest(key: str, nearest: str) -> None:
    with pytest.raises(InvalidInput, match=f"unknown key '{key}' of the variant x: .*did you mean '?{nearest}"):
        key_in_file("x", key)
    assert "sparsity" in OF_STUDENT
