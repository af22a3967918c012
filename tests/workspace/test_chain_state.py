"""The state of a chain is found in one pass: how often stores are opened for it, and what is refused all the same."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from support.tiny_chain import add_module, run, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import Damaged, Mismatch
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

FOUR = "\n".join(f'{name} = "plain2"' for name in ("teacher", "ta1", "ta2", "student"))
ONCE = {"teacher": 1, "ta1": 1, "ta2": 1}


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished chain of four models, for copies."""
    folder = tmp_path_factory.mktemp("four")
    with pytest.MonkeyPatch.context() as patch:
        add_module(folder, patch)
        ws = workspace(folder / "ws", chain=FOUR, training__epochs=1)
        run(ws)
    return ws


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts by name the stores that are opened in full."""
    found, real = Counter[str](), GuideStore.__init__

    def counting(self: GuideStore, path: Path | str, **settings: object) -> None:
        found[Path(path).stem] += 1
        real(self, path, **settings)

    monkeypatch.setattr(GuideStore, "__init__", counting)
    return found


def test_a_finished_chain_opens_each_store_once(four: Workspace, opened: Counter[str]) -> None:
    assert {row.state for row in run(four)} == {"done"}
    assert opened == ONCE


def test_the_rows_of_a_chain_open_each_store_once(four: Workspace, opened: Counter[str]) -> None:
    assert {row.state for row in chain_rows(four, device="cpu")} == {"done"}
    assert opened == ONCE


def test_what_is_made_is_looked_at_again_and_nothing_else(
    four: Workspace, tmp_path: Path, opened: Counter[str]
) -> None:
    ws = copied(four, tmp_path)
    shutil.rmtree(ws.run_folder("student"))
    assert {row.state for row in run(ws)} == {"done"}
    assert opened == Counter(ONCE) + Counter(ONCE), "once for the state, once to learn from them"


def test_a_store_that_changed_is_still_refused(four: Workspace, tmp_path: Path) -> None:
    """Its seal does not tell: only a store that is opened in full shows it."""
    ws = copied(four, tmp_path)
    label = next((ws.store_path("ta1") / "label").glob("c*"))
    content = bytearray(label.read_bytes())
    content[0] ^= 1
    label.write_bytes(content)
    with pytest.raises(Damaged, match=r"ta1.zarr.*content is not what was sealed"):
        run(ws)


def test_another_guide_makes_all_later_ones_stale(four: Workspace, tmp_path: Path) -> None:
    """The state from before the first model was made again does not hold after it."""
    ws = copied(four, tmp_path)
    other = ws.with_config(with_overrides(ws.config, {"training.teacher.lr": 0.01}))
    with pytest.raises(Mismatch, match=r"teacher is stale.*training.lr was 0.1, is 0.01"):
        run(other)
    rows = run(other, remake=True)
    assert {row.state for row in rows} == {"done"}
    assert {path.name for path in (ws.folder / "aside").iterdir()} == {f"{name}-1" for name in ws.chain}


def copied(ws: Workspace, folder: Path) -> Workspace:
    shutil.copytree(ws.folder, folder / "ws")
    return Workspace(folder / "ws", ws.config)
