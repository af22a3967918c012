"""Decoded chunks: bounded, ahead on another thread, never unproven, and safe over threads and forks."""

from __future__ import annotations

import gc
import os
import threading
import warnings
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from stores.support.waiting import until

from dgkd_stores import Damaged
from dgkd_stores.reading.chunk_cache import Chunk, DecodedChunks

ROW = 8


def chunk_of(number: int, rows: int = 10) -> Chunk:
    return Chunk(arrays={"logits": np.full((rows, ROW), number, np.uint8)}, proven=np.ones(1, dtype=np.bool_))


class Loader:
    """Loads that are counted, each on its thread; one that is told to wait does so in the thread."""

    def __init__(self) -> None:
        self.loaded: list[tuple[int, bool]] = []
        """Chunk, and whether by the main thread."""
        self.broken: set[int] = set()
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def __call__(self, number: int) -> Chunk:
        ahead = threading.current_thread() is not threading.main_thread()
        self.loaded.append((number, not ahead))
        if ahead:
            self.begun.set()
            assert self.go.wait(60)
        if number in self.broken:
            raise Damaged(f"chunk {number}")
        return chunk_of(number)

    def settle(self, chunks: DecodedChunks) -> None:
        """Wait for what is being decoded."""
        until(lambda: not chunks.begun)


@pytest.fixture
def load() -> Iterator[Loader]:
    loader = Loader()
    yield loader
    loader.go.set()


def value(chunk: Chunk) -> int:
    return int(chunk.arrays["logits"][0, 0])


def test_the_least_recently_used_goes_first() -> None:
    chunks = DecodedChunks(240)

    def use(store: int, number: int, rows: int = 10) -> None:
        chunks.get((store, number), lambda number: chunk_of(number, rows), following=number)

    for number in (0, 1, 2, 0):
        use(0, number)
    use(1, 7)
    assert set(chunks.cache) == {(0, 0), (0, 2), (1, 7)} and chunks.cache.currsize == 240
    chunks.drop(0)
    assert set(chunks.cache) == {(1, 7)} and chunks.cache.currsize == 80
    use(2, 0, rows=1000)
    assert set(chunks.cache) == {(2, 0)}, "a chunk larger than the limit is kept alone"
    use(1, 7)
    assert set(chunks.cache) == {(1, 7)}, "and goes before the next"


def test_the_next_chunk_is_decoded_ahead_on_another_thread(load: Loader) -> None:
    chunks = DecodedChunks(10**6)
    load.go.clear()
    assert value(chunks.get((0, 0), load, following=1)) == 0
    assert load.begun.wait(60)  # The caller has its chunk, and the next one is on its way.
    assert load.loaded == [(0, True), (1, False)]
    load.go.set()
    assert value(chunks.get((0, 1), load, following=2)) == 1
    load.settle(chunks)
    assert load.loaded == [(0, True), (1, False), (2, False)]


def test_only_the_first_use_begins_the_next(load: Loader) -> None:
    chunks = DecodedChunks(10**6)
    for _ in range(5):
        chunks.get((0, 0), load, following=1)
        load.settle(chunks)
    assert load.loaded == [(0, True), (1, False)]
    for _ in range(5):
        chunks.get((0, 1), load, following=0)
        load.settle(chunks)
    assert load.loaded == [(0, True), (1, False)]


def test_nothing_is_lost_when_the_decoding_is_quick(load: Loader) -> None:
    """The thread may be done before its caller has noted that it began: nothing stays behind."""
    chunks = DecodedChunks(10**6)
    for number in range(200):
        chunks.get((0, number), load, following=number + 1)
        if number % 2:
            load.settle(chunks)
    load.settle(chunks)
    assert chunks.begun == {} and sorted({number for number, _ in load.loaded}) == list(range(201))
    assert len(load.loaded) == 201


def test_errors_are_told_to_whoever_asks_for_that_chunk(load: Loader) -> None:
    chunks = DecodedChunks(10**6)
    load.broken = {1}
    assert value(chunks.get((0, 0), load, following=1)) == 0
    load.settle(chunks)
    assert value(chunks.get((0, 0), load, following=1)) == 0 and chunks.begun == {}
    with pytest.raises(Damaged, match="chunk 1"):
        chunks.get((0, 1), load, following=2)
    load.broken.clear()
    assert value(chunks.get((0, 1), load, following=2)) == 1


def test_a_waiting_caller_gets_the_chunk_once(load: Loader) -> None:
    chunks = DecodedChunks(10**6)
    load.go.clear()
    chunks.get((0, 0), load, following=1)
    assert load.begun.wait(60)
    found: list[int] = []
    asking = [
        threading.Thread(target=lambda: found.append(value(chunks.get((0, 1), load, following=1)))) for _ in range(3)
    ]
    for thread in asking:
        thread.start()
    load.go.set()
    for thread in asking:
        thread.join()
    load.settle(chunks)
    assert found == [1, 1, 1] and load.loaded == [(0, True), (1, False)]
    assert chunks.begun == {} and chunks.unused == set()


def test_what_has_not_begun_is_not_waited_for(load: Loader) -> None:
    """The thread is busy with another store: the caller decodes by itself."""
    chunks = DecodedChunks(10**6)
    load.go.clear()
    chunks.get((0, 0), load, following=1)
    assert load.begun.wait(60)
    other = Loader()
    chunks.get((1, 0), other, following=1)
    assert value(chunks.get((1, 1), other, following=1)) == 1
    assert other.loaded == [(0, True), (1, True)]
    load.go.set()
    load.settle(chunks)
    assert other.loaded == [(0, True), (1, True)] and chunks.begun == {}


def test_close_lets_everything_go(load: Loader) -> None:
    chunks = DecodedChunks(10**6)
    first = weakref.ref(chunks.get((0, 0), load, following=1).arrays["logits"])
    chunks.get((7, 0), Loader(), following=0)
    load.settle(chunks)
    second = weakref.ref(chunks.get((0, 1), load, following=2).arrays["logits"])
    chunks.drop(0)
    gc.collect()
    assert first() is None and second() is None
    assert chunks.begun == {} and {key[0] for key in chunks.unused} <= {7}
    assert (7, 0) in chunks.cache and chunks.cache.currsize == 80


def test_close_while_it_is_being_decoded(load: Loader) -> None:
    chunks = DecodedChunks(10**6)
    load.go.clear()
    chunks.get((0, 0), load, following=1)
    assert load.begun.wait(60)
    closing = threading.Thread(target=chunks.drop, args=(0,))
    closing.start()
    load.go.set()
    closing.join()
    assert chunks.begun == {} and chunks.unused == set() and chunks.cache.currsize == 0


def test_memory_is_bounded_in_any_order(load: Loader) -> None:
    """A schedule that draws views asks for every chunk in any order, from three stores."""
    counting, alive, most = threading.RLock(), 0, 0

    def change(by: int) -> None:
        # Looking at one array after the other would count what lives now and what lived a moment ago.
        nonlocal alive, most
        with counting:
            alive += by
            most = max(most, alive)

    def loading(number: int) -> Chunk:
        chunk = chunk_of(number)
        change(1)
        weakref.finalize(chunk.arrays["logits"], change, -1)
        return chunk

    chunks = DecodedChunks(5 * 80)
    rng = np.random.default_rng(0)
    for _ in range(300):
        number = int(rng.integers(0, 40))
        assert value(chunks.get((int(rng.integers(0, 3)), number), loading, following=(number + 1) % 40)) == number
        assert chunks.cache.currsize <= 400
    load.settle(chunks)
    # Five kept, one decoded ahead, one in the caller's hand and one that is being put in its place.
    assert most <= 8


def test_no_thread_to_be_had(load: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    chunks = DecodedChunks(10**6)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert [value(chunks.get((0, number), load, following=number + 1)) for number in range(3)] == [0, 1, 2]
    assert all(by_caller for _, by_caller in load.loaded)


def test_threads_over_one_cache() -> None:
    chunks, wrong = DecodedChunks(3 * 80), []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(400):
            store, number = int(rng.integers(0, 2)), int(rng.integers(0, 6))
            if rng.integers(0, 20) == 0:
                chunks.drop(store)
            elif value(chunks.get((store, number), chunk_of, following=(number + 1) % 6)) != number:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    for store in range(2):
        chunks.drop(store)
    assert wrong == [] and chunks.begun == {} and chunks.cache.currsize == 0 and chunks.unused == set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_reads_on(load: Loader) -> None:
    """Forked while the thread decodes: the child has what was decoded, and a thread of its own."""
    chunks = DecodedChunks(10**6)
    load.go.clear()
    chunks.get((0, 0), load, following=1)
    assert load.begun.wait(60)
    with warnings.catch_warnings():
        # Python 3.12 warns of any fork beside threads; that one is what is tried here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        load.go.set()
        sound = all(value(chunks.get((0, number), load, following=number + 1)) == number for number in range(4))
        chunks.drop(0)
        os._exit(0 if sound and (0, True) not in load.loaded[1:] else 1)
    load.go.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert value(chunks.get((0, 1), load, following=2)) == 1
