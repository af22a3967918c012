"""Files of a study: their bytes, and an earlier file that a full disk leaves as it is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dgkd_cache.errors import NoSpace
from dgkd_cache.study.files import read_json, write_json


def test_the_bytes_do_not_depend_on_the_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    for content in ({"b": "Käfer", "a": [1.5, None]}, {"a": [1.5, None], "b": "Käfer"}):
        write_json(path, content)
        assert read_json(path) == content
        assert path.read_text(encoding="utf-8") == '{\n "a": [\n  1.5,\n  null\n ],\n "b": "Käfer"\n}\n'
    assert os.listdir(path.parent) == ["results.json"]


def test_on_a_full_disk_the_earlier_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(path := tmp_path / "results.json", {"a": 1})

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(NoSpace, match=r"results\.json"):
        write_json(path, {"a": 2})
    assert path.read_text() == '{\n "a": 1\n}\n' and os.listdir(tmp_path) == ["results.json"]
