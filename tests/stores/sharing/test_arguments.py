"""The public calls of sharing: each argument of another kind is refused by name, and never by a raw error."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.arguments import Calls, arguments_never_refused

import dgkd_stores as stores

NAMES = "card_of describe_signature diff merge pull push signature_path statement_of subset write_card".split()


@pytest.fixture
def calls(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Every call with keywords that work, as often as they are given."""
    monkeypatch.chdir(tmp_path)
    small, path, there = recipe(), tmp_path / "a.zarr", tmp_path / "there"
    small.write(path)
    (tmp_path / "sent").mkdir()
    stores.push(path, str(there))

    def cut(**keywords: Any) -> None:
        shutil.rmtree(tmp_path / "part.zarr", ignore_errors=True)
        shutil.rmtree(tmp_path / "part.zarr.origin", ignore_errors=True)
        stores.subset(**keywords)

    cut(source=path, target=tmp_path / "part.zarr", views=range(1))
    parts = [tmp_path / "first.zarr", tmp_path / "last.zarr"]
    stores.subset(path, parts[0], views=range(1))
    stores.subset(path, parts[1], views=range(1, small.header.views))

    def joined(**keywords: Any) -> None:
        shutil.rmtree(tmp_path / "whole.zarr", ignore_errors=True)
        stores.merge(**keywords)

    card = {"name": "a", "data_licence": "MIT"}
    going = {"report": lambda done, total: None, "stop": lambda: False}
    kept = {"codec": "none", "take_over": False, "report": going["report"]}
    return {
        "card_of": (stores.card_of, {"store": path, **card}),
        "describe_signature": (stores.describe_signature, {"store": stores.GuideStore.open(path)}),
        "diff": (stores.diff, {"first": path, "second": path, "report": going["report"]}),
        "merge": (joined, {"sources": parts, "target": tmp_path / "whole.zarr", **kept}),
        "pull": (
            stores.pull,
            {
                "source": str(there),
                "destination": tmp_path / "got",
                "seal": None,
                "trusted": None,
                "views": None,
                "jobs": 1,
                "dry_run": False,
                "take_over": False,
                **going,
            },
        ),
        "push": (
            stores.push,
            {
                "store": path,
                "destination": str(there),
                "jobs": 1,
                "data_licence": "",
                "dry_run": False,
                "take_over": False,
                **going,
            },
        ),
        "signature_path": (stores.signature_path, {"store": path}),
        "statement_of": (stores.statement_of, {"store": path, "now": None}),
        "subset": (cut, {"source": path, "target": tmp_path / "part.zarr", "views": range(1), **kept}),
        "write_card": (stores.write_card, {"store": path, "folder": tmp_path, **card}),
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_argument_gives_a_raw_error(calls: Calls, name: str) -> None:
    call, keywords = calls[name]
    call(**keywords)
    assert arguments_never_refused(name, call, keywords) == set()
