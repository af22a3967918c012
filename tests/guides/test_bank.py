"""GuideBank: the dump's rows bit for bit, dropped guides untouched, and every mismatch refused before training."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.banks import bank_of

from dgkd_cache.errors import Damaged, Incomplete, InvalidInput, Mismatch, StoreNotFound
from dgkd_stores import get_encoding


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Store and array of each file of rows that is opened."""
    files: list[tuple[str, str]] = []
    original = os.open

    def spy(path, *how, **more):
        store, array, file = ["", "", *Path(path).parts][-3:]
        if array in ("logits", "scale") and file.startswith("c."):
            files.append((store, array))
        return original(path, *how, **more)

    monkeypatch.setattr(os, "open", spy)
    return files


def raw_rows(store: Path, view: int, *, dtype: str) -> np.ndarray:
    """The rows of a view straight from the chunk files: the format's raw little-endian rows."""
    rows = np.fromfile(store / "logits" / f"c.{view}.0.0", dtype).reshape(-1, 4)
    if dtype == "u1":
        scale, offset = np.fromfile(store / "scale" / f"c.{view}.0.0", "<f4").reshape(-1, 2, 1).transpose(1, 0, 2)
        rows = rows.astype("<f4") * scale + offset
    return rows[:100]


@pytest.mark.parametrize("reader", ["mmap", "pread"])
@pytest.mark.parametrize(("encoding", "dtype"), [("float32", "<f4"), ("float16", "<f2"), ("uint8", "u1")])
def test_rows_are_bitwise_what_the_dump_wrote(bars, plan, dump, make_tiny, tmp_path, pairs, encoding, dtype, reader):
    store = dump(tmp_path / "teacher.zarr", make_tiny(1), encoding=encoding)
    views_B, samples_B = pairs
    with bank_of([store], plan, bars.train, reader=reader) as bank:
        rows_KBC = bank.gather(views_B, samples_B)
    expected = np.stack([raw_rows(store, v, dtype=dtype)[i] for v, i in zip(views_B, samples_B, strict=True)])
    assert rows_KBC.shape == (1, 64, 4)
    assert rows_KBC[0].numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize("resident", [False, True])
def test_a_bank_sent_to_another_process_has_the_same_stores(bars, plan, dump, make_tiny, tmp_path, pairs, resident):
    store = dump(tmp_path / "teacher.zarr", make_tiny(1))
    with bank_of([store], plan, bars.train, reader="pread", keep_on_device=resident) as bank:
        rows_KBC, sent = bank.gather(*pairs), pickle.dumps(bank)
    with pickle.loads(sent) as copy:
        assert torch.equal(copy.gather(*pairs), rows_KBC)
        assert copy.identities == bank.identities and copy.stores["teacher"][0].copied_because
    store.rename(tmp_path / "away")
    dump(store, make_tiny(2))
    with pytest.raises(Mismatch, match="is not the store that was sent to this process: expected seal"):
        pickle.loads(sent)


def test_torch_decodes_as_numpy_does() -> None:
    uint8 = get_encoding("uint8")
    random = np.random.Generator(np.random.PCG64(1))
    sizes = 2.0 ** random.integers(-149, 120, (400, 1))  # subnormal steps too
    logits_BC = (random.standard_normal((400, 33)) * sizes + random.standard_normal((400, 1))).astype(np.float32)
    logits_BC[:20] = (random.integers(0, 500, (20, 33)) * 2.0**-149).astype(np.float32)
    arrays = uint8.encode(logits_BC)
    rows_BC = uint8.decode({name: torch.from_numpy(array) for name, array in arrays.items()})
    assert rows_BC.dtype == torch.float32
    assert rows_BC.numpy().tobytes() == uint8.decode(arrays).tobytes()
    stored = {"logits": torch.ones(2, 3, dtype=torch.float16)}
    assert get_encoding("float16").decode(stored) is stored["logits"]


def test_another_temperature_rescales(bars, plan, three_guides, pairs) -> None:
    with (
        bank_of(three_guides, plan, bars.train) as four,
        bank_of(three_guides, plan, bars.train, temperature=2.5) as other,
    ):
        torch.testing.assert_close(other.gather(*pairs), four.gather(*pairs) * (4.0 / 2.5))


def test_a_bank_that_is_closed_says_so(bars, plan, three_guides, pairs) -> None:
    with bank_of(three_guides, plan, bars.train) as bank:
        bank.expect(*pairs)
        with pytest.raises(InvalidInput, match="integers"):
            bank.expect("a", pairs[1])
        with pytest.raises(InvalidInput, match="integers"):
            bank.expect(torch.tensor([0.0], requires_grad=True), [0])
    for call in (bank.gather, bank.expect):
        with pytest.raises(InvalidInput, match="this GuideBank is closed"):
            call(*pairs)


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("parts", [[range(4)], [range(2, 4), range(2)]], ids=["one store", "two stores"])
@pytest.mark.parametrize("views", [[0, 99], [4], [-1, 0], [-1]], ids=str)
def test_views_that_no_store_of_a_guide_has_are_refused(
    bars, plan, dump, make_tiny, tmp_path, parts: list[range], views: list[int], resident: bool
) -> None:
    """Two stores filled the rows of such views with whatever was in memory."""
    model = make_tiny(1)
    stores = [dump(tmp_path / f"{part.start}.zarr", model, name="teacher", views=part) for part in parts]
    views_B, samples_B = np.array(views), np.zeros(len(views), np.int64)
    with bank_of(stores, plan, bars.train, views=range(4), keep_on_device=resident) as bank:
        for call in (bank.gather, bank.expect):
            with pytest.raises(InvalidInput, match=rf"^views that .*, found {min(views)} to {max(views)}"):
                call(views_B, samples_B)
        bank.expect(np.array([3, 0]), np.array([5, 6]))
        assert bank.gather([], []).shape == (1, 0, 4)
        rows_BC = bank.gather(np.array([3, 0, 2]), np.array([5, 6, 7]))[0]
    with bank_of([dump(tmp_path / "all.zarr", model, views=range(4))], plan, bars.train, views=range(4)) as bank:
        assert torch.equal(rows_BC, bank.gather(np.array([3, 0, 2]), np.array([5, 6, 7]))[0])


def test_only_kept_guides_are_opened(bars, plan, three_guides, pairs, opened) -> None:
    opened.clear()
    with bank_of(three_guides, plan, bars.train) as bank:
        assert opened == []  # making the bank reads no row
        assert bank.gather(*pairs, np.array([False, False, False])).numel() == 0
        assert opened == []
        kept = bank.gather(*pairs, np.array([False, True, False]))
        assert kept.shape == (1, 64, 4)
        assert set(opened) == {("ta1.zarr", "logits")}
        opened.clear()
        bank.gather(*pairs, np.array([True, True, False]))
        assert set(opened) == {("teacher.zarr", "logits")}
        everything = bank.gather(*pairs)
        assert torch.equal(everything[1], kept[0])


def test_neither_array_of_a_dropped_guide_is_opened(bars, plan, dump, make_tiny, tmp_path, pairs, opened) -> None:
    stores = [dump(tmp_path / f"{name}.zarr", make_tiny(seed), encoding="uint8") for seed, name in enumerate("abc")]
    with bank_of(stores, plan, bars.train) as bank:
        opened.clear()
        rows = bank.gather(*pairs, np.array([True, False, True]))
        assert rows.shape == (2, 64, 4) and rows.dtype == torch.float32
    assert set(opened) == {(f"{name}.zarr", array) for name in "ac" for array in ("logits", "scale")}


def test_guides_and_parts_of_different_encodings(bars, plan, dump, make_tiny, tmp_path, pairs) -> None:
    model = make_tiny(3)
    parts = {
        "uint8": dump(tmp_path / "a.zarr", model, name="teacher", views=range(2), encoding="uint8"),
        "float16": dump(tmp_path / "b.zarr", model, name="teacher", views=range(2, 3), encoding="float16"),
    }
    half = dump(tmp_path / "ta1.zarr", make_tiny(4), encoding="float16")
    with bank_of([*parts.values(), half], plan, bars.train) as bank:
        rows_KBC = bank.gather(*pairs)
        alone = bank.gather(*pairs, np.array([False, True]))
    assert rows_KBC.dtype == torch.float32 and alone.dtype == torch.float16
    by_view = [raw_rows(parts["uint8"], view, dtype="u1") for view in range(2)]
    by_view.append(raw_rows(parts["float16"], 0, dtype="<f2").astype("<f4"))
    assert rows_KBC[0].numpy().tobytes() == np.stack(by_view)[pairs].tobytes()
    assert torch.equal(rows_KBC[1], alone[0].float())


def test_a_missing_store_and_a_bad_temperature(bars, plan, three_guides, tmp_path) -> None:
    with pytest.raises(StoreNotFound) as caught:
        bank_of([tmp_path / "nothing.zarr"], plan, bars.train)
    assert caught.value.exit_code == 10
    with pytest.raises(InvalidInput, match="a number > 0"):
        bank_of(three_guides, plan, bars.train, temperature=0.0)


def test_an_unfinished_store_is_refused(bars, plan, dump, make_tiny, tmp_path) -> None:
    dump(tmp_path / "teacher.zarr", make_tiny(1), mine=range(1))
    with pytest.raises(Incomplete) as caught:
        bank_of([tmp_path / "teacher.zarr"], plan, bars.train)
    assert caught.value.exit_code == 3


def test_a_flipped_bit_never_reaches_training(bars, plan, three_guides, tmp_path, pairs) -> None:
    store = shutil.copytree(three_guides[0], tmp_path / "teacher.zarr")
    chunk = store / "logits" / "c.1.0.0"
    content = bytearray(chunk.read_bytes())
    content[5] ^= 1
    chunk.write_bytes(content)
    with bank_of([store], plan, bars.train) as bank, pytest.raises(Damaged) as caught:
        bank.gather(*pairs)
    assert caught.value.exit_code == 12


def test_the_keep_mask_is_checked_wherever_rows_are_read(bars, plan, dump, make_tiny, tmp_path: Path, pairs) -> None:
    stores = [dump(tmp_path / f"{name}.zarr", make_tiny(seed)) for seed, name in enumerate("ab")]
    with bank_of(stores, plan, bars.train) as bank:
        expected = bank.gather(*pairs, np.array([False, True]))
        for mask in ([False, True], (np.False_, np.True_), torch.tensor([False, True])):
            assert torch.equal(bank.gather(*pairs, mask), expected)
        for mask, found in (
            (np.array([True]), r"bool \[1\]"),
            (np.array([0, 1]), r"int64 \[2\]"),
            ([1, 0], r"\[1, 0\] \(list\)"),
            ([[True], [True, False]], r"\[\[True"),
            (torch.zeros(2, requires_grad=True), r"float32 \[2\]"),
            (True, "True"),
        ):
            for read in (bank.gather, bank.begin):
                with pytest.raises(InvalidInput, match=f"keep mask does not fit.*for each of .*found {found}"):
                    read(*pairs, mask)


def test_a_bank_and_its_loader_are_shown_in_a_line(bars, plan, three_guides) -> None:
    with bank_of(three_guides[:2], plan, bars.train, views=range(1, 3)) as bank:
        names = ", ".join(bank.names)
        assert repr(bank) == f"<GuideBank of {names}: views 1 to 2, 100 samples, 4 classes, on cpu>"
        run, epochs = bank.loader(batch_size=32, epochs=3), bank.loader(batch_size=32, samples=range(40))
    assert repr(run) == f"<GuideLoader of {names}: 3 epochs of 4 steps, batches of 32 of 100 samples, views 1 to 2>"
    assert repr(epochs) == f"<GuideLoader of {names}: epochs of 2 steps, batches of 32 of 40 samples, views 1 to 2>"
