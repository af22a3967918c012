"""A store that another kind of machine has begun: its rows and ours do not mix."""

from __future__ import annotations

import pytest
from support.tiny_chain import Lines

from dgkd_cache.device.environment import describe
from dgkd_cache.dump import inference
from dgkd_cache.progress import Silent
from dgkd_cache.study.making import Maker, is_made
from dgkd_cache.study.plan import StudyStore
from dgkd_cache.study.study import set_up_study
from dgkd_cache.workspace.tasks import dump_guide
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore


def test_a_dump_that_another_kind_of_machine_began_starts_anew(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = set_up_study(ws, methods=["scratch", "kd"], seeds=[0]).plan
    store = next(one for one in plan.work if isinstance(one, StudyStore))
    lines = Lines()
    maker = Maker(device="cpu", take_over=False, progress=lines, stop=lambda: False)
    maker.make(store.run)
    with monkeypatch.context() as patch:
        patch.setattr(inference, "describe", lambda *of: describe(*of) | {"capability": "AVX2", "torch": "9.9.9"})
        settings = {"device": "cpu", "progress": Silent(), "stop": lambda: False}
        dump_guide(store.workspace, model=store.run.name, path=store.path, shard=(0, 2), **settings)
    assert store.path.exists() and is_made(store.run) and not is_made(store)
    maker.make(store)
    assert is_made(store)
    assert [line for line in lines.lines if "starts anew" in line] == [
        f"the dump of {store.run.name} was begun with another capability, torch: it starts anew"
    ]
    with GuideStore.open(store.path) as finished:
        assert finished.header.compute["torch"] != "9.9.9"
