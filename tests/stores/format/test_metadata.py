"""Names, chunks and JSON that no writer of ours makes, one by one; whole hostile stores are in `hostile/`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from stores.support.refusals import refused

from dgkd_stores import Damaged, GuideStore, Mismatch, UnsafeStore
from dgkd_stores.format.metadata import parse_json


def test_the_errors_have_their_exit_codes(path: Path) -> None:
    assert (UnsafeStore.exit_code, Damaged.exit_code, Mismatch.exit_code) == (15, 12, 13)
    GuideStore.open(path).close()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"1" * 5000,
        b'"' * 3,
        b'\\"' * 10_000,
    ],
)
def test_hostile_json(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UnsafeStore):
        parse_json(text, tmp_path)
    (tmp_path / "zarr.json").write_bytes(text)
    refused(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        value = parse_json(data, Path("x"))
    except UnsafeStore:
        return
    assert value == json.loads(data)
