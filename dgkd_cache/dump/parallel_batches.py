"""Forwards batches in parallel, one thread each, so that logits have the same bits on any number of cores.

A sum over threads depends on their number: from four on, a float32 classifier of 100 classes gives other last bits
(docs/reliability.md). Threads within a small convolution also wait for one another: on two shared cores, resnet26 takes
4.3 s of CPU time for four batches of 512 this way, and 7.5 s with two threads in each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

import torch

from dgkd_cache.device.threads import one_thread

__all__ = ["IN_FLIGHT_BYTES", "forward_parallel"]


class Sized(Protocol):
    """A batch, or what has one: it says how many numbers its pixels are."""

    def numel(self) -> int:
        """Returns the number of elements."""


Given = TypeVar("Given")
Batch = TypeVar("Batch", bound=Sized)

IN_FLIGHT_BYTES = 2**31
"""Maximum bytes of batches in float32: 341 of 512 CIFAR images, 6 of 512 photographs; activations are extra."""


def forward_parallel(
    forward: Callable[[Batch], Given],
    batches: Iterable[Batch],
    *,
    device: torch.device,
    most_bytes: int = IN_FLIGHT_BYTES,
) -> Iterator[Given]:
    """Yields `forward` of each batch, in order; on a CPU as many at once as torch's threads and `most_bytes` allow."""
    workers = torch.get_num_threads() if device.type == "cpu" else 1
    if workers == 1:
        yield from map(forward, batches)
        return
    running: deque[Future[Given]] = deque()
    with one_thread(), ThreadPoolExecutor(workers) as pool:
        for batch in batches:
            running.append(pool.submit(forward, batch))
            # One more than workers: the next batch is rendered while they work.
            if len(running) > min(workers, most_bytes // (4 * batch.numel() + 1)):
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
