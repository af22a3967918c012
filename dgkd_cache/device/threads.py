"""Threads of torch's own work: one for a block, or for training on images too small to share.

The number changes the last bits of a sum, so it follows from the work and never from the load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

__all__ = ["SMALL_PIXELS", "one_thread", "threads_for"]

SMALL_PIXELS = 2**14
"""Pixels of a batch (B * H * W) up to which one thread trains.

Measured with batches of 128 on two cores: one thread takes 0.6 (plain2) to 1.2 times (resnet26) as long as two at 8x8
pixels, and 1.3 times at 16x16. With one core busy, two threads take three times as long at 8x8 and one hardly longer.
"""


@contextmanager
def one_thread() -> Iterator[None]:
    """For this thread, and for new ones, which take the number that holds when they first compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(pixels: int, device: torch.device, environment: Mapping[str, str]) -> AbstractContextManager[None]:
    """The threads to train batches of so many pixels with; OMP_NUM_THREADS in the environment stands."""
    small = device.type == "cpu" and pixels <= SMALL_PIXELS and "OMP_NUM_THREADS" not in environment
    return one_thread() if small else nullcontext()
