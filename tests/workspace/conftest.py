"""The tiny data set's module, and a chain that was run once."""

from __future__ import annotations

import pytest
from support.tiny_chain import MODULE, run, workspace


@pytest.fixture(autouse=True)
def tiny_bars(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("module")
    (folder / "tiny_bars.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory):
    """A finished chain; tests that change it copy its folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("done_module")
        (folder / "tiny_bars.py").write_text(MODULE)
        patch.syspath_prepend(str(folder))
        ws = workspace(tmp_path_factory.mktemp("done") / "ws")
        return ws, run(ws)
