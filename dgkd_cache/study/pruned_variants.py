"""Variants whose students are pruned: what is refused before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping

from dgkd_cache.config.pruning import parse_sparsity
from dgkd_cache.config.workspace_config import WorkspaceConfig
from dgkd_cache.errors import InvalidInput
from dgkd_cache.study.variant_keys import OF_IMPORTANCE

__all__ = ["refuse_wrong_pruning", "sparsity_of"]


def sparsity_of(name: str, changes: Mapping[str, object]) -> float:
    """Returns the sparsity of a variant, 0 without one. Raises InvalidInput unless it is a number in [0, 1)."""
    value = changes.get("sparsity", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(
            f"sparsity of the variant {name}", expected="a number from 0 to below 1", found=repr(value)[:80]
        )
    try:
        return parse_sparsity(repr(value))
    except InvalidInput as error:
        raise InvalidInput(f"sparsity of the variant {name}", expected=error.expected, found=error.found) from error


def refuse_wrong_pruning(name: str, changes: Mapping[str, object], config: WorkspaceConfig) -> None:
    """Raises InvalidInput for keys of pruning that lack each other, or do not fit `config`, the variant's settings."""
    own = [key for key in ("sparsity", *OF_IMPORTANCE) if key in changes]
    if "prunes" not in changes and own:
        raise InvalidInput(
            f"the variant {name} prunes nothing",
            expected=f"prunes, the variant whose student is pruned, for {', '.join(own)}",
            found=", ".join(f"{key} = {changes[key]!r}" for key in own),
            do=f'add prunes = "VARIANT", or leave out {", ".join(own)}',
        )
    if "prunes" not in changes:
        return
    if "sparsity" not in changes:
        raise InvalidInput(
            f"the variant {name} lacks a sparsity",
            expected=f"the share of weights that is removed, beside prunes = {changes['prunes']!r}",
            found="none",
            do="add sparsity = 0.8, or another number from 0 to below 1",
        )
    if "input_size" in changes:
        raise InvalidInput(
            f"the variant {name} cannot set input_size",
            expected=f"the input size of {changes['prunes']}, whose student it prunes",
            found=f"input_size = {changes['input_size']!r}",
            do="leave input_size out",
        )
    settings = config.distillation
    if config.pruning.criterion == "guided" and (settings.method == "scratch" or not settings.lambda_):
        raise InvalidInput(
            f"the variant {name} cannot be pruned by the importance under guides",
            expected='guides with a share in the loss, for criterion = "guided"',
            found='method "scratch"' if settings.method == "scratch" else "lambda = 0",
            do='add criterion = "gradient" or criterion = "magnitude" to it',
        )
