"""A store is repaired from its finished run, and nothing is forwarded but what was lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny_chain import add_module, content, dump, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.device import environment
from dgkd_cache.dump import inference
from dgkd_cache.dump.inference import GuideLogits
from dgkd_cache.errors import Damaged, Incomplete, Interrupted, InvalidInput, Mismatch
from dgkd_cache.progress import Progress, Silent
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.stream import Pairs
from dgkd_cache.workspace.tasks import repair as repair_job, repair_store
from dgkd_cache.workspace.tasks.repair import RepairResult
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import ChunkSlot, GuideStore, convert, verify


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one finished run and its store, of several chunks a view."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("repair")
        add_module(folder, patch)
        ws = workspace(folder / "ws", training__epochs=1, views__count=3)
        train(ws, "teacher")
        for target, value in (("ONE_CHUNK_BYTES", 100), ("TARGET_CHUNK_BYTES", 32 * 8)):
            patch.setattr(f"dgkd_stores.format.layout.{target}", value)
        patch.setattr("dgkd_stores.format.layout.DIGEST_BYTES", 8 * 8)
        patch.setattr("dgkd_cache.dump.header.default_digest_rows", lambda row_bytes: 8)
        dump(ws, "teacher")
        return ws.folder


@pytest.fixture
def ws(dumped: Path, tmp_path: Path) -> Workspace:
    """A copy of it, under the settings of its file, which differ: the store's header counts."""
    shutil.copytree(dumped, tmp_path / "ws")
    return Workspace.open(tmp_path / "ws")


@pytest.fixture
def forwarded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, int, int]]:
    """The (view, first, last) that the guide forwards, batches in a row as one; the view is None for the test set."""
    asked: list[tuple[object, int, int]] = []
    of_images, streamed = GuideLogits.of_images, inference.stream

    def images(self: GuideLogits, source: ViewRenderer, progress: Progress) -> object:
        asked.append((None, 0, len(source.images)))
        return of_images(self, source, progress)

    def stream(source: ViewRenderer, pairs: Iterable[Pairs], **settings: Any) -> object:
        def watched() -> Iterator[Pairs]:
            for views_B, samples_B in pairs:
                view, start, stop = int(views_B[0]), int(samples_B[0]), int(samples_B[-1]) + 1
                assert (views_B == view).all() and (samples_B == np.arange(start, stop)).all()
                if asked and asked[-1][0] == view and asked[-1][2] == start:
                    asked[-1] = (view, asked[-1][1], stop)
                else:
                    asked.append((view, start, stop))
                yield views_B, samples_B

        return streamed(source, watched(), **settings)

    monkeypatch.setattr(GuideLogits, "of_images", images)
    monkeypatch.setattr(inference, "stream", stream)
    return asked


def repair(ws: Workspace, name: str = "teacher", **settings: object) -> RepairResult:
    arguments = {"device": "cpu", "progress": Silent(), "stop": lambda: False, **settings}
    return repair_store(ws, path=ws.store_path(name), **arguments)


def flip(file: Path, at: int = 0) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_only_what_was_lost_is_forwarded(ws: Workspace, forwarded: list[object]) -> None:
    path, before = ws.store_path("teacher"), content(ws.folder)
    with GuideStore.open(path) as store:
        assert store.header.dataset.samples == 96 and store.header.digest_rows == 8
    flip(path / "logits" / "c.1.2.0")
    (path / "logits" / "c.2.0.0").unlink()
    flip(path / "digest" / "c.0.0.0", 3)
    flip(path / "probe" / "c.0.0")
    flip(path / "label" / "zarr.json", 5)
    result = repair(ws)
    assert forwarded == [(1, 64, 96), (2, 0, 32)] and result.samples == 64
    assert sorted(result.mended) == [
        "digest/c.0.0.0",
        "label/zarr.json",
        "logits/c.1.2.0",
        "logits/c.2.0.0",
        "probe/c.0.0",
    ]
    assert content(ws.folder) == before and verify(path, full=True).exit_code == 0
    assert [one.name for one in path.parent.iterdir()] == ["teacher.zarr"]


def test_lost_logits_of_the_test_set(ws: Workspace, forwarded: list[object]) -> None:
    path, before = ws.store_path("teacher"), content(ws.folder)
    (path / "test_logits" / "c.0.0").unlink()
    os.truncate(path / "test_label" / "c.0", 3)
    assert repair(ws).samples == 0
    assert forwarded == [(None, 0, 40)] and content(ws.folder) == before


def test_a_whole_store_loads_no_model(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair_job, "load_guide", lambda *words, **more: pytest.fail("the model was loaded"))
    before = {path: path.stat().st_mtime_ns for path in ws.store_path("teacher").rglob("*")}
    result = repair(ws)
    assert (result.mended, result.samples) == ((), 0) and result.seal is not None
    assert before == {path: path.stat().st_mtime_ns for path in ws.store_path("teacher").rglob("*")}
    flip(ws.store_path("teacher") / "logits" / "zarr.json", 5)
    assert repair(ws).mended == ("logits/zarr.json",)


def test_the_settings_are_the_stores(ws: Workspace) -> None:
    before = content(ws.folder)
    flip(ws.store_path("teacher") / "logits" / "c.0.0.0")
    other = {"cache.temperature": 2.0, "cache.encoding": "uint8", "cache.batch_size": 5, "views.count": 9}
    repair(ws.with_config(with_overrides(ws.config, {**other, "cache.licence": "x", "cache.codec": "zstd"})))
    assert content(ws.folder) == before


def test_batches_are_those_of_the_dump_whatever_the_chunks(ws: Workspace, forwarded: list[object]) -> None:
    path = ws.store_path("teacher")
    convert(path, ws.store_path("packed"), codec="zstd")
    with GuideStore.open(ws.store_path("packed")) as store:
        assert store.container.layout.chunk_rows == 96, "the settings of today cut other chunks"
    before = content(ws.folder)
    (ws.store_path("packed") / "logits" / "c.1.0.0").unlink()
    repair(ws, "packed")
    assert forwarded == [(1, 0, 96)] and content(ws.folder) == before


def test_chunks_smaller_than_a_batch(
    ws: Workspace, forwarded: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("dgkd_stores.writing.whole.default_chunk_rows", lambda header: 24)
    convert(ws.store_path("teacher"), ws.store_path("small"), codec="zstd")
    before = content(ws.folder)
    (ws.store_path("small") / "logits" / "c.1.1.0").unlink()  # samples 24 to 47, in the batches from 0 and 32
    assert repair(ws, "small").samples == 24
    assert forwarded == [(1, 0, 64)] and content(ws.folder) == before


def test_other_weights(ws: Workspace) -> None:
    flip(ws.store_path("teacher") / "logits" / "c.0.0.0")
    before = content(ws.folder)
    shutil.rmtree(ws.run_folder("teacher"))
    with pytest.raises(Incomplete, match="not trained"):
        repair(ws)
    train(ws, "teacher", training=ws.config.training.model_copy(update={"seed": 5}))
    with pytest.raises(Mismatch, match=r"holds the logits of another model") as caught:
        repair(ws)
    assert caught.value.exit_code == 13
    assert {name: data for name, data in content(ws.folder).items() if name.startswith("guides")} == {
        name: data for name, data in before.items() if name.startswith("guides")
    }


def test_another_machine_that_computes_the_same(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the model does not matter where the rows have the digests that were sealed."""
    before, really = content(ws.folder), environment.describe
    flip(ws.store_path("teacher") / "logits" / "c.0.0.0")
    (ws.store_path("teacher") / "label" / "c.0").unlink()
    monkeypatch.setattr(inference, "describe", lambda *words: {**really(*words), "torch": "9.9.9"})
    assert set(repair(ws).mended) == {"label/c.0", "logits/c.0.0.0"}
    assert content(ws.folder) == before


def test_rows_that_come_out_otherwise(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digests tell, and then what is another environment here is named; this one calls itself the same."""
    flip(ws.store_path("teacher") / "logits" / "c.0.1.0")
    flip(ws.store_path("teacher") / "test_logits" / "c.0.0")
    before = content(ws.folder)
    of_images, of_chunks = GuideLogits.of_images, GuideLogits.of_chunks

    def chunks_off(self: GuideLogits, *arguments: Any) -> Iterator[tuple[ChunkSlot, np.ndarray]]:
        for slot, logits_SC in of_chunks(self, *arguments):
            yield slot, logits_SC * np.float32(1.01)

    monkeypatch.setattr(GuideLogits, "of_images", lambda *arguments: of_images(*arguments) * np.float32(1.01))
    monkeypatch.setattr(GuideLogits, "of_chunks", chunks_off)
    with pytest.raises(Mismatch, match="test_logits come out otherwise"):
        repair(ws)
    assert content(ws.folder) == before
    flip(ws.store_path("teacher") / "test_logits" / "c.0.0")
    with pytest.raises(Mismatch, match="view 0, samples from 32 come out otherwise"):
        repair(ws)
    described = environment.describe
    monkeypatch.setattr(inference, "describe", lambda *words: {**described(*words), "torch": "9.9.9"})
    with pytest.raises(Mismatch, match=r"it was computed with torch .*, here \"9\.9\.9\"; repair it on") as caught:
        repair(ws)
    assert caught.value.exit_code == 13


def test_stopped_and_run_again(ws: Workspace, forwarded: list[object]) -> None:
    path, before = ws.store_path("teacher"), content(ws.folder)
    for view in range(3):
        flip(path / "logits" / f"c.{view}.0.0")
    asked = iter([False] * 1000)
    with pytest.raises(Interrupted, match="repair of teacher was stopped in view 1"):
        repair(ws, stop=lambda: len(forwarded) > 1 and next(asked) is False)
    assert repair(ws).mended == ("logits/c.1.0.0", "logits/c.2.0.0")
    assert content(ws.folder) == before


def test_an_unfinished_store_is_finished(ws: Workspace, forwarded: list[object]) -> None:
    path, before = ws.store_path("teacher"), content(ws.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dgkd_stores.format.layout.ONE_CHUNK_BYTES", 100)
        patch.setattr("dgkd_stores.format.layout.TARGET_CHUNK_BYTES", 32 * 8)
        patch.setattr("dgkd_cache.dump.header.default_digest_rows", lambda row_bytes: 8)
        shutil.rmtree(path)
        dump(ws.with_config(with_overrides(ws.config, {"views.count": 3})), "teacher", shard=(0, 3))
    flip(path / "logits" / "c.0.1.0")
    forwarded.clear()
    result = repair(ws)
    assert result.seal is not None
    # What was measured comes out again, as when a dump is taken up; then the lost rows and no others.
    lost = [(0, 32, 64), (1, 0, 96), (2, 0, 96)]
    assert forwarded == [(None, 0, 40), (0, 0, 96), *lost]
    digests = [file for file in result.mended if file.startswith("digest/c.")]
    assert digests == ["digest/c.0.0.0", "digest/c.1.0.0", "digest/c.2.0.0"] and result.mended[-1] == "zarr.json"
    assert len(set(result.mended)) == len(result.mended)
    assert content(ws.folder) == before


def unsealed(path: Path, **header: object) -> None:
    """Leaves a store as a dump does that was killed before its seal."""
    group = json.loads((path / "zarr.json").read_bytes())
    group["attributes"] = {"dgkd": group["attributes"]["dgkd"] | header}
    (path / "zarr.json").write_text(json.dumps(group))


def test_nothing_unproven_is_sealed(ws: Workspace) -> None:
    """Every row is there and fits its digest; only the guide proves the rest of an unfinished store."""
    path, before = ws.store_path("teacher"), content(ws.folder)
    unsealed(path)
    for name in ("label/c.0", "test_logits/c.0.0", "probe/c.0.0"):
        flip(path / name)
    result = repair(ws)
    assert set(result.mended) == {"label/c.0", "test_logits/c.0.0", "probe/c.0.0", "zarr.json"}
    assert content(ws.folder) == before
    unsealed(path, temperature="8")
    with pytest.raises(Mismatch, match="made with another .*temperature") as caught:
        repair(ws)
    assert caught.value.exit_code == 13 and GuideStore.open(path, allow_incomplete=True).seal is None


def test_refusals(ws: Workspace, tmp_path: Path) -> None:
    path = ws.store_path("teacher")
    convert(path, tmp_path / "teacher.h5")
    with pytest.raises(InvalidInput, match="not mended in place"):
        repair_store(ws, path=tmp_path / "teacher.h5", device="cpu", progress=Silent(), stop=lambda: False)
    group = path / "zarr.json"
    group.write_text(group.read_text().replace('"licence": ""', '"licence": "x"'))
    with pytest.raises(Damaged, match="header"):
        repair(ws)
