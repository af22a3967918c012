"""Reports errors of a user's own network in a forward pass: with their line of code, or what it returned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from dgkd_cache.distributed.ranks import Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_cache.user_code import convert_errors
from dgkd_stores.arguments import describe_value

__all__ = ["network_pass", "require_rows"]


@contextmanager
def network_pass(pixels_BIHW: Tensor, when: str, ranks: Ranks) -> Iterator[None]:
    """Converts errors of a pass over these pixels into InvalidInput; `when` ("in training") is part of the message.

    With several ranks errors are not converted: torch also reports the end of another rank as an error.
    """
    if not ranks.alone:
        yield
        return
    with convert_errors(
        f"the network fails {when}",
        expected=f"a forward pass over a batch as large as this: {describe_value(pixels_BIHW)} before preprocessing",
        do="mend the network where it is yours, and run the same command again",
    ):
        yield


def require_rows(logits: object, batch: int, classes: int | None = None) -> None:
    """Raises InvalidInput unless there is one row for each image, which the check on few images may not show.

    If `classes` is given, each row must have so many numbers.
    """
    fits = isinstance(logits, Tensor) and logits.ndim == 2 and len(logits) == batch
    if not fits or (classes is not None and isinstance(logits, Tensor) and logits.shape[1] != classes):
        raise InvalidInput(
            f"the network does not return one row of logits for each of the {batch} images of a batch",
            expected=f"a tensor [{batch}, {classes or 'classes'}]",
            found=describe_value(logits),
            do="mend its forward pass: it has to take batches of any size",
        )
