"""Variants whose guides are draws: stores that are shared, the same runs as outside of a study, and costs."""

from __future__ import annotations

import pytest
from support.tiny_chain import train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import DgkdError, InvalidInput
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.study.check import check_plan
from dgkd_cache.study.plan import StudyStore
from dgkd_cache.study.records import read_record
from dgkd_cache.study.study import Study, run_study, set_up_study
from dgkd_cache.study.timings import read_timings, seconds_of, variant_seconds
from dgkd_cache.study.variants import METHODS, make_variants
from dgkd_cache.workspace.tasks import dump_draws
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

CHAIN = 'teacher = "wrn-10-1-dropout0.3"\nstudent = "plain2"'
KD = METHODS["kd"]
VARIANTS = {
    "kd": KD,
    "two draws": {**KD, "draws": 2},
    "three draws": {**KD, "draws": 3},
    "three draws, student": {**KD, "draws": 3, "weights": "student", "percentile": 50.0},
    "two draws, always": {**KD, "draws": 2, "dropping": "bernoulli", "keep": 0.25, "always": ["teacher"]},
}


@pytest.fixture
def drawn(tmp_path, _module: None) -> Workspace:
    return workspace(tmp_path / "ws", chain=CHAIN, training__epochs=2)


def studied(ws: Workspace, variants: dict[str, dict[str, object]]) -> Study:
    given = {"variants": variants, "reference": next(iter(variants))}
    config = ws.config.model_copy(update={"compare": ws.config.compare.model_copy(update=given)})
    return set_up_study(ws.with_config(config), seeds=[4])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, _module: None) -> tuple[Study, dict]:
    ws = workspace(tmp_path_factory.mktemp("drawn") / "ws", chain=CHAIN, training__epochs=2)
    study = studied(ws, VARIANTS)
    return study, dict(run_study(study, device="cpu", progress=Silent(), stop=lambda: False))


def test_draws_are_shared(drawn: Workspace) -> None:
    plan = studied(drawn, VARIANTS).plan
    stores = [one for one in plan.work if isinstance(one, StudyStore)]
    assert [one.draw for one in stores] == [None, 0, 1, 2], "one of the model itself, and three draws for all variants"
    assert len({one.run for one in stores}) == 1 and len({one.path for one in stores}) == 4
    two, three = (plan.students[name, 4].guides for name in ("two draws", "three draws"))
    assert three[:2] == two


def test_a_student_is_what_training_under_dumped_draws_makes(finished: tuple[Study, dict]) -> None:
    """The draws are dumped again beside the study, by the command's function, and a run under these is the same."""
    study, _ = finished
    run = study.plan.students["three draws, student", 4]
    (teacher,) = {store.run.name for store in run.guides}
    found = dump_draws(run.workspace, model=teacher, draws=3, device="cpu", progress=Silent(), stop=lambda: False)
    for one, store in zip(found, run.guides, strict=True):
        with GuideStore.open(one.path) as ours, GuideStore.open(store.path) as theirs:
            assert ours.seal == theirs.seal and ours.header.guide.draw == store.draw
    again = train(
        run.workspace,
        "again",
        architecture=run.architecture,
        guides=[one.path for one in found],
        training=run.training,
        distillation=run.distillation,
    )
    assert again.weights_digest == load_card(run.path).weights_digest


def test_a_model_that_is_always_kept_stands_for_its_draws(finished: tuple[Study, dict]) -> None:
    """Neither draw is ever dropped, so the student is the one without dropping."""
    study, results = finished
    always, none = (study.plan.students[name, 4] for name in ("two draws, always", "two draws"))
    assert not results["failed"] and always is not none
    assert load_card(always.path).weights_digest == load_card(none.path).weights_digest


def test_records_have_a_guide_once_and_its_draws(finished: tuple[Study, dict]) -> None:
    study, results = finished
    run = study.plan.students["three draws", 4]
    record = read_record(run)
    assert record["guide_runs"] == [run.guides[0].run.name]
    assert record["draw_of"] == {store.path.stem: number for number, store in enumerate(run.guides)}
    assert record["agreement"].keys() == record["guides"].keys() == record["draw_of"].keys()
    assert len(set(record["guides"].values())) == 3, "draws differ"
    assert "draw_of" not in read_record(study.plan.students["kd", 4])
    costs = {name: results["variants"][name]["cost"] for name in VARIANTS}
    one = costs["kd"]["guide_forwards"]
    assert [costs[name]["guide_forwards"] / one for name in VARIANTS] == [1, 2, 3, 3, 2]
    assert costs["three draws"]["guide_rows"] == 3 * costs["kd"]["guide_rows"] == 3 * 2 * 96
    sizes = [sum(file.stat().st_size for file in store.path.rglob("*") if file.is_file()) for store in run.guides]
    assert costs["three draws"]["cache_bytes"] == sum(sizes)


def test_seconds_of_dumps_are_those_of_the_draws_that_are_read(finished: tuple[Study, dict]) -> None:
    study, results = finished
    timings = read_timings(study.folder)
    draws = [store.path.stem for store in study.plan.students["three draws", 4].guides]
    teacher = study.plan.students["kd", 4].guides[0].run.name
    assert timings.keys() == {*results["runs"], *draws}
    for variant, stores in (("kd", [teacher]), ("two draws", draws[:2]), ("three draws", draws)):
        expected = sum(timings[store]["dump_seconds"] for store in stores)
        found = seconds_of([study.plan.students[variant, 4].name], results["runs"], timings)
        assert found[2] == pytest.approx(expected) and found[2] > 0
        told = variant_seconds(results, timings, variant)["guides_seconds"]
        assert told == pytest.approx(timings[teacher]["seconds"] + expected)


def test_a_workspace_with_draws_can_be_compared(drawn: Workspace) -> None:
    """Draws of the workspace are those of all variants; assistants learn from draws as students do."""
    ws = drawn.with_config(with_overrides(drawn.config, {"cache.draws": 2}))
    plan = studied(ws, {"kd": KD, "itself": {**KD, "draws": 0}}).plan
    assert [len(plan.students[name, 4].guides) for name in ("kd", "itself")] == [2, 1]


def test_a_model_without_dropout_is_refused_before_the_training(ws: Workspace) -> None:
    study = studied(ws, {"kd": KD, "x": {**KD, "draws": 2}})
    with pytest.raises(InvalidInput, match="teacher .plain6. has no dropout layer.*draws = 2"):
        check_plan(study.workspace, study.plan, device="cpu", progress=Silent())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "scratch", "draws": 2}, "the variant x has no guides: .*for draws"),
        ({**KD, "draws": -1}, r"key 'draws' in table \[cache\] of the variant x is wrong"),
        ({**KD, "draws": 2, "control": "shuffled"}, 'cannot have control = "shuffled" and draws = 2'),
        ({**KD, "draws": 2, "live": True}, "cannot have live = true and draws = 2"),
        ({"guides_from": "kd", "draws": 2}, "the variant x cannot set draws"),
    ],
)
def test_what_is_refused(drawn: Workspace, changes: dict[str, object], said: str) -> None:
    with pytest.raises(DgkdError, match=said) as caught:
        make_variants(drawn.config, {"kd": KD, "x": changes})
    assert caught.value.exit_code == 2
