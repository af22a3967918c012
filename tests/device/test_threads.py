"""The number of threads follows from the work, from the device and from what the user says, and from nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from dgkd_cache.device.threads import SMALL_PIXELS, one_thread, threads_for

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def three() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("pixels", "device", "environment", "threads"),
    [
        (128 * 8 * 8, CPU, {}, 1),
        (SMALL_PIXELS, CPU, {}, 1),
        (SMALL_PIXELS + 1, CPU, {}, 3),
        (128 * 32 * 32, CPU, {}, 3),
        (128 * 8 * 8, CPU, {"OMP_NUM_THREADS": "3"}, 3),
        (128 * 8 * 8, torch.device("cuda"), {}, 3),
    ],
)
def test_threads_of_training(pixels: int, device: torch.device, environment: dict[str, str], threads: int) -> None:
    with threads_for(pixels, device, environment):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 3


def test_a_busy_machine_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 99.0, 99.0))
    with threads_for(SMALL_PIXELS + 1, CPU, {}):
        assert torch.get_num_threads() == 3


def test_one_thread_ends_with_its_block_whatever_is_raised() -> None:
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == 3
