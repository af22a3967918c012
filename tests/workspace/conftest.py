"""The tiny data set's module, one of the user's own, and a chain that was run once."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from support.tiny_chain import add_module, run, workspace


@pytest.fixture(autouse=True)
def tiny_bars(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("module")
    add_module(folder, monkeypatch)


@pytest.fixture
def import_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], ModuleType]:
    """Imports a module of the user's own by its name, written with a text."""

    def write(name: str, text: str) -> ModuleType:
        folder = tmp_path_factory.mktemp(name)
        (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return write


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory):
    """A finished chain; tests that change it copy its folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("done_module")
        add_module(folder, patch)
        ws = workspace(tmp_path_factory.mktemp("done") / "ws")
        return ws, run(ws)
