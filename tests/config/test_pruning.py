"""[pruning] and sparsities: what counts as one, how many weights go, and what its run is called."""

from __future__ import annotations

import pytest

from dgkd_cache.config.pruning import PruningConfig, parse_sparsity, removed_weights, sparsity_name
from dgkd_cache.errors import InvalidInput


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("0.5", 0.5), (".95", 0.95), ("5e-1", 0.5), ("-0", 0.0)])
def test_a_sparsity_is_a_number_from_0_to_below_1(text: str, value: float) -> None:
    assert parse_sparsity(text) == value and not str(parse_sparsity(text)).startswith("-")


@pytest.mark.parametrize("text", ["1", "1.5", "-0.1", "nan", "inf", "", "half", "50%", "0,5"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"a sparsity is wrong.*from 0 to below 1") as caught:
        parse_sparsity(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("sparsity", "weights", "removed"),
    [(0.0, 7, 0), (0.5, 7, 4), (0.5, 5, 2), (0.29, 100, 29), (0.57, 100, 57), (0.1, 10, 1), (0.999, 3, 3)],
)
def test_how_many_weights_are_removed(sparsity: float, weights: int, removed: int) -> None:
    """In decimals: 0.29 x 100 is 28.999999999999996 in binary; of 3.5 and 2.5 the even neighbour."""
    assert removed_weights(sparsity, weights) == removed


@pytest.mark.parametrize(
    ("sparsity", "name"),
    [(0.0, "s0"), (0.5, "s50"), (0.8, "s80"), (0.05, "s5"), (0.95, "s95"), (0.975, "s97_5"), (0.9999, "s99_99")],
)
def test_the_name_of_a_sparsity_is_in_per_cent(sparsity: float, name: str) -> None:
    assert sparsity_name(sparsity) == name


def test_names_differ_where_sparsities_do() -> None:
    tried = [0.29, 0.57, 0.123456, 0.1234567, 0.58, 0.07, 0.070001, 1e-6, 1e-7]
    names = [sparsity_name(sparsity) for sparsity in tried]
    assert len(set(names)) == len(tried) and all(set(name) <= set("s0123456789_") for name in names), names


def test_the_published_settings_are_the_default() -> None:
    assert PruningConfig() == PruningConfig(criterion="guided", steps=100, batch_size=128, standardize=True)
