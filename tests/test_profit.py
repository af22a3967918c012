"""What `auto` takes from a measurement, with measurements made up; and the measuring, on a clock that is no clock."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch

from dgkd_cache import compute
from dgkd_cache.compute import choose, resolve_precision
from dgkd_cache.errors import InvalidInput
from dgkd_cache.profit import Combination, Profit, measure_profit

CPU = torch.device("cpu")


def profit(**seconds: float) -> Profit:
    """`float32` and `bf16`, contiguous; `float32_last` and `bf16_last`, channels last."""
    return Profit(
        seconds={
            Combination(precision=name.removesuffix("_last"), channels_last=name.endswith("_last")): value
            for name, value in seconds.items()
        }
    )


@pytest.mark.parametrize(
    ("seconds", "precision", "channels_last"),
    [
        ({"float32": 3, "float32_last": 3, "bf16": 1, "bf16_last": 1}, "bf16", True),
        ({"float32": 3, "float32_last": 3, "bf16": 1, "bf16_last": 1.04}, "bf16", True),  # noise
        ({"float32": 3, "float32_last": 3, "bf16": 1, "bf16_last": 1.06}, "bf16", False),
        ({"float32": 3, "float32_last": 2, "bf16": 1.7, "bf16_last": 1.8}, "float32", True),  # 1.18 is too little
        ({"float32": 3, "float32_last": 2, "bf16": 9, "bf16_last": 1.6}, "bf16", True),
        ({"float32": 2, "float32_last": 3, "bf16": 9, "bf16_last": 9}, "float32", False),
        ({"float32": 2, "float32_last": 1}, "float32", True),  # no bf16
    ],
)
def test_bf16_and_contiguous_have_to_win_by_their_margins(
    seconds: dict[str, float], precision: str, channels_last: bool
) -> None:
    assert profit(**seconds).best() == Combination(precision=precision, channels_last=channels_last)


def test_what_is_given_stands_and_the_rest_is_chosen_beside_it() -> None:
    measured = profit(float32=1, float32_last=3, bf16=2, bf16_last=1)
    assert measured.best() == Combination(precision="float32", channels_last=False)
    assert measured.best(channels_last=True) == Combination(precision="bf16", channels_last=True)
    assert measured.best(precision="bf16") == Combination(precision="bf16", channels_last=True)
    assert profit(float32=1, float32_last=1).best(precision="bf16").channels_last is True


def test_each_combination_counts_by_its_best_round() -> None:
    """A clock read twice around the four steps of a round, in their order, and once before it."""
    rounds = [(4, 3, 2, 5), (6, 2, 2, 1), (5, 9, 7, 8)]

    def clock() -> Iterator[float]:
        now = 0.0
        yield now
        for number, seconds in enumerate(rounds):
            if number == len(rounds):
                yield now
            for each in seconds:
                yield now
                now += each
                yield now
        yield from itertools.repeat(now)

    read = clock()
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    measured = measure_profit(bf16=True, clock=lambda: next(read)).seconds
    assert measured == profit(float32=4, bf16=2, float32_last=2, bf16_last=1).seconds
    assert torch.equal(torch.random.get_rng_state(), before) and torch.get_num_threads() == threads


def test_bf16_is_not_measured_where_it_is_emulated() -> None:
    ticks = itertools.count()
    assert {each.precision for each in measure_profit(bf16=False, clock=lambda: next(ticks)).seconds} == {"float32"}


def test_a_processor_is_measured_once_and_only_for_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "processor_profit", lambda: pytest.fail("measured"))
    assert choose(CPU, precision="bf16", channels_last=False) == Combination(precision="bf16", channels_last=False)
    assert resolve_precision("float32", CPU) == "float32"
    assert resolve_precision("auto", CPU, begun="bf16") == "bf16"
    monkeypatch.setattr(compute, "processor_profit", lambda: profit(float32=2, float32_last=2, bf16=1, bf16_last=1))
    assert resolve_precision("auto", CPU) == resolve_precision("auto", CPU, begun="None") == "bf16"
    with pytest.raises(InvalidInput, match="expected auto, float32 or bf16, found float64"):
        resolve_precision("float64", CPU)


def test_a_gpu_takes_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(compute, "processor_profit", lambda: pytest.fail("measured"))
    for native, precision in ((True, "bf16"), (False, "float32")):
        monkeypatch.setattr(compute, "bf16_is_native", lambda device, native=native: native)
        assert choose(gpu) == Combination(precision=precision, channels_last=True)
        assert choose(gpu, precision="float32", channels_last="auto") == choose(gpu, precision="float32")
        assert choose(gpu, channels_last=False) == Combination(precision=precision, channels_last=False)
