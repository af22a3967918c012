"""A TOML file that anybody may have written: what it is held to before its tables are looked at."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from support.small_config import SMALL

from dgkd_cache.config.workspace_config import (
    parse_config,
    read_config,
)
from dgkd_cache.errors import InvalidInput


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    path = tmp_path / "dgkd.toml"
    path.write_text("[views\n")
    with pytest.raises(InvalidInput, match=r"dgkd.toml cannot be read: expected TOML.*line 1"):
        read_config(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="expected UTF-8"):
        read_config(path)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "dgkd.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert read_config(path) == parse_config(tomllib.loads(SMALL), source="the same without it")


@pytest.mark.parametrize("part", ["a", '"a b"', "'a.b' "])
@pytest.mark.parametrize("table", [True, False])
def test_a_key_of_many_parts_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch, part: str, table: bool
) -> None:
    key, path = ".".join([part] * 5000), tmp_path / "dgkd.toml"
    path.write_text(f"{SMALL}[{key}]\n" if table else f"{SMALL}{key} = 1\n")
    monkeypatch.setattr(tomllib, "loads", lambda _: pytest.fail("parsed"))
    with pytest.raises(InvalidInput, match="at most 8 tables within one another"):
        read_config(path)


def test_dots_in_values_are_no_parts_of_a_key(tmp_path: Path) -> None:
    path = tmp_path / "dgkd.toml"
    path.write_text(f'[dataset]\nname = "folder:{"../" * 300}{"a.b/" * 300}{"v1." * 50}x" # {"... " * 300}{SMALL}')
    assert read_config(path).dataset.name.endswith("v1.x")
