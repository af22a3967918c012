"""The constants of a preprocessing: as JSON, and what is refused."""

from __future__ import annotations

import pytest

from dgkd_cache.errors import InvalidInput
from dgkd_cache.run_files.preprocess import Preprocess, describe_resizing

CIFAR = Preprocess(mean=("0.4914", "0.4822", "0.4465"), std=("0.247", "0.2435", "0.2616"))


def test_a_resizing_is_described_where_there_is_one() -> None:
    assert [describe_resizing(32, 32, size) for size in (None, 32, 224)] == ["", "", "input 32 -> 224"]
    assert describe_resizing(32, 48, 224) == "input 32x48 -> 224"


def test_goes_through_json_unchanged() -> None:
    text = {"mean": ["0.4914", "0.4822", "0.4465"], "std": ["0.247", "0.2435", "0.2616"], "input_size": None}
    assert CIFAR.model_dump(mode="json") == text
    assert Preprocess.model_validate(text) == CIFAR


@pytest.mark.parametrize(
    ("mean", "std", "size", "message"),
    [
        (["0.5"], ["0.5", "0.5"], None, "found 1 and 2"),
        ([], [], None, "found 0 and 0"),
        (["half"], ["1"], None, "expected a decimal number, found 'half'"),
        (["NaN"], ["1"], None, "expected finite means"),
        (["0"], ["0"], None, "used: expected positive standard deviations, found 0; correct"),
        (["0"], ["1"], 0, "greater than or equal to 1"),
    ],
)
def test_nonsense_is_refused(mean: list[str], std: list[str], size: int | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Preprocess.build(mean=mean, std=std, input_size=size)
