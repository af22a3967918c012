"""Batches side by side: in order, one thread each, and a store of the same bytes on any number of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dgkd_cache.dump.parallel_batches import forward_parallel

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


def test_as_many_at_once_as_there_are_threads_and_each_has_one() -> None:
    meeting = threading.Barrier(3, timeout=60)
    threads: set[int] = set()

    def forward(batch: Tensor) -> Tensor:
        meeting.wait()  # broken, unless three come
        threads.add(torch.get_num_threads())
        return batch * 2

    made = forward_parallel(forward, (torch.full((4,), number) for number in range(9)), device=CPU)
    assert [batch.tolist() for batch in made] == [[2 * number] * 4 for number in range(9)]
    assert threads == {1} and torch.get_num_threads() == 3


def test_large_batches_are_fewer_at_once() -> None:
    rendered = 0

    def batches() -> Iterator[Tensor]:
        nonlocal rendered
        for _ in range(8):
            rendered += 1
            yield torch.zeros(16)

    for done, _ in enumerate(forward_parallel(torch.neg, batches(), device=CPU, most_bytes=16 * 4 + 3), start=1):
        assert rendered <= done + 1
    assert done == rendered == 8


def test_an_error_comes_out_and_the_threads_are_given_back() -> None:
    def forward(batch: Tensor) -> Tensor:
        if batch[0] == 4:
            raise ValueError("no fours")
        return batch

    with pytest.raises(ValueError, match="no fours"):
        list(forward_parallel(forward, (torch.full((2,), number) for number in range(9)), device=CPU))
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_number_of_threads_is_not_in_the_store(dump: Callable[..., Path], tmp_path: Path, precision: str) -> None:
    """A classifier of 100 hidden values: alone, its matrix products differ in the last bit from four threads on."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hidden = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 4)).eval()
    made = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        path = dump(tmp_path / str(threads) / "g.zarr", hidden, encoding="float32", precision=precision)
        made.append({str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()})
    assert made[0] == made[1] == made[2]
