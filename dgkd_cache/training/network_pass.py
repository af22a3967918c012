"""A forward pass of the model that is trained: what a network of the user's own raises is told with its line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from dgkd_cache.distributed.ranks import Ranks
from dgkd_cache.user_code import forward_pass_of
from dgkd_stores import described

__all__ = ["network_pass"]


@contextmanager
def network_pass(pixels_BIHW: Tensor, when: str, ranks: Ranks) -> Iterator[None]:
    """Around the pass over these pixels; `when` ("in training") is part of the message. Raises InvalidInput.

    Among several ranks errors stay as they are: the end of another rank is one of torch's, too.
    """
    if not ranks.alone:
        yield
        return
    with forward_pass_of(
        f"the network fails {when}",
        expected=f"a forward pass over a batch as large as this: {described(pixels_BIHW)} before preprocessing",
        do="mend the network where it is yours, and run the same command again",
    ):
        yield
