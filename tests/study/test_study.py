"""What a study takes from dgkd.toml and from its caller, and where it puts what it makes."""

from __future__ import annotations

import json

import pytest
from support.tiny_chain import CONFIG

from dgkd_cache.errors import DgkdError
from dgkd_cache.progress import Silent
from dgkd_cache.study.study import run_study, set_up_study
from dgkd_cache.workspace.workspace import Workspace

TABLE = """
[compare]
reference = "plain"
seeds = [7, 3]
guides = "per-seed"
[compare.variants]
plain = { method = "kd", dropping = "none" }
"higher, T 8" = { method = "kd", dropping = "none", temperature = 8.0 }
"""


def with_table(ws: Workspace, table: str) -> Workspace:
    chain = "\n".join(f'{name} = "{architecture}"' for name, architecture in ws.config.chain.items())
    return Workspace.init(ws.folder / "other", CONFIG.format(chain=chain) + table)


def test_the_table_of_the_file(ws: Workspace) -> None:
    study = set_up_study(with_table(ws, TABLE))
    assert [*study.variants] == ["plain", "higher, T 8"]
    assert (study.seeds, study.reference, study.guides) == ((7, 3), "plain", "per-seed")
    assert {key for key in study.plan.students} == {(name, seed) for name in study.variants for seed in (7, 3)}
    assert study.folder == ws.folder / "other" / "compare"


def test_arguments_go_before_the_file(ws: Workspace) -> None:
    study = set_up_study(with_table(ws, TABLE), methods=["kd", "takd"], seeds=range(2), guides="shared")
    assert ([*study.variants], study.seeds, study.reference, study.guides) == (["kd", "takd"], (0, 1), "kd", "shared")


def test_without_a_table_there_are_the_five_methods(ws: Workspace) -> None:
    study = set_up_study(ws)
    assert [*study.variants] == ["scratch", "kd", "takd", "dgkd", "dgkd+drop"]
    assert (study.seeds, study.reference, study.guides) == ((0, 1, 2, 3, 4), "scratch", "shared")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[compare]\nseeds = [1, 1]", "each seed once"),
        ("[compare]\nseeds = 0", "seeds"),
        ("[compare]\nreferenc = 'a'", "did you mean 'reference'"),
        ("[compare]\nguides = 'both'", "shared"),
    ],
)
def test_a_table_that_is_refused(ws: Workspace, table: str, said: str) -> None:
    with pytest.raises(DgkdError, match=said) as caught:
        with_table(ws, table)
    assert caught.value.exit_code == 2


def test_arguments_that_are_refused(ws: Workspace) -> None:
    for settings, said in (({"reference": "kdd"}, "did you mean .*kd"), ({"seeds": [1, 1]}, "a seed is given twice")):
        with pytest.raises(DgkdError, match=said) as caught:
            set_up_study(ws, **settings)
        assert caught.value.exit_code == 2
    assert not (ws.folder / "compare").exists()


def test_a_study_leaves_the_workspace_alone(ws: Workspace) -> None:
    study = set_up_study(ws, methods=["scratch", "kd"], seeds=[0])
    results = run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    assert json.loads((study.folder / "results.json").read_text()) == json.loads(json.dumps(results))
    assert sorted(path.name for path in ws.folder.iterdir()) == ["compare", "dgkd.toml"]
    assert {path.name for path in study.folder.iterdir()} == {
        *("runs", "guides", "records", "results.json", "timings.json")
    }
    assert results["comparisons"][0]["exploratory"] and results["comparisons"][0]["verdict"] == "inconclusive"
