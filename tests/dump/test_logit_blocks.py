"""Blocks of given logits: their order, where an iterator is begun, and what is said of one that ends or goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dgkd_cache.dump.logit_blocks import AskedFor, AskedForTests, BlockOrder, Iterated
from dgkd_cache.errors import InvalidInput
from dgkd_stores import ChunkSlot

ORDER = BlockOrder(views=range(2, 4), samples=10, batch=4)
BLOCKS = [ChunkSlot(view, start, min(start + 4, 10)) for view in (2, 3) for start in (0, 4, 8)]


def test_blocks_go_by_views_and_samples() -> None:
    found = [ORDER.first]
    while (block := ORDER.after(found[-1])) is not None:
        found.append(block)
    assert found == BLOCKS
    assert ORDER.of(ChunkSlot(3, 0, 10)) == BLOCKS[3:]
    assert ORDER.of(ChunkSlot(2, 3, 5)) == BLOCKS[:2] and ORDER.of(ChunkSlot(2, 4, 8)) == [BLOCKS[1]]


@pytest.mark.parametrize(
    ("place", "block"),
    [((2, 0), None), ((2, 1), 0), ((2, 4), 0), ((2, 5), 1), ((2, 9), 2), ((3, 0), 2), ((3, 4), 3), ((4, 0), 5)],
)
def test_the_block_before_a_place(place: tuple[int, int], block: int | None) -> None:
    assert ORDER.begun_before(*place) == (None if block is None else BLOCKS[block])


def begin_at(begun: list[ChunkSlot], until: int = len(BLOCKS)) -> Any:
    def begin(block: ChunkSlot) -> Iterator[int]:
        begun.append(block)
        yield from range(BLOCKS.index(block), until)

    return begin


def test_an_iterator_is_begun_where_the_next_block_is_not_the_one_after_the_last() -> None:
    begun: list[ChunkSlot] = []
    blocks = Iterated(begin_at(begun), ORDER, what="guide 'a'")
    assert [blocks.read(BLOCKS[at]) for at in (1, 2, 3, 5, 0, 1)] == [1, 2, 3, 5, 0, 1]
    assert begun == [BLOCKS[1], BLOCKS[5], BLOCKS[0]]
    blocks.close()
    assert blocks.read(BLOCKS[2]) == 2 and begun[-1] == BLOCKS[2]


def test_an_iterator_that_is_left_is_closed() -> None:
    closed: list[int] = []

    def begin(block: ChunkSlot) -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            closed.append(block.start)

    blocks = Iterated(begin, ORDER, what="guide 'a'")
    for at in (0, 1, 4):
        blocks.read(BLOCKS[at])
    assert closed == [0]
    blocks.close()
    assert closed == [0, 4]


def test_an_iterator_that_ends_too_early() -> None:
    blocks = Iterated(begin_at([], until=2), ORDER, what="guide 'a'")
    blocks.read(BLOCKS[0]), blocks.read(BLOCKS[1])
    with pytest.raises(InvalidInput) as caught:
        blocks.read(BLOCKS[2])
    assert str(caught.value).startswith(
        "the iterator of guide 'a' ends too early: expected logits of view 2, samples 8 to 9, and so on to the end of "
        "view 3, found no more items; yield an array (B, C) for each block"
    )


def test_an_iterator_that_gives_too_much_is_told_at_the_last_block() -> None:
    blocks = Iterated(begin_at([], until=7), ORDER, what="guide 'a'")
    assert [blocks.read(block) for block in BLOCKS[3:5]] == [3, 4]
    with pytest.raises(
        InvalidInput, match="gives too much: expected nothing after the logits of view 3, samples 8 to 9"
    ):
        blocks.read(BLOCKS[5])
    whole = Iterated(begin_at([]), ORDER, what="guide 'a'")
    assert [whole.read(block) for block in (*BLOCKS[4:], *BLOCKS[4:])] == [4, 5, 4, 5]


@pytest.mark.parametrize("begun", [None, 3, np.float32(1.0)])
def test_what_is_no_iterator(begun: object) -> None:
    blocks = Iterated(lambda block: begun, ORDER, what="guide 'a'")  # type: ignore[arg-type, return-value]
    with pytest.raises(
        InvalidInput, match="cannot be begun: expected .* found .*, returned for view 2, samples 0 to 3"
    ):
        blocks.read(BLOCKS[0])


def test_a_function_gets_view_and_samples() -> None:
    blocks = AskedFor(lambda view, samples_B: (view, samples_B.tolist(), samples_B.dtype))
    assert blocks.read(BLOCKS[2]) == (2, [8, 9], np.int64)
    of_tests = AskedForTests(lambda samples_B: samples_B.tolist())
    assert of_tests.read(BLOCKS[0]) == [0, 1, 2, 3] and of_tests.describe(BLOCKS[0]) == "test samples 0 to 3"


def test_an_error_of_the_program_goes_through_with_a_note() -> None:
    class Broken(Exception):
        pass

    def fail(*_: object) -> Any:
        raise Broken("no connection")

    def fails_later(block: ChunkSlot) -> Iterator[int]:
        yield 1
        fail()

    later = Iterated(fails_later, ORDER, what="guide 'a'")
    later.read(BLOCKS[0])
    for blocks, block in ((AskedFor(fail), 1), (Iterated(fail, ORDER, what="x"), 1), (later, 1)):
        with pytest.raises(Broken) as caught:
            blocks.read(BLOCKS[block])
        assert str(caught.value) == "no connection"
        assert caught.value.__notes__ == [
            "(raised while the logits of view 2, samples 4 to 7 were asked for; what is written is kept, and the same "
            "dump goes on from there)"
        ]
