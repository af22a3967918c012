"""Encodings against numpy's own casts and the limits of IEEE half precision."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from dgkd_stores import InvalidInput, encoding_names
from dgkd_stores.coding.encodings import get_encoding


def test_float32_is_exact() -> None:
    logits_BC = np.array([[1e-30, -3.4e38, 0.1]], dtype=np.float32)
    assert get_encoding("float32").encode(logits_BC)["logits"].tobytes() == struct.pack("<3f", 1e-30, -3.4e38, 0.1)


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_floats_are_given_back_as_they_are_stored(name: str) -> None:
    stored = get_encoding(name).encode(np.ones((2, 3), dtype=np.float32))["logits"]
    assert stored.dtype == name and get_encoding(name).decode({"logits": stored}) is stored


def test_float16_is_the_ieee_half() -> None:
    logits_BC = np.array([[1.0, -2.5, 65504.0, 0.1]], dtype=np.float32)
    stored = get_encoding("float16").encode(logits_BC)["logits"]
    assert stored.tobytes() == struct.pack("<4e", 1.0, -2.5, 65504.0, 0.1)
    assert stored[0, 3] == np.float16(0.1)
    assert (get_encoding("float16").row_bytes(10), get_encoding("float32").row_bytes(10)) == (20, 40)


def test_overflow_of_float16_names_the_way_out() -> None:
    with pytest.raises(InvalidInput, match="too large for float16: expected at most 65504.*use the encoding float32"):
        get_encoding("float16").encode(np.array([[1e6]], dtype=np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(InvalidInput, match="expected finite logits, found NaN or infinity"):
        get_encoding("float32").encode(np.array([[value]], dtype=np.float32))


def test_an_unknown_name_names_the_closest() -> None:
    with pytest.raises(InvalidInput, match="one of .*float16.*, found 'flaot16'; did you mean 'float16'") as caught:
        get_encoding("flaot16")
    assert caught.value.exit_code == 2
    assert encoding_names() == ("factored", "float16", "float32", "topk", "uint8")


def test_every_float16_is_finite_or_not() -> None:
    patterns = np.arange(2**16, dtype="<u2").view("<f2")
    told = [get_encoding("float16").finite({"logits": patterns[at : at + 1].reshape(1, 1)}) for at in range(2**16)]
    assert told == np.isfinite(patterns).tolist()


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_uint8_is_finite_where_its_logits_are(level: int) -> None:
    """The largest float32 within reach, what lies just above, and what is no number to begin with."""
    largest = float(np.finfo(np.float32).max)
    values = [0.0, -1.0, 1e30, largest / 255, largest / 254, largest / 128, -largest / 128, largest, np.inf, np.nan]
    levels = np.full((1, 3), level, dtype=np.uint8)
    for scale in values:
        for offset in values:
            arrays = {"logits": levels, "scale": np.array([[scale, offset]], dtype="<f4")}
            with np.errstate(over="ignore", invalid="ignore"):
                finite = bool(np.isfinite(get_encoding("uint8").decode(arrays)).all())
            assert get_encoding("uint8").finite(arrays) == finite, (scale, offset)
