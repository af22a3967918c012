"""Logits that a program gives: held to shape, type, classes, numbers and sameness before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.given_logits import BATCH, Program, files_of, writer_of
from support.guide_writers import refused

from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_stores import ChunkSlot, GuideStore


@pytest.fixture
def program(bars, plan) -> Program:
    return Program(bars, plan)


@pytest.fixture
def blocks_as_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of 32 rows is a chunk of its own."""
    monkeypatch.setattr("dgkd_stores.format.layout.ONE_CHUNK_BYTES", 100)
    monkeypatch.setattr("dgkd_stores.format.layout.TARGET_CHUNK_BYTES", 100)
    monkeypatch.setattr("dgkd_cache.dump.header.default_digest_rows", lambda row_bytes: 8)


class Array:
    """An array of another library, with the interface that such arrays offer."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.rows


@pytest.mark.parametrize(
    "kind",
    [
        torch.from_numpy,
        Array,
        lambda rows: rows.astype(np.float64),
        lambda rows: torch.from_numpy(rows).requires_grad_(),
        np.asfortranarray,
    ],
)
def test_any_array_of_floats_is_taken(program: Program, tmp_path: Path, kind: Callable[..., Any]) -> None:
    writer_of(tmp_path / "plain.zarr", program).run()
    writer_of(tmp_path / "other.zarr", program, logits=lambda *slot: kind(program.logits(*slot))).run()
    assert files_of(tmp_path / "plain.zarr") == files_of(tmp_path / "other.zarr")


def test_half_precision_is_widened(program: Program, tmp_path: Path) -> None:
    writer = writer_of(
        tmp_path / "a.zarr",
        program,
        logits=lambda *slot: torch.from_numpy(program.logits(*slot)).bfloat16(),
        encoding="float32",
        temperature=1.0,
    )
    with GuideStore.open(writer.run().path) as store:
        exact = torch.from_numpy(program.logits(1, np.arange(100))).bfloat16().float().numpy()
        np.testing.assert_array_equal(store.gather([1] * 100, range(100)), exact)


def test_a_buffer_that_is_used_again_is_copied(program: Program, tmp_path: Path) -> None:
    buffer = np.zeros((BATCH, 4), np.float32)

    def logits(view: int, samples_B: np.ndarray) -> np.ndarray:
        buffer[: len(samples_B)] = program.logits(view, samples_B)
        return buffer[: len(samples_B)]

    writer_of(tmp_path / "plain.zarr", program).run()
    writer_of(tmp_path / "other.zarr", program, logits=logits).run()
    assert files_of(tmp_path / "plain.zarr") == files_of(tmp_path / "other.zarr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: None,
            r"no logits: expected an array of floats \[32, 4\] for view 0, samples 0 to 31, found None",
        ),
        (lambda rows: rows[:-1], r"found float32 \[31, 4\]; give the logits alone, a row for each sample"),
        (lambda rows: rows.astype(np.int64), r"found int64 \[32, 4\]"),
        (lambda rows: rows > 0, r"found bool \[32, 4\]"),
        (lambda rows: rows.astype(np.complex64), r"found complex64 \[32, 4\]"),
        (lambda rows: rows.ravel(), r"found float32 \[128\]"),
        (lambda rows: rows.tolist(), "found an object of type list"),
        (lambda rows: (rows, rows), "found an object of type tuple"),
        (lambda rows: torch.zeros(32, 4, dtype=torch.int8), r"found int8 \[32, 4\]"),
    ],
)
def test_what_is_no_logits_is_refused(
    program: Program, tmp_path: Path, change: Callable[..., Any], message: str
) -> None:
    writer = writer_of(tmp_path / "a.zarr", program, logits=lambda *slot: change(program.logits(*slot)))
    refused(writer, tmp_path, message)


def test_another_number_of_classes_is_refused(program: Program, tmp_path: Path) -> None:
    writer = writer_of(tmp_path / "a.zarr", program, logits=lambda *slot: program.logits(*slot)[:, :3])
    message = "different number of classes than the data set: expected logits of 4 classes, found logits of 3 classes"
    refused(writer, tmp_path, message, Mismatch)


@pytest.mark.parametrize(
    ("value", "encoding", "message"),
    [
        (np.nan, "float16", r"no numbers \(view 0, sample 37 \(train, class .*a probability of 0 has no logarithm"),
        (-np.inf, "float32", r"no numbers \(view 0, sample 37 .*; mend what gives them"),
        (1e300, "float32", r"no numbers \(view 0, sample 37 "),
        (1e6, "float16", r"too large for float16 \(view 0, sample 37 .*use the encoding float32"),
    ],
)
def test_what_is_no_number_is_named_by_view_and_sample(
    program: Program, tmp_path: Path, value: float, encoding: str, message: str
) -> None:
    def spoilt(view: int, samples_B: np.ndarray) -> np.ndarray:
        rows_BC = program.logits(view, samples_B).astype(np.float64)
        rows_BC[samples_B == 37, 2] = value
        return rows_BC

    refused(writer_of(tmp_path / "a.zarr", program, logits=spoilt, encoding=encoding), tmp_path, message)


def test_test_logits_are_held_to_the_same(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = program.test_logits
    for change, message in (
        (lambda rows: rows[1:], r"an array of floats \[32, 4\] for test samples 0 to 31, found float32 \[31, 4\]"),
        (lambda rows: np.exp(rows) / np.exp(rows).sum(1, keepdims=True), "gives probabilities"),
        (lambda rows: rows + np.random.default_rng().random(), "the same bits each time for test samples 0 to 31"),
        (lambda rows: rows * np.where(np.arange(len(rows)) == 5, np.nan, 1)[:, None], r"no numbers \(sample 5 \(test"),
    ):
        writer = writer_of(tmp_path / "a.zarr", program)
        monkeypatch.setattr(writer.draft.logits._tests, "_function", lambda _, M, to=change: to(whole(M)))
        refused(writer, tmp_path, message)


def test_probabilities_are_refused_unless_they_are_accepted(program: Program, tmp_path: Path) -> None:
    def softmax(view: int, samples_B: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(program.logits(view, samples_B)).softmax(1)

    found = refused(writer_of(tmp_path / "a.zarr", program, logits=softmax), tmp_path, "gives probabilities")
    assert "or the logarithm of the probabilities; if these really are logits, say accept_probabilities=True" in found
    assert writer_of(tmp_path / "a.zarr", program, logits=softmax, accept_probabilities=True).run().seal
    logged = writer_of(tmp_path / "b.zarr", program, logits=lambda *slot: softmax(*slot).log(), encoding="float32")
    with GuideStore.open(logged.run().path) as store:  # softened like logits, since both differ by a number a row
        softened = torch.from_numpy(program.logits(2, np.arange(100)) / 4).softmax(1)
        stored = torch.from_numpy(store.gather([2] * 100, range(100))).softmax(1)
        torch.testing.assert_close(stored, softened, rtol=1e-5, atol=1e-6)


def test_logits_that_differ_each_time_are_refused(program: Program, tmp_path: Path) -> None:
    random = np.random.default_rng(1)

    def noisy(view: int, samples_B: np.ndarray) -> np.ndarray:
        return program.logits(view, samples_B) + np.float32(1e-6) * random.random((len(samples_B), 4), np.float32)

    found = refused(writer_of(tmp_path / "a.zarr", program, logits=noisy), tmp_path, "other logits when the same ones")
    assert "the same bits each time for view 0, samples 32 to 63, found " in found and "of 32 rows that differ" in found


def test_an_iterator_that_always_begins_at_the_start_is_refused(program: Program, tmp_path: Path) -> None:
    def from_the_start(block: ChunkSlot) -> Iterator[np.ndarray]:
        return program.iterator(ChunkSlot(0, 0, 32))

    found = refused(writer_of(tmp_path / "a.zarr", program, iterator=from_the_start), tmp_path, "asked for again")
    assert "the logits of view 0, samples 0 to 31, as if it always began there; begin an iterator at the block" in found


def test_one_short_block_is_asked_for_twice(program: Program, tmp_path: Path) -> None:
    """A store of a single block; and one whose second block is shorter than the first."""
    for batch, asked in (
        (100, [(0, 0, 99)] * 4),
        (64, [(0, 0, 63), (0, 64, 99), (0, 64, 99), *[(0, 0, 63), (0, 64, 99)] * 2]),
    ):
        program.asked.clear()
        path = tmp_path / f"{batch}.zarr"
        assert writer_of(path, program, views=range(1), batch_size=batch, tests=False).run().seal
        assert program.asked == asked


@pytest.mark.parametrize("encoding", ["float32", "uint8"])
def test_a_dump_is_not_taken_up_with_other_rows(
    program: Program, tmp_path: Path, blocks_as_chunks: None, bars, plan, encoding: str
) -> None:
    """Under the same identity and without a test set; those of the first view, which judge the encoding, are equal."""
    path = tmp_path / "a.zarr"
    with pytest.raises(InvalidInput, match="stopped"):
        writer_of(path, program, logits=stopping(program, at=2 + 1 + 4 + 7), tests=False, encoding=encoding).run()
    before = files_of(path)

    def changed(view: int, samples_B: np.ndarray) -> np.ndarray:
        rows_BC = program.logits(view, samples_B).copy()
        rows_BC[(view == 1) & (samples_B == 70), 3] += 0.5
        return rows_BC

    with pytest.raises(Mismatch) as caught:
        writer_of(path, program, logits=changed, tests=False, encoding=encoding).run()
    assert str(caught.value) == (
        f"{path} holds other rows than guide 'given' has now: expected for view 1, samples 64 to 95 the rows that are "
        "written there, found 1 of 32 rows that differ, the first of sample 70; give the logits that it was begun "
        "with, from the block that is asked for on; other logits have another identity and another path, unless you "
        f"remove {path} to begin again"
    )
    assert files_of(path) == before
    assert writer_of(path, program, tests=False, encoding=encoding).run().seal


def stopping(program: Program, at: int) -> Callable[..., Any]:
    """The program's logits until the call of that number, which fails."""
    calls = iter(range(10**6))

    def logits(view: int, samples_B: np.ndarray) -> np.ndarray:
        if next(calls) == at:
            raise InvalidInput("stopped")
        return program.logits(view, samples_B)

    return logits


def test_an_iterator_goes_on_from_a_block_that_is_written(
    program: Program, tmp_path: Path, blocks_as_chunks: None
) -> None:
    path, begun = tmp_path / "a.zarr", list[ChunkSlot]()
    with pytest.raises(InvalidInput, match="stopped"):
        writer_of(path, program, logits=stopping(program, at=2 + 1 + 4 + 6)).run()

    def off_by_one(block: ChunkSlot) -> Iterator[np.ndarray]:
        """Begins right in the first view, and a block too late in the others."""
        begun.append(block)
        items = program.iterator(block)
        if block.view:
            next(items)
        return items

    with pytest.raises(
        Mismatch, match="holds other rows than guide 'given' has now: expected for view 1, samples 32 to 63"
    ):
        writer_of(path, program, iterator=off_by_one).run()
    assert begun[-1] == ChunkSlot(1, 32, 64)  # written; the first that is missing comes after it
    program.asked.clear()
    assert writer_of(path, program, iterator=program.iterator).run().seal
    assert program.asked[3 + 4 :] == [
        *[(1, 32, 63), (1, 64, 95), (1, 96, 99)],
        *[(2, 0, 31), (2, 32, 63), (2, 64, 95), (2, 96, 99)],
    ]
