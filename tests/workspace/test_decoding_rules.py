"""Numbered decoding rules in a workspace: recorded where images need them and nowhere else, and held to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tiny_chain import run, workspace

from dgkd_cache.datasets import decoding
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.errors import Mismatch
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace.tasks import dump_guide, evaluate_model
from dgkd_cache.workspace.tasks.repair import settings_of
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

CHAIN = 'teacher = "plain2"\nstudent = "plain2"'


def pictures(folder: Path, *, dtype: type[np.unsignedinteger]) -> Path:
    """24 + 8 noisy pictures of two classes, of 8 or 16 bits; a difference of one grey level is none of 16 bits."""
    random = np.random.Generator(np.random.PCG64(0))
    for split, count in (("train", 24), ("test", 8)):
        for number in range(count):
            path = folder / split / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, np.iinfo(dtype).max // (1 + number % 2), (8, 8), dtype=dtype)
            Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished chain on pictures of 16 bits."""
    folder = pictures(tmp_path_factory.mktemp("deep"), dtype=np.uint16)
    ws = workspace(tmp_path_factory.mktemp("ws") / "ws", chain=CHAIN, dataset__name=f"folder:{folder}")
    run(ws)
    return ws


def again(ws: Workspace) -> Workspace:
    """The same workspace, whose data set is loaded anew."""
    return Workspace(ws.folder, ws.config)


def test_records_have_the_rules_of_the_pictures(deep: Workspace) -> None:
    for name in ("teacher", "student"):
        record = json.loads((deep.run_folder(name) / "inputs.json").read_text())
        assert (record["dataset.decoding.depth16"], record["dataset.test_decoding.depth16"]) == ("1", "1")
        assert load_card(deep.run_folder(name)).compute["decoding"] == {"depth16": 1}
    with GuideStore.open(deep.store_path("teacher")) as store:
        compute = store.header.compute
        assert compute["decoding"] == compute["test_decoding"] == {"depth16": 1}
        assert settings_of(store.header).batch_size == 32


def test_other_records_have_none(tmp_path: Path) -> None:
    """So that no finished run of before is stale."""
    folder = pictures(tmp_path / "usual", dtype=np.uint8)
    ws = workspace(tmp_path / "ws", chain=CHAIN, dataset__name=f"folder:{folder}")
    run(ws)
    assert "decoding" not in (ws.run_folder("teacher") / "inputs.json").read_text()
    assert "decoding" not in (ws.run_folder("teacher") / "card.json").read_text()
    assert "decoding" not in (ws.store_path("teacher") / "zarr.json").read_text()


@pytest.mark.parametrize("here", [2, None])
def test_a_store_of_other_rules_is_refused_before_training(
    deep: Workspace, monkeypatch: pytest.MonkeyPatch, here: int | None
) -> None:
    """The data set has the same digest, which is that of the files."""
    if here is None:  # as the version before the rule decoded them
        monkeypatch.setattr("dgkd_cache.datasets.folder.rules_of", lambda found: {})
    else:
        monkeypatch.setattr(decoding, "DEPTH16", here)
    dataset = again(deep).dataset()
    assert dataset.train.digest == deep.dataset().train.digest and isinstance(dataset.train, FolderImages)
    views = ViewRenderer(deep.plan(), dataset.train)
    with pytest.raises(Mismatch, match=r"decoded by other rules: expected decoding rules .*, found {.depth16.: 1}"):
        GuideBank([deep.store_path("teacher")], views)


def test_a_run_of_other_rules_is_neither_measured_nor_dumped_nor_called_finished(
    deep: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "DEPTH16", 2)
    ws, settings = again(deep), {"device": "cpu", "progress": Silent()}
    with pytest.raises(
        Mismatch, match=r"run teacher was trained on images that were decoded by other rules.*: 2}"
    ) as e:
        evaluate_model(ws, model="teacher", split="test", **settings)
    assert e.value.exit_code == 13
    with pytest.raises(Mismatch, match="decoded by other rules"):
        dump_guide(ws, model="teacher", stop=lambda: False, **settings)
    with pytest.raises(Mismatch, match="dataset.decoding.depth16 was 1, is 2"):
        run(ws)
