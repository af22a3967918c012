"""The reader of a run's small files: what it refuses, with which exit code, in bounded memory and without waiting."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from dgkd_cache.errors import Damaged, UnsafeStore
from dgkd_cache.run_files.reading import LIMITS, MAX_JSON_PARTS, parse_object, read_file


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    (path.parent / "behind").write_text("{}")
    path.symlink_to("behind")


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("make", [fifo, folder, link, link_to_nothing, link_to_a_device, unix_socket])
@pytest.mark.parametrize("name", sorted(LIMITS))
def test_what_is_no_plain_file_is_unsafe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, make) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    make(Path(name))
    with pytest.raises(UnsafeStore, match="expected a regular file") as caught:
        read_file(Path(name))
    assert caught.value.exit_code == 15


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_a_sparse_file_is_refused_by_its_size(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    os.truncate(path, 2 * 2**30)
    with pytest.raises(Damaged, match=f"expected at most {LIMITS[name]} bytes, found 2147483648") as caught:
        read_file(path)
    assert caught.value.exit_code == 12
    os.truncate(path, LIMITS[name])
    assert read_file(path) == bytes(LIMITS[name])


def test_nothing_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "card.json")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\x00" * 1000,
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e400}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": "\xed\xa0\x80"}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 33 + b"]" * 33,
        b"[" + b"[]," * (MAX_JSON_PARTS // 2) + b"[]]",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_proper_json_is_damage(data: bytes) -> None:
    with pytest.raises(Damaged) as caught:
        parse_object(data, Path("card.json"))
    assert caught.value.exit_code == 12
    assert str(caught.value).startswith("card.json cannot be read: expected JSON") and len(str(caught.value)) < 600


def test_proper_json_is_its_value() -> None:
    text = '{"a": [1, -2.5, null, true, "ä\\u00fc\\ud83d\\ude00"], "b": {}}'
    assert parse_object(text.encode(), Path("x")) == {"a": [1, -2.5, None, True, "äü😀"], "b": {}}
    deepest: object = []
    for _ in range(30):
        deepest = [deepest]
    assert parse_object(b'{"a":' + b"[" * 31 + b"]" * 31 + b"}", Path("x")) == {"a": deepest}
    with pytest.raises(Damaged, match="expected a JSON object, found list"):
        parse_object(b"[]", Path("x"))
