"""Variants whose students are pruned: the same runs as `prune` makes, their costs, and what is refused."""

from __future__ import annotations

import pytest
from support.tiny_chain import train, workspace

from dgkd_cache.errors import DgkdError, InvalidInput
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.study.check import check_plan
from dgkd_cache.study.plan import StudyRun, make_plan
from dgkd_cache.study.records import read_record
from dgkd_cache.study.results import make_results
from dgkd_cache.study.study import Study, run_study, set_up_study
from dgkd_cache.study.variants import METHODS, make_variants
from dgkd_cache.workspace.pruning import Pruning
from dgkd_cache.workspace.workspace import Workspace

CHAIN = 'teacher = "plain6"\nta1 = "plain4"\nstudent = "plain2"'
DENSE = {"method": "scratch"}
MAGNITUDE = {"method": "scratch", "prunes": "dense", "sparsity": 0.5, "criterion": "magnitude", "epochs": 1}
GUIDED = {
    "method": "dgkd",
    "dropping": "none",
    "prunes": "dense",
    "sparsity": 0.8,
    "pruning.steps": 4,
    "pruning.batch_size": 36,
    "epochs": 1,
    "lr": 0.01,
}


def compared(ws: Workspace, variants: dict[str, dict[str, object]], **compare: object) -> Workspace:
    """The workspace with these variants in its [compare], the first of them the reference."""
    given = {"variants": variants, "reference": next(iter(variants)), **compare}
    return ws.with_config(ws.config.model_copy(update={"compare": ws.config.compare.model_copy(update=given)}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, _module: None) -> tuple[Study, dict]:
    ws = workspace(tmp_path_factory.mktemp("pruned") / "ws", chain=CHAIN, training__epochs=2)
    study = set_up_study(compared(ws, {"dense": DENSE, "magnitude": MAGNITUDE, "guided": GUIDED}), seeds=[0, 1])
    return study, dict(run_study(study, device="cpu", progress=Silent(), stop=lambda: False))


@pytest.mark.parametrize(("variant", "guides"), [("magnitude", 0), ("guided", 2)])
def test_a_student_is_what_prune_makes_of_its_source(finished: tuple[Study, dict], variant: str, guides: int) -> None:
    """Another run of the same folder is pruned from the same source, by the same stores, and has the same weights."""
    study, _ = finished
    run, source = study.plan.students[variant, 1], study.plan.students["dense", 1]
    assert run.source is source and len(run.guides) == guides
    assert run.pruning == Pruning(source=source.name, sparsity=run.pruning.sparsity, settings=run.pruning.settings)
    again = train(
        run.workspace,
        f"again-{variant}",
        architecture=run.architecture,
        guides=[store.path for store in run.guides],
        training=run.training,
        distillation=run.distillation,
        pruning=run.pruning,
    )
    card = load_card(run.path)
    assert again.weights_digest == card.weights_digest
    kept = card.training["pruning"]
    assert kept["weights_kept"] == kept["weights_of"] - round(run.pruning.sparsity * kept["weights_of"])


def test_the_recipe_of_the_retraining_does_not_reach_guides_and_sources(finished: tuple[Study, dict]) -> None:
    study, _ = finished
    plain = make_plan(
        study.workspace, make_variants(study.workspace.config, {"dgkd": METHODS["dgkd"]}), [0, 1], guides="shared"
    )
    theirs = {one.name for one in plain.work if isinstance(one, StudyRun) and one.model != "student"}
    ours = {store.run.name for store in study.plan.students["guided", 0].guides}
    assert ours == theirs
    recipes = {name: study.plan.students[name, 0].training for name in ("dense", "guided")}
    assert (recipes["guided"].epochs, recipes["guided"].lr) == (1, 0.01)
    assert (recipes["dense"].epochs, recipes["dense"].lr) == (2, study.workspace.config.training.lr)


def test_costs_have_the_source_and_the_importance(finished: tuple[Study, dict]) -> None:
    study, results = finished
    for variant, judged in (("magnitude", 0), ("guided", 4 * 36 - 12)):  # 96 samples are batches of 36, 36 and 24
        run = study.plan.students[variant, 0]
        record = read_record(run)
        assert record["source_run"] == study.plan.students["dense", 0].name
        assert record["cost"].get("importance_samples", 0) == judged
        assert record["cost"]["guide_rows"] == len(run.guides) * (96 + judged)
    costs = {name: results["variants"][name]["cost"] for name in ("dense", "magnitude", "guided")}
    assert costs["dense"]["guides_epochs"] == 0
    assert costs["magnitude"]["guides_epochs"] == costs["dense"]["epochs"] == 4, "two sources of two epochs"
    assert costs["guided"]["guides_epochs"] == 4 + 2 + 2, "and a teacher and an assistant"


def test_the_verdict_is_not_about_guidance_where_sparsity_differs(finished: tuple[Study, dict]) -> None:
    study, results = finished
    assert "uidance" not in results["verdict"] and "guided" in results["verdict"]
    alike = {**study.variants, "unguided": {**MAGNITUDE, "sparsity": 0.8}}
    runs = {(name, seed): read_record(study.plan.students[name, seed]) for name in study.variants for seed in (0, 1)}
    runs |= {("unguided", seed): runs["magnitude", seed] for seed in (0, 1)}
    pairs = [("guided", "unguided"), ("guided", "dense")]
    told = make_results(alike, runs, seeds=[0, 1], reference="dense", pairs=pairs, guides="shared")["verdict"]
    assert "Dense guidance" in told and "unguided" in told and "dense" not in told


def test_a_study_goes_on_from_the_records_alone(finished: tuple[Study, dict]) -> None:
    study, results = finished
    again = run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    assert again == results


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prunes": "dense"}, "the variant x lacks a sparsity: .*add sparsity = 0.8"),
        ({"sparsity": 0.5}, "the variant x prunes nothing: expected prunes, .* for sparsity, found sparsity = 0.5"),
        ({"criterion": "magnitude"}, "the variant x prunes nothing: .*criterion"),
        ({"pruning.steps": 3}, "the variant x prunes nothing: .*pruning.steps"),
        ({"prunes": "dense", "sparsity": 1.0}, "sparsity of the variant x: expected a number from 0 to below 1.*1.0"),
        ({"prunes": "dense", "sparsity": -0.1}, "sparsity of the variant x: .*-0.1"),
        ({"prunes": "dense", "sparsity": float("nan")}, "sparsity of the variant x: .*nan"),
        ({"prunes": "dense", "sparsity": "0.5"}, "sparsity of the variant x: .*'0.5'"),
        ({"prunes": "dense", "sparsity": True}, "sparsity of the variant x: .*True"),
        ({"prunes": "dens", "sparsity": 0.5}, "unknown variant whose student x could prune, .*did you mean dense"),
        ({"prunes": "x", "sparsity": 0.5}, "unknown variant whose student x could prune,"),
        ({"prunes": "pruned", "sparsity": 0.9}, "unknown variant whose student x could prune,"),
        ({"guides_from": "pruned"}, "unknown variant that x could take its guides from,"),
        ({"prunes": "dense", "sparsity": 0.5, "input_size": 16}, "the variant x cannot set input_size"),
        ({"prunes": "dense", "sparsity": 0.5, "method": "scratch"}, "cannot be pruned by .* under guides.*scratch"),
        ({"prunes": "dense", "sparsity": 0.5, "lambda": 0.0}, "cannot be pruned by .* under guides.*lambda = 0"),
        (
            {"prunes": "dense", "sparsity": 0.5, "criterion": "size"},
            "key 'criterion' in table .pruning. of the variant",
        ),
        (
            {"prunes": "dense", "sparsity": 0.5, "pruning.steps": 0},
            "key 'steps' in table .pruning. of the variant",
        ),
    ],
)
def test_what_is_refused(ws: Workspace, changes: dict[str, object], said: str) -> None:
    with pytest.raises(DgkdError, match=said) as caught:
        make_variants(ws.config, {"x": changes, "dense": DENSE, "pruned": MAGNITUDE})
    assert caught.value.exit_code == 2


def test_two_variants_with_the_same_runs_are_refused(ws: Workspace) -> None:
    """The number of steps changes nothing under `magnitude`."""
    variants = {"dense": DENSE, "a": MAGNITUDE, "b": {**MAGNITUDE, "pruning.steps": 7}}
    with pytest.raises(InvalidInput, match="the variants a and b are the same"):
        set_up_study(compared(ws, variants), seeds=[0])


def test_rows_that_do_not_fit_the_importance_are_refused_before_the_training(ws: Workspace) -> None:
    study = set_up_study(compared(ws, {"dense": DENSE, "x": {**GUIDED, "encoding": "topk", "topk": 2}}), seeds=[0])
    with pytest.raises(InvalidInput, match=r"standardize.*standardize = false in \[pruning\]"):
        check_plan(study.workspace, study.plan, device="cpu", progress=Silent())
