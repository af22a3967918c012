"""Rows of a store forwarded again: what was altered under a valid seal is found, and what was not is as it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tiny_chain import Lines, add_module, dump, train, workspace

from dgkd_cache.device import environment
from dgkd_cache.dump.inference import GuideLogits
from dgkd_cache.dump.recompute import draw_batches
from dgkd_cache.errors import Damaged, Incomplete, Interrupted, Mismatch
from dgkd_cache.progress import Silent
from dgkd_cache.workspace.tasks import Recomputed, recompute_rows
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import ChunkSlot, GuideStore, verify

VIEWS, SAMPLES, BATCH = 3, 96, 32

Alter = Callable[[ChunkSlot, NDArray[np.float32]], None]


@pytest.fixture(scope="module", params=["float16", "float32", "uint8"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a finished run, which stores in each encoding."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("recompute")
        add_module(folder, patch)
        ws = workspace(folder / "ws", chain='teacher = "plain2"\nstudent = "plain2"')
        text = (ws.folder / "dgkd.toml").read_text()
        text = text.replace("count = 2", f"count = {VIEWS}")
        text = text.replace("[cache]", f'[cache]\nencoding = "{request.param}"')
        assert f"batch_size = {BATCH}\n" in text
        (ws.folder / "dgkd.toml").write_text(text)
        train(Workspace.open(ws.folder), "teacher")
        return ws.folder


@pytest.fixture
def ws(trained: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(trained, tmp_path / "ws")
    return Workspace.open(tmp_path / "ws")


def dumped(ws: Workspace, patch: pytest.MonkeyPatch, alter: Alter = lambda slot, rows_SC: None) -> Path:
    """The guide's store, whose rows were altered before they were hashed, written and sealed."""
    of_chunks = GuideLogits.of_chunks

    def altered(self: GuideLogits, *arguments: Any) -> Any:
        for slot, rows_SC in of_chunks(self, *arguments):
            alter(slot, rows_SC)
            yield slot, rows_SC

    with patch.context() as within:
        within.setattr(GuideLogits, "of_chunks", altered)
        path = dump(ws, "teacher").path
    found = verify(path, full=True)
    assert found.complete and not found.damage, "the seal is valid whatever the rows are"
    return path


def recompute(ws: Workspace, path: Path, rows: int, **settings: Any) -> Recomputed:
    return recompute_rows(ws, path=path, rows=rows, device="cpu", **{"progress": Silent(), **settings})


def by_the_page(seal: str, rows: int) -> set[tuple[int, int]]:
    """The rows drawn, from the docstring: Philox by numpy's own counter, which starts one block early."""
    key = hashlib.sha256(b"dgkd-recompute" + seal.encode() + str(rows).encode()).digest()[:16]
    philox = np.random.Philox(
        key=np.frombuffer(key, "<u8").astype(np.uint64), counter=np.full(4, 2**64 - 1, dtype=np.uint64)
    )
    words = [int(word) for word in philox.random_raw(2 * rows)]
    return {
        ((view >> 32) * VIEWS >> 32, (sample >> 32) * SAMPLES >> 32)
        for view, sample in zip(words[::2], words[1::2], strict=True)
    }


def test_a_store_of_our_own_is_the_same_to_the_bit(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lines = dumped(ws, monkeypatch), Lines()
    found = recompute(ws, path, VIEWS * SAMPLES, progress=lines)
    assert (found.rows, found.batches, found.exact) == (VIEWS * SAMPLES, VIEWS * SAMPLES // BATCH, True)
    assert (found.differing, found.first, found.run) == (0, None, "teacher")
    with GuideStore.open(path) as store:
        span = np.ptp(store.gather([0] * SAMPLES, range(SAMPLES)))
        assert found.largest <= {"float32": 0, "float16": span * 2**-11, "uint8": span / 255}[store.header.encoding]


def test_rows_are_drawn_as_the_page_says(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with GuideStore.open(dumped(ws, monkeypatch)) as store:
        for rows in (1, 2, 3, 7):
            drawn = by_the_page(store.seal or "", rows)
            expected = sorted({(view, sample // BATCH * BATCH) for view, sample in drawn})
            slots = draw_batches(store, rows)
            assert [(slot.view, slot.start) for slot in slots] == expected
            assert all(slot.stop == slot.start + BATCH for slot in slots)
        assert len({tuple(draw_batches(store, rows)) for rows in range(1, 9)}) > 4, "another number, other rows"
        views = {slot.view for rows in range(1, 30) for slot in draw_batches(store, rows)}
        assert views == set(range(VIEWS))


def test_an_altered_row_under_a_valid_seal_is_found(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def swap(slot: ChunkSlot, rows_SC: NDArray[np.float32]) -> None:
        if slot.view == 1 and slot.start <= 70 < slot.stop:
            rows_SC[70 - slot.start] = rows_SC[70 - slot.start, ::-1].copy()

    path = dumped(ws, monkeypatch, swap)
    found = recompute(ws, path, VIEWS * SAMPLES)
    assert (found.differing, found.first, found.exact) == (1, (1, 70), True)
    assert found.largest > 0.01


def test_on_another_machine_last_bits_pass_and_alterations_do_not(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = environment.describe

    def elsewhere(*arguments: Any) -> dict[str, str | int]:
        return describe(*arguments) | {"capability": "AVX2"}

    def nudge(slot: ChunkSlot, rows_SC: NDArray[np.float32]) -> None:
        rows_SC *= 1 + 1e-5
        if slot.view == 2:
            rows_SC[5 - slot.start] += 0.05 * np.abs(rows_SC[5 - slot.start]).max()

    with monkeypatch.context() as there:
        there.setattr("dgkd_cache.dump.inference.describe", elsewhere)
        path = dumped(ws, monkeypatch, nudge)
    found = recompute(ws, path, VIEWS * SAMPLES)
    assert (found.exact, found.differing, found.first) == (False, 1, (2, 5))


def test_the_run_is_told_by_its_weights(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dumped(ws, monkeypatch)
    ws.run_folder("teacher").rename(ws.run_folder("renamed"))
    train(ws, "teacher", training=ws.config.training.model_copy(update={"seed": 5}))
    assert recompute(ws, path, 5).run == "renamed"
    shutil.rmtree(ws.run_folder("renamed"))
    with pytest.raises(Incomplete, match="expected the finished run teacher, of weights [0-9a-f]{16}.*other weights"):
        recompute(ws, path, 5)
    shutil.rmtree(ws.folder / "runs")
    with pytest.raises(Incomplete, match="found no runs; name the workspace that has it"):
        recompute(ws, path, 5)


def test_what_does_not_belong_or_is_not_whole_is_refused(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dumped(ws, monkeypatch)
    text = (ws.folder / "dgkd.toml").read_text()
    (ws.folder / "dgkd.toml").write_text(text.replace('"crop(1)", "hflip"', '"crop(1)"'))
    with pytest.raises(Mismatch, match="another view plan"):
        recompute(Workspace.open(ws.folder), path, 5)
    with pytest.raises(Interrupted):
        recompute(ws, path, 5, stop=lambda: True)
    (chunk := sorted(path.glob("logits/c.*"))[0]).write_bytes(bytes(chunk.stat().st_size))
    with pytest.raises(Damaged):
        recompute(ws, path, VIEWS * SAMPLES)
    (path / "zarr.json").write_text(json.dumps(_unsealed(json.loads((path / "zarr.json").read_text()))))
    with pytest.raises(Incomplete):
        recompute(ws, path, 5)


def _unsealed(root: dict[str, Any]) -> dict[str, Any]:
    for name in ("dgkd_seal", "dgkd_digests"):
        del root["attributes"][name]
    return root
