"""A study by dgkd.toml and by its caller: its variants, seeds and guides, and its files."""

from __future__ import annotations

import json

import pytest
from support.ssh_keys import key_pair
from support.tiny_chain import CONFIG, Lines, dump, train

from dgkd_cache.config.tables import CompareConfig
from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import DgkdError, InvalidInput
from dgkd_cache.progress import Silent
from dgkd_cache.study.study import run_study, set_up_study, study_timings
from dgkd_cache.study.variants import METHODS
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import verify

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


@pytest.mark.parametrize("teacher", ["adopted:big", "store:../theirs.zarr"])
def test_a_chain_with_a_guide_from_elsewhere_is_refused(ws: Workspace, teacher: str) -> None:
    """Before anything is made: a study trains and measures all of its models."""
    chain = f'teacher = "{teacher}"\nstudent = "plain2"'
    text = CONFIG.format(chain=chain).replace("[training.teacher]\nepochs = 3\n", "")
    other = Workspace.init(ws.folder / "elsewhere", text)
    with pytest.raises(InvalidInput) as caught:
        set_up_study(other)
    assert str(caught.value) == (
        "a chain with teacher from elsewhere cannot be compared: expected a chain whose models are all trained here, "
        f"found teacher = '{teacher}'; compare students under it with `train`, a run for each setting and seed, and "
        "`ls`"
    )
    assert caught.value.exit_code == 2 and not (other.folder / "compare").exists()


def test_without_a_table_there_are_the_five_methods(ws: Workspace) -> None:
    study = set_up_study(ws)
    assert [*study.variants] == ["scratch", "kd", "takd", "dgkd", "dgkd+drop"]
    assert (study.seeds, study.reference, study.guides) == ((0, 1, 2, 3, 4), "scratch", "shared")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[compare]\nseeds = [1, 1]", "each seed once"),
        *(
            (f"[compare]\nseeds = {value}", "key 'seeds' .* a number of seeds from 1 to 1000, or a list of seeds")
            for value in ("0", "1001", "-1", "true", "[]", "[true]", "[-1]", "'5'", "[0.5]")
        ),
        ("[compare]\nreferenc = 'a'", "did you mean 'reference'"),
        ("[compare]\nguides = 'both'", "shared"),
        ("[compare]\nprotocol = 'best'", "paper"),
        ("[compare]\ncomparisons = ['dgkd']", "pairs of variants"),
        ("[compare]\ncomparisons = [['a', 'b', 'c']]", "pairs of variants"),
        ("[compare]\ncomparisons = [[1, 2]]", "pairs of variants"),
        ("[compare.variants]\nx = 3", "a table"),
    ],
)
def test_a_table_that_is_refused(ws: Workspace, table: str, said: str) -> None:
    with pytest.raises(DgkdError, match=said) as caught:
        with_table(ws, table)
    assert caught.value.exit_code == 2


def test_arguments_that_are_refused(ws: Workspace) -> None:
    for settings, said in (
        ({"reference": "kdd"}, "did you mean .*kd"),
        ({"seeds": [1, 1]}, "a seed is given twice: .* found 1 again"),
        ({"methods": ["kd", "scratch", "kd"]}, "a method is given twice: .* found kd again"),
    ):
        with pytest.raises(DgkdError, match=said) as caught:
            set_up_study(ws, **settings)
        assert caught.value.exit_code == 2
    assert not (ws.folder / "compare").exists()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[compare]\nreference = 'kdd'", "unknown variant to compare with 'kdd': .*did you mean kd"),
        ("[compare.variants]\n' x' = {}", "a name of a variant cannot be shown"),
        ('[compare.variants]\n"a\\nb" = {}', "a name of a variant cannot be shown"),
        ('[compare.variants]\n"" = {}', "a name of a variant cannot be shown"),
    ],
)
def test_a_table_that_no_study_can_be_made_of(ws: Workspace, table: str, said: str) -> None:
    with pytest.raises(DgkdError, match=said) as caught:
        set_up_study(with_table(ws, table))
    assert caught.value.exit_code == 2


def test_a_study_leaves_the_workspace_alone(ws: Workspace) -> None:
    study = set_up_study(ws, methods=["scratch", "kd"], seeds=[0])
    results = run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    assert json.loads((study.folder / "results.json").read_text()) == json.loads(json.dumps(results))
    assert sorted(path.name for path in ws.folder.iterdir()) == ["compare", "dgkd.toml"]
    assert {path.name for path in study.folder.iterdir()} == {
        *("runs", "guides", "records", "results.json", "timings.json", "study.json", ".dumped")
    }
    assert results["comparisons"][0]["exploratory"] and results["comparisons"][0]["verdict"] == "inconclusive"


def test_the_comparisons_that_are_named(ws: Workspace) -> None:
    table = '[compare]\ncomparisons = [["dgkd+drop", "dgkd"], ["dgkd", "kd"]]'
    named = with_table(ws, table)
    assert set_up_study(named).pairs == (("dgkd+drop", "dgkd"), ("dgkd", "kd"))
    assert set_up_study(named, reference="takd").pairs == tuple((name, "takd") for name in METHODS if name != "takd"), (
        "a reference that is given goes before the file"
    )
    assert set_up_study(named, methods=["kd", "dgkd"]).pairs == (("dgkd", "kd"),), "the others are not there"
    assert set_up_study(named, methods=["scratch", "kd"]).pairs == (("kd", "scratch"),)
    assert set_up_study(ws, methods=["scratch", "kd"]).pairs == (("kd", "scratch"),)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ('[["dgdk", "kd"]]', "unknown variant in comparisons 'dgdk': .*did you mean dgkd"),
        ('[["kd", "kd"]]', "kd is compared with itself"),
        ('[["kd", "dgkd"], ["dgkd", "kd"]]', "a comparison is given twice: .* found dgkd and kd again"),
    ],
)
def test_comparisons_that_are_refused(ws: Workspace, pairs: str, said: str) -> None:
    with pytest.raises(DgkdError, match=said) as caught:
        set_up_study(with_table(ws, f"[compare]\ncomparisons = {pairs}"), methods=["kd", "dgkd"])
    assert caught.value.exit_code == 2


def test_guides_of_each_seed(ws: Workspace) -> None:
    """Each student learns from guides of its own seed, and is that of a study with this seed as the guides'."""
    study = set_up_study(ws, methods=["kd", "dgkd"], seeds=[3, 4], guides="per-seed")
    results = run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    assert results["guides"] == "per-seed" and results["variants"]["kd"]["cost"]["guides_epochs"] == 2 * 2
    runs = results["runs"]
    for variant in results["variants"].values():
        for seed, name in variant["runs"].items():
            assert {runs[guide]["training"]["seed"] for guide in runs[name]["guide_runs"]} == {int(seed)}
    assert len({run["weights"] for run in runs.values() if run["model"] == "teacher"}) == 2
    times = json.loads((study.folder / "timings.json").read_text())
    (study.folder / "runs" / min(runs)).rename(ws.folder / "elsewhere")
    assert study_timings(study) == times and times.keys() == runs.keys(), "of a run that is elsewhere, the file tells"
    alone = Workspace(ws.folder / "alone", with_overrides(ws.config, {"training.seed": 4}))
    shared = set_up_study(alone, methods=["kd", "dgkd"], seeds=[4], guides="shared")
    again = run_study(shared, device="cpu", progress=Silent(), stop=lambda: False)
    for name in ("kd", "dgkd"):
        run = again["variants"][name]["runs"]["4"]
        assert again["runs"][run] == runs[results["variants"][name]["runs"]["4"]]


def test_one_run_that_fails_leaves_the_rest(ws: Workspace) -> None:
    """A student whose loss is not finite, and an assistant whose students then cannot be trained."""
    wild = {"method": "scratch", "lr": 1e30}
    changes = {"scratch": {"method": "scratch"}, "wild": wild, "takd": {"method": "takd"}}
    config = ws.config.model_copy(update={"compare": CompareConfig(variants=changes, seeds=2)})
    study = set_up_study(ws.with_config(config))
    lines = Lines()
    results = run_study(study, device="cpu", progress=lines, stop=lambda: False)
    assert (
        sum("cannot be made, the rest goes on: the loss is not finite in epoch 0" in line for line in lines.lines) == 2
    )
    assert [(one["variants"], one["seed"], one["model"]) for one in results["failed"]] == [
        (["wild"], 0, "student"),
        (["wild"], 1, "student"),
    ]
    assert {name: len(one["runs"]) for name, one in results["variants"].items()} == {"scratch": 2, "wild": 0, "takd": 2}
    assert {one["variant"]: one["verdict"] for one in results["comparisons"]} == {
        "wild": "incomplete",
        "takd": "inconclusive",
    }
    assert json.loads((study.folder / "results.json").read_text()) == json.loads(json.dumps(results))
    before = (study.folder / "results.json").read_bytes()
    run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    assert (study.folder / "results.json").read_bytes() == before

    changes = {"scratch": {"method": "scratch"}, "wild": {"method": "takd", "dropping": "none"}}
    wild_assistant = with_overrides(ws.config, {"training.lr": 0.01}).model_copy(
        update={
            "compare": CompareConfig(variants=changes, seeds=2),
            "training_models": {**ws.config.training_models, "ta1": {"lr": 1e30}},
        }
    )
    study = set_up_study(ws.with_config(wild_assistant))
    results = run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    assert [(one["model"], one["variants"]) for one in results["failed"]] == [("ta1", ["wild"])]
    assert {name: len(one["runs"]) for name, one in results["variants"].items()} == {"scratch": 2, "wild": 0}


def test_paths_of_the_file_start_at_the_workspace(ws: Workspace) -> None:
    """The runs of a study lie in a folder of its own, which relative paths do not start at."""
    train(ws, "teacher")
    dump(ws, "teacher")
    _, public = key_pair(ws.folder / "keys")
    settings = {
        "dataset.align": "teacher",
        "dataset.class_map": "classes.json",
        "sharing.keys": ["keys/lab.pub", public.read_text().strip()],
        "sharing.allowed_signers": "keys/signers",
    }
    (ws.folder / "classes.json").write_text(json.dumps({name: name for name in ws.dataset().train.classes}))
    (ws.folder / "keys" / "signers").write_text(f"lab@example.org {public.read_text()}")
    config = ws.config.model_copy(update={"compare": CompareConfig(variants={"kd": {"method": "kd"}}, seeds=1)})
    study = set_up_study(Workspace(ws.folder, with_overrides(config, settings)))
    run = study.plan.students["kd", 0]
    assert run.workspace.dataset().train.guide.seal == verify(ws.store_path("teacher")).seal
    trusted = run.workspace.trusted_keys()
    assert trusted is not None and len(trusted.keys) == 2 and len(trusted.allowed) == 1
