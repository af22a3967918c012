"""Prefetches the pixels and the kept guides' rows of each step on a separate thread.

That thread checks blocks of rows and waits for the disk while the CPU or GPU computes: hashing and reading release
Python's lock. The result does not depend on the thread or its timing.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from dgkd_cache.device.cores import every_core
from dgkd_cache.views.stream import Batch, Pairs

__all__ = ["AHEAD", "FAR", "prefetch"]

AHEAD = 8
"""Number of steps whose guide rows are in memory."""

FAR = 256
"""Number of steps whose guide rows are requested from the disk in advance."""

_EXPECTED_AT_ONCE = 4

_Read = TypeVar("_Read")


def prefetch(
    pairs: Iterator[Pairs],
    *,
    render: Callable[[Iterator[Pairs]], Iterator[Batch]],
    begin: Callable[[int, Pairs], _Read],
    expect: Callable[[Pairs], None] | None = None,
) -> Generator[tuple[Batch, _Read]]:
    """Yields (batch, the result of `begin`) for each of `pairs`, in order.

    `begin` gets the number of earlier steps, from 0. Its errors are raised at its step, after the earlier ones.
    `expect` gets `pairs` long before they are begun, so that it can start reading from the disk. Closing the generator
    ends its thread.
    """
    rendered, read = itertools.tee(pairs)
    later: Iterator[Pairs] = iter(())
    if expect is not None:  # an unread iterator would keep all pairs of the run
        read, later = itertools.tee(read)
    numbered, lead = enumerate(read), 0
    begun: deque[Future[_Read]] = deque()
    thread = ThreadPoolExecutor(1, thread_name_prefix="dgkd-guides", initializer=every_core)
    try:
        for batch in render(rendered):
            begun.extend(thread.submit(begin, *one) for one in itertools.islice(numbered, AHEAD - len(begun)))
            if expect is not None:
                # A few at a time, so that reading for the next step does not wait for all of them.
                soon = list(itertools.islice(later, min(_EXPECTED_AT_ONCE, FAR - lead)))
                for one in soon:
                    thread.submit(expect, one)
                lead += len(soon) - 1
            yield batch, begun.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)
