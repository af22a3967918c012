"""uint8 against a plain-Python formula and exact fractions, and its two arrays under one digest."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from dgkd_stores import Damaged, GuideStore, GuideStoreWriter, InvalidInput
from dgkd_stores.coding.encodings import Uint8, get_encoding

LARGEST = 3.4028234663852886e38
TINIEST = 2.0**-149

rows = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=12)
plain_rows = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=12)


def f32(number: float) -> float:
    """Rounded to float32 by C; OverflowError where float32 ends."""
    return struct.unpack("<f", struct.pack("<f", number))[0]


def encoded_by_hand(row: list[float]) -> tuple[list[int], float, float]:
    """(levels, scale, offset): a float64 step rounded to float32 is a float32 step (53 >= 2 * 24 + 2 bits)."""
    offset = min(row) + 0.0
    scale = f32(f32(max(row) - offset) / 255) + 0.0
    levels = [round(f32(f32(x - offset) / scale)) if scale else 0 for x in row]
    return [min(level, 255) for level in levels], scale, offset


def decoded_by_hand(levels: list[int], scale: float, offset: float) -> list[float]:
    return [f32(f32(level * scale) + offset) for level in levels]


def stored(row: list[float]) -> dict[str, np.ndarray[Any, Any]]:
    return get_encoding("uint8").encode(np.array([row], dtype=np.float32))


def decoded(arrays: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    return get_encoding("uint8").decode(arrays)


def check_round_trip(row: list[float]) -> None:
    levels, scale, offset = encoded_by_hand(row)
    expected = decoded_by_hand(levels, scale, offset)
    arrays = stored(row)
    assert arrays["logits"].tobytes() == bytes(levels)
    assert arrays["scale"].tobytes() == struct.pack("<2f", scale, offset)
    assert decoded(arrays).tobytes() == struct.pack(f"<{len(row)}f", *expected)
    span = Fraction(max(row)) - Fraction(min(row))
    for x, back in zip(row, expected, strict=True):
        roundings = max(span, abs(Fraction(x))) / 2**22 + Fraction(1, 2**142)
        assert abs(Fraction(back) - Fraction(x)) <= Fraction(scale) / 2 + roundings
        assert x != min(row) or back == x


@settings(max_examples=300, deadline=None)
@given(plain_rows | rows)
@example([0.0, LARGEST])
@example([-LARGEST / 2, LARGEST / 2])
@example([-LARGEST, LARGEST])
@example([1.7e38, -1.7e38, 0.0])
@example([LARGEST, LARGEST])
@example([0.0, 127 * TINIEST, 5 * TINIEST])
@example([0.0, 128 * TINIEST, 5 * TINIEST])
@example([0.0, 382 * TINIEST, 381 * TINIEST])
@example([1.0, 1.0 + 2.0**-23])
@example([1e30, 1e30, 0.1])
@example([-0.0, 0.0, 1.0])
@example([-0.0])
def test_any_row_comes_back_within_half_a_step_or_is_refused(row: list[float]) -> None:
    row = [f32(x) for x in row]
    try:
        decoded_by_hand(*encoded_by_hand(row))
    except OverflowError:
        with pytest.raises(InvalidInput, match=r"too large for uint8: expected at most 1\.7e\+38 in size.*float32"):
            stored(row)
        assert max(abs(x) for x in row) > 1.7e38
    else:
        check_round_trip(row)


def test_the_bytes_of_rows_worked_out_on_paper() -> None:
    logits_BC = np.array([[0, 0.5, 1.5, 255], [3, 3, 3, 3], [127.5, -127.5, 0, 100]], dtype=np.float32)
    arrays = get_encoding("uint8").encode(logits_BC)
    # Steps of 1 above 0; a constant row; steps of 1 above -127.5. Ties (0.5, 1.5, 127.5) go to the even level.
    assert arrays["logits"].tobytes() == bytes([0, 0, 2, 255, 0, 0, 0, 0, 255, 0, 128, 228])
    assert arrays["scale"].tobytes() == struct.pack("<6f", 1, 0, 0, 3, 1, -127.5)
    assert decoded(arrays).tolist() == [[0, 0, 2, 255], [3, 3, 3, 3], [127.5, -127.5, 0.5, 100.5]]
    assert [(array.name, array.dtype, array.columns, array.dimension) for array in Uint8().row_arrays(4)] == [
        ("logits", "uint8", 4, "class"),
        ("scale", "float32", 2, "affine"),
    ]
    assert get_encoding("uint8").row_bytes(4) == 4 + 8


def test_the_sign_of_zero_does_not_depend_on_the_order() -> None:
    for row in ([0.0, -0.0, 1.0], [-0.0, 0.0, 1.0]):
        assert stored(row)["scale"].tobytes() == struct.pack("<2f", f32(1 / 255), 0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(InvalidInput, match="expected finite logits, found NaN or infinity"):
        stored([0.0, value])


def test_kl_is_that_of_uniform_rounding() -> None:
    """A level is off by an error uniform in +-scale/2, so KL is about scale^2/24 (1 - sum p^2): 6e-6 here."""
    exact_BC = (np.random.default_rng(3).normal(scale=2.5, size=(2000, 100)) / 4).astype(np.float32)
    arrays = get_encoding("uint8").encode(exact_BC)
    log_p, log_q = (x - np.log(np.exp(x).sum(1, keepdims=True)) for x in (exact_BC.astype("f8"), decoded(arrays)))
    kl_B = (np.exp(log_p) * (log_p - log_q.astype("f8"))).sum(1)
    expected_B = arrays["scale"][:, 0].astype("f8") ** 2 / 24 * (1 - np.exp(2 * log_p).sum(1))
    assert kl_B.mean() == pytest.approx(expected_B.mean(), rel=0.05)
    assert 4e-6 < kl_B.mean() < 8e-6


@pytest.fixture
def small(recipe: Any, small_chunks: None) -> Any:
    """Chunks of 32 rows, two a view, of 7 + 8 bytes a row."""
    return recipe(encoding="uint8")


def test_rows_come_out_decoded_and_as_stored(small: Any, tmp_path: Path) -> None:
    small.write(tmp_path / "a.zarr")
    pairs = np.array([2, 0, 1, 0]), np.array([49, 0, 31, 32])
    logits_BC = np.stack([small.logits(view)[sample] for view, sample in zip(*pairs, strict=True)])
    by_hand = [encoded_by_hand(row) for row in logits_BC.tolist()]
    with GuideStore.open(tmp_path / "a.zarr") as store:
        arrays, rows_BC = store.gather_stored(*pairs), store.gather(*pairs)
        tests_by_hand = [decoded_by_hand(*encoded_by_hand(row)) for row in small.identity.test_logits_MC.tolist()]
        assert store.test_logits_MC.dtype == np.float32 and store.test_logits_MC.tolist() == tests_by_hand
    assert list(arrays) == ["logits", "scale"] and rows_BC.dtype == np.float32
    assert arrays["logits"].tolist() == [levels for levels, _, _ in by_hand]
    assert arrays["scale"].tolist() == [[scale, offset] for _, scale, offset in by_hand]
    assert rows_BC.tolist() == [decoded_by_hand(*one) for one in by_hand]


def test_stopped_after_every_chunk(small: Any, read_tree: Any, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole.zarr", tmp_path / "stopped.zarr"
    seal, runs = small.write(whole), 1
    while (again := small.write(stopped, chunks=1)) is None:
        runs += 1
    assert again == seal and runs == 3 * 2
    assert read_tree(stopped) == read_tree(whole)


@pytest.mark.parametrize("name", ["logits", "scale"])
def test_a_flipped_bit_in_either_array(small: Any, tmp_path: Path, name: str) -> None:
    small.write(tmp_path / "a.zarr")
    chunk = tmp_path / "a.zarr" / name / "c.1.0.0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 32 * 20] ^= 1  # in row 20
    chunk.write_bytes(content)
    with GuideStore.open(tmp_path / "a.zarr") as store:
        store.gather([1, 1], [15, 24])
        with pytest.raises(Damaged, match="view 1, samples 16 to 23: damaged: expected SHA-256"):
            store.gather([1], [16])


def test_a_flipped_bit_in_the_scale_of_a_test_row(small: Any, tmp_path: Path) -> None:
    small.write(tmp_path / "a.zarr")
    file = tmp_path / "a.zarr" / "test_scale" / "c.0.0"
    file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])
    with pytest.raises(Damaged, match="its content is not what was sealed"):
        GuideStore.open(tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["logits", "scale"])
def test_a_chunk_lost_from_either_array_is_written_again(small: Any, read_tree: Any, tmp_path: Path, name: str) -> None:
    whole, path = tmp_path / "whole.zarr", tmp_path / "a.zarr"
    small.write(whole)
    small.write(path, seal=False)
    (path / name / "c.1.1.0").unlink()
    with GuideStoreWriter(path, small.header, small.identity) as writer:
        assert [(slot.view, slot.start, slot.stop) for slot in writer.missing()] == [(1, 32, 50)]
        assert writer.seal() is None
    small.write(path)
    assert read_tree(path) == read_tree(whole)
    (path / name / "c.1.1.0").unlink()
    with pytest.raises(Damaged, match=f"{name}/c.1.1.0: damaged: expected a chunk of .*, found no such file"):
        GuideStore.open(path)


@pytest.mark.parametrize(
    ("column", "value"), [(0, np.inf), (0, -np.inf), (0, np.nan), (0, LARGEST), (1, np.inf), (1, np.nan)]
)
def test_a_hostile_scale_under_a_valid_digest(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: int, value: float
) -> None:
    honest = Uint8.encode

    def hostile(self: Uint8, logits_BC: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        arrays = honest(self, logits_BC)
        if len(logits_BC) != small.tests:
            arrays["scale"][10, column] = value
        return arrays

    with monkeypatch.context() as patch:
        patch.setattr(Uint8, "encode", hostile)
        small.write(tmp_path / "a.zarr")
    with GuideStore.open(tmp_path / "a.zarr") as store:
        store.gather([0], [7])
        with pytest.raises(Damaged, match="samples 8 to 15: damaged: expected finite numbers"):
            store.gather([0], [8])


def test_test_rows_that_are_no_numbers_under_a_valid_seal(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = Uint8.pack

    def pack(self: Uint8, logits_BC: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        arrays = really(self, logits_BC)
        if len(logits_BC) == 11:
            arrays["scale"][3] = np.float32(3e38), np.float32(1)
        return arrays

    with monkeypatch.context() as patch:
        patch.setattr(Uint8, "pack", pack)
        patch.setattr(Uint8, "encode", Uint8.pack)
        recipe(encoding="uint8").write(tmp_path / "a.zarr")
    with pytest.raises(Damaged, match="test_logits: damaged: expected finite numbers"):
        GuideStore.open(tmp_path / "a.zarr")
