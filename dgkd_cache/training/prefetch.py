"""The feed of each step: pixels, and the kept guides' rows, read steps ahead on a thread of its own.

There, blocks of rows are checked and what lies on disk is waited for while the processor or GPU computes: hashing and
the system's reading hold no lock of Python. What comes out is the same whoever reads, and when.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from dgkd_cache.device.cores import every_core
from dgkd_cache.guides.protocol import Softened
from dgkd_cache.views.stream import Batch, Pairs

__all__ = ["AHEAD", "FAR", "prefetch"]

AHEAD = 8
"""Steps whose guide rows are in memory at a time."""

FAR = 256
"""Steps whose guide rows are expected from the disk at a time."""

_EXPECTED_AT_ONCE = 4


def prefetch(
    pairs: Iterator[Pairs],
    *,
    render: Callable[[Iterator[Pairs]], Iterator[Batch]],
    begin: Callable[[int, Pairs], Softened] | None,
    expect: Callable[[Pairs], None] | None = None,
) -> Generator[tuple[Batch, Tensor | None]]:
    """(the batch, its softened logits (K, B, C)) for each of `pairs`, in order; None in their place without `begin`.

    `begin` is told how many steps came before, from 0. What it raises is raised at its step, after the earlier ones.
    `expect` is told of `pairs` long before they are begun: where it can, it has the disk read them.
    """
    if begin is None:
        for batch in render(pairs):
            yield batch, None
        return
    rendered, read = itertools.tee(pairs)
    later: Iterator[Pairs] = iter(())
    if expect is not None:  # an iterator that nobody reads would keep all pairs of the run
        read, later = itertools.tee(read)
    numbered, lead = enumerate(read), 0
    begun: deque[Future[Softened]] = deque()
    thread = ThreadPoolExecutor(1, thread_name_prefix="dgkd-guides", initializer=every_core)
    try:
        for batch in render(rendered):
            begun.extend(thread.submit(begin, *one) for one in itertools.islice(numbered, AHEAD - len(begun)))
            if expect is not None:
                # A few at a time: reading for the next step does not wait for all of them.
                soon = list(itertools.islice(later, min(_EXPECTED_AT_ONCE, FAR - lead)))
                for one in soon:
                    thread.submit(expect, one)
                lead += len(soon) - 1
            yield batch, begun.popleft().result()(batch)
    finally:
        thread.shutdown(cancel_futures=True)
