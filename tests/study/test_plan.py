"""The plan of a study: what is shared, what is not, and in which order it is made."""

from __future__ import annotations

import hashlib
import json

import pytest

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import InvalidInput
from dgkd_cache.study.controls import CONTROLS
from dgkd_cache.study.plan import StudyPlan, StudyRun, StudyStore, make_plan
from dgkd_cache.study.variants import METHODS, make_variants
from dgkd_cache.workspace.workspace import Workspace


def planned(ws: Workspace, changes: dict[str, dict[str, object]], seeds=range(2), guides="shared") -> StudyPlan:
    return make_plan(ws, make_variants(ws.config, changes), seeds, guides=guides)


def runs(plan: StudyPlan, model: str) -> list[StudyRun]:
    return [one for one in plan.work if isinstance(one, StudyRun) and one.model == model]


def test_what_five_methods_share(ws: Workspace) -> None:
    """One teacher; an assistant for takd and dgkd, whose only guide is the teacher, and one for dropping."""
    plan = planned(ws, METHODS)
    assert len(runs(plan, "teacher")) == 1
    assert [[*one.wanted_by] for one in runs(plan, "ta1")] == [["takd", "dgkd"], ["dgkd+drop"]]
    assert len(runs(plan, "student")) == len({run.name for run in plan.students.values()}) == 10
    guides = {name: len(plan.students[name, 0].guides) for name in METHODS}
    assert guides == {"scratch": 0, "kd": 1, "takd": 1, "dgkd": 2, "dgkd+drop": 2}
    (guide,) = plan.students["takd", 0].guides
    assert guide.run.model == "ta1" and guide.run.wanted_by.keys() >= {"takd"}


def test_everything_comes_after_what_it_needs(ws: Workspace) -> None:
    made: set[object] = set()
    for one in planned(ws, METHODS).work:
        needs = [one.run] if isinstance(one, StudyStore) else one.guides
        assert made.issuperset(needs)
        made.add(one)
    assert len(made) == 1 + 2 + 10 + 3, "a teacher, two assistants, the students, and three stores"


def test_a_run_is_paired_over_seeds(ws: Workspace) -> None:
    plan = planned(ws, METHODS, seeds=(3, 8))
    assert {seed: {plan.students[name, seed].training.seed for name in METHODS} for seed in (3, 8)} == {3: {3}, 8: {8}}
    assert {one.training.seed for one in runs(plan, "teacher") + runs(plan, "ta1")} == {ws.config.training.seed}
    assert {(one.training.precision, one.training.channels_last) for one in plan.students.values()} == {
        ("float32", True)
    }


def test_guides_of_each_seed(ws: Workspace) -> None:
    plan = planned(ws, {"kd": METHODS["kd"], "dgkd": METHODS["dgkd"]}, seeds=(3, 8), guides="per-seed")
    assert [one.training.seed for one in runs(plan, "teacher")] == [3, 8]
    for (_, seed), run in plan.students.items():
        assert {store.run.training.seed for store in run.guides} == {seed}


@pytest.mark.parametrize(
    ("changes", "teachers", "stores"),
    [
        ({"lambda": 0.9}, 1, 1),  # of the student alone, which has the only guide
        ({"encoding": "uint8"}, 1, 2),
        ({"epochs": 3}, 2, 2),
        ({"views": 5}, 2, 2),  # the views that a teacher sees are those that are cached
    ],
)
def test_what_a_change_makes_again(ws: Workspace, changes: dict[str, object], teachers: int, stores: int) -> None:
    plan = planned(ws, {"kd": METHODS["kd"], "other": {**METHODS["kd"], **changes}})
    assert len(runs(plan, "teacher")) == teachers
    assert len([one for one in plan.work if isinstance(one, StudyStore)]) == stores
    assert len(runs(plan, "student")) == 4


@pytest.mark.parametrize(
    "changes",
    [{"keep": 0.5}, {"dkd_beta": 1.0}, {"dist_gamma": 5.0}, {"drop": 3}],
)
def test_what_has_no_effect_makes_nothing_again(ws: Workspace, changes: dict[str, object]) -> None:
    plan = planned(ws, {"dgkd": METHODS["dgkd"], "other": {**METHODS["dgkd"], **changes}})
    assert plan.students["dgkd", 0] is plan.students["other", 0]


def test_guides_that_are_always_kept_are_named_by_their_runs(ws: Workspace) -> None:
    plan = planned(ws, {"x": {"always": ["teacher"]}}, seeds=[0])
    student = plan.students["x", 0]
    assert student.distillation.always == (student.guides[0].run.name,)


@pytest.mark.parametrize("control", CONTROLS)
def test_controls_of_a_label_are_refused_where_views_mix_two(ws: Workspace, control: str) -> None:
    mixed = ws.with_config(with_overrides(ws.config, {"views.transforms": ["crop(1)", "mixup(0.4)"]}))
    changes = {"dgkd": METHODS["dgkd"], "control": {"guides_from": "dgkd", "control": control}}
    if control not in ("shuffled-in-class", "smoothed-labels"):
        assert planned(mixed, changes).work
        return
    with pytest.raises(InvalidInput, match=f"the variant control cannot have the control {control}: .*mix two samples"):
        planned(mixed, changes)
    assert planned(ws, changes).work


def test_names_are_of_the_content(ws: Workspace) -> None:
    """The same study in another folder has the same names; other data has others."""
    first, second = (planned(ws, METHODS), planned(ws, dict(reversed(METHODS.items()))))
    assert {one.name for one in first.students.values()} == {one.name for one in second.students.values()}
    assert all(run.name.startswith("plain2-") for run in first.students.values())


def test_the_decoder_is_in_the_names_of_stores_that_have_another_than_pillow(ws: Workspace) -> None:
    """A name is made as it was before there was a decoder, so that finished studies stay finished."""
    store = next(one for one in planned(ws, {"kd": METHODS["kd"]}).work if isinstance(one, StudyStore))
    of_views = {"transforms", "scheme", "count", "schedule", "seed"}
    views = {key: value for key, value in ws.config.views.model_dump(mode="json").items() if key in of_views}
    cache = ws.config.cache.model_dump(mode="json", exclude={"reader", "draws", "topk", "topk_temperatures"})
    content = json.dumps([store.run.name, {"cache": cache, "views": views}], sort_keys=True)
    assert store.path.stem == f"{store.run.name[:51]}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def test_rows_of_images_without_augmentation_have_the_same_decoder(ws: Workspace) -> None:
    photographs = ws.with_config(with_overrides(ws.config, {"views.decoder": "torchcodec"}))
    changes = {"dgkd": METHODS["dgkd"], "control": {"guides_from": "dgkd", "control": "unaugmented"}}
    before = {one.path.stem for one in planned(ws, changes).work if isinstance(one, StudyStore)}
    data = ws.dataset()  # arrays, which stand for photographs here
    for images in (data.train, data.test):
        images.decoder = "torchcodec"
    photographs._loaded[photographs.config.dataset, "torchcodec"] = data
    stores = [one for one in planned(photographs, changes).work if isinstance(one, StudyStore)]
    views = [one.workspace.config.views for one in stores]
    assert {one.decoder for one in views} == {"torchcodec"} and ("none",) in {one.transforms for one in views}
    assert not before & {one.path.stem for one in stores}
