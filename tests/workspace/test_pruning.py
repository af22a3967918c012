"""The settings of a pruning in a record, and the criterion that needs guides."""

from __future__ import annotations

import pytest

from dgkd_cache.config.pruning import PruningConfig
from dgkd_cache.errors import InvalidInput
from dgkd_cache.workspace.pruning import Pruning, require_criterion
from dgkd_cache.workspace.run_inputs import flatten


def pruning(criterion: str) -> Pruning:
    return Pruning(source="ta1", sparsity=0.5, settings=PruningConfig.model_validate({"criterion": criterion}))


@pytest.mark.parametrize(
    ("criterion", "keys"),
    [
        ("guided", {"criterion", "sparsity", "steps", "batch_size", "standardize"}),
        ("gradient", {"criterion", "sparsity", "steps", "batch_size"}),
        ("magnitude", {"criterion", "sparsity"}),
    ],
)
def test_a_record_has_the_source_and_what_has_an_effect(criterion: str, keys: set[str]) -> None:
    found = flatten(pruning(criterion).to_inputs("ab" * 32))
    assert set(found) == {"source.ta1", *(f"pruning.{key}" for key in keys)}
    assert (found["source.ta1"], found["pruning.sparsity"]) == (f'"{"ab" * 32}"', "0.5")


def test_importance_under_guides_needs_guides_with_a_share() -> None:
    for criterion in ("gradient", "magnitude"):
        require_criterion(pruning(criterion), name="x", guided=False, lambda_=0.0)
    require_criterion(pruning("guided"), name="x", guided=True, lambda_=0.1)
    with pytest.raises(InvalidInput, match=r"found no guides; set criterion = \"gradient\" or criterion") as caught:
        require_criterion(pruning("guided"), name="x", guided=False, lambda_=0.5)
    assert caught.value.exit_code == 2
    with pytest.raises(InvalidInput, match=r"found distillation.lambda = 0; raise it"):
        require_criterion(pruning("guided"), name="x", guided=True, lambda_=0.0, do="raise it")
