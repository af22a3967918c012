"""The transport of each scheme, and what an extra that is missing says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dgkd_stores import InvalidInput
from dgkd_stores.sharing.address import parse_address
from dgkd_stores.sharing.folder import Folder
from dgkd_stores.sharing.open_place import open_place


def test_a_folder_needs_no_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert isinstance(open_place(parse_address(str(tmp_path))), Folder)


@pytest.mark.parametrize("text", ["s3://lab/x", "gs://lab", "az://lab", "http://host", "https://host/x.zarr"])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(InvalidInput, match=r"pip install 'dgkd-cache\[share\]'"):
        open_place(parse_address(text))


def test_the_extra_of_the_hub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InvalidInput, match=r"pip install 'dgkd-cache\[hf\]'"):
        open_place(parse_address("hf://lab/ta1"))
