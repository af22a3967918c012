"""Sets the number of torch's threads: one for a block, or for training on images too small to share.

The number changes the last bits of a sum, so it depends on the work and never on the load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

__all__ = ["SMALL_PIXELS", "one_thread", "threads_for"]

SMALL_PIXELS = 2**14
"""The largest batch in pixels (B * H * W) that a single thread trains.

Measured with batches of 128 on two cores: one thread takes 0.6 (plain2) to 1.2 times (resnet26) as long as two at 8x8
pixels, and 1.3 times at 16x16. With one core busy, two threads take three times as long at 8x8 and one hardly longer.
"""


@contextmanager
def one_thread() -> Iterator[None]:
    """Sets one thread for this Python thread, and for new ones, which use the number at their first computation."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(pixels: int, device: torch.device, environment: Mapping[str, str]) -> AbstractContextManager[None]:
    """Returns the context that sets the threads for batches of so many pixels; OMP_NUM_THREADS overrides it."""
    small = device.type == "cpu" and pixels <= SMALL_PIXELS and "OMP_NUM_THREADS" not in environment
    return one_thread() if small else nullcontext()
